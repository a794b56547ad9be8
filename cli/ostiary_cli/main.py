"""The `ostiary` command: a table of subcommands, each imported only when it is called.

A subcommand is a module of this package that exposes a click command named `command`, and a line
in `SUBCOMMANDS`.
"""

import importlib
from collections.abc import Mapping
from typing import Final

import click

from ostiary import __version__

__all__ = ["SUBCOMMANDS", "main"]

SUBCOMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "accounts": ("accounts", "List and revoke people's accounts at services behind routes."),
    "audit": ("audit", "Verify the audit log, show one request, follow what happens."),
    "check": ("check", "Say what is wrong with the YAML in a folder, and how to mend it."),
    "connect": ("connect", "Print what to paste into an MCP client to use a route."),
    "demo": ("demo.run", "Watch an agent log in, consent, call tools and be refused."),
    "dev": ("dev.command", "Run a gateway on this machine, from YAML or from one URL."),
    "doctor": ("doctor", "Ask the real parts behind the YAML in a folder, a line each."),
    "grants": ("grants", "List and revoke what people gave MCP clients."),
    "import": ("import_pomerium", "Turn another proxy's configuration into Ostiary's kinds."),
    "keys": ("keys", "Replace the keys in a key document, step by step or at once."),
    "login": ("login", "Log in at a route as an MCP client would; print the access token."),
    "render": ("render", "Print what a cluster would get from the YAML in a folder."),
}
"""Name of a subcommand → its module and its line in `ostiary --help`."""


class Subcommands(click.Group):
    """Finds subcommands in `SUBCOMMANDS`, so that `--help` and one command import nothing else."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return every name, sorted."""
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one subcommand, or None where there is none of that name."""
        if cmd_name not in SUBCOMMANDS:
            return None
        command = importlib.import_module(f"ostiary_cli.{SUBCOMMANDS[cmd_name][0]}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"ostiary_cli.{SUBCOMMANDS[cmd_name][0]} has no click `command`")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands from the table alone."""
        rows = [(name, SUBCOMMANDS[name][1]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(
    cls=Subcommands,
    epilog="Each command explains itself with examples: `ostiary check --help`.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="ostiary")
def main() -> None:
    """Ostiary, the identity-aware proxy for MCP servers."""


if __name__ == "__main__":
    main()
