"""Plays scenes and counts what held."""

import traceback
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import TypeVar

import click

from ostiary_cli.demo.calls import Served, Show
from ostiary_cli.demo.story import Untrue

__all__ = ["play"]

_StageT = TypeVar("_StageT", bound=Served)


async def play(
    show: Show[_StageT],
    scenes: Iterable[tuple[str, Callable[[Show[_StageT]], Awaitable[None]]]],
    *,
    log: Path,
    started: float,
) -> bool:
    """Play every scene; return whether every claim held. `started` is a monotonic time."""
    story = show.story
    for title, scene in scenes:
        story.part(title)
        try:
            await scene(show)
        except Exception as error:  # noqa: BLE001 - a scene that breaks is a claim that failed
            cause = _cause(error)
            if isinstance(cause, Untrue):
                story.fails(cause.claim, cause.detail)
            else:
                story.fails(title, f"{type(cause).__name__}: {cause}")
            with log.open("a") as kept:
                kept.write("".join(traceback.format_exception(error)))
    colour = "red" if story.failed else "green"
    said = f"\n{story.held} claims held, {story.failed} failed, in {monotonic() - started:.0f} s."
    click.secho(said, fg=colour, bold=True)
    return story.failed == 0


def _cause(error: BaseException) -> BaseException:
    """Return what went wrong inside the groups that the SDK's task groups make of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
