"""What the commands say of themselves, for docs/reference/cli.md."""

import importlib
from collections.abc import Iterator
from typing import Any, Final

import click

__all__ = ["command_names", "help_text"]

_PROGRAMS: Final = {
    "ostiary": "ostiary_cli.main",
    "ostiary-proxy": "ostiary_proxy.main",
    "ostiary-operator": "ostiary_operator.main",
}
_WIDTH: Final = 90


def command_names() -> Iterator[str]:
    """Yield every command, such as `ostiary audit verify`, groups before their members."""
    for program in _PROGRAMS:
        yield from _below(program, _program(program))


def help_text(name: str) -> str:
    """Return what `NAME --help` prints, as a block of Markdown."""
    program, *steps = name.split()
    context = _context(_program(program), program)
    for step in steps:
        context = _context(_member(context, step), step, context)
    return f"```text\n{context.command.get_help(context)}\n```"


def _context(
    command: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    settings: dict[str, Any] = dict(command.context_settings)
    return click.Context(command, parent, name, terminal_width=_WIDTH, **settings)


def _member(context: click.Context, name: str) -> click.Command:
    assert isinstance(context.command, click.Group)
    member = context.command.get_command(context, name)
    assert member is not None, name
    return member


def _program(name: str) -> click.Command:
    main: click.Command = importlib.import_module(_PROGRAMS[name]).main
    return main


def _below(name: str, command: click.Command) -> Iterator[str]:
    yield name
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for member in command.list_commands(context):
            yield from _below(f"{name} {member}", _member(context, member))
