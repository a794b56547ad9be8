"""Options that several subcommands share, so that they read and mean the same everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

__all__ = ["PATH", "folder", "served"]

PATH: Final = click.Path(path_type=Path)
Decorator = Callable[[Any], Any]


def folder(function: Any) -> Any:
    """Add `-f`, required: the YAML that is meant, as `place`."""
    said = "Folder of YAML files, or one file."
    option = click.option("-f", "--folder", "place", type=PATH, required=True, help=said)
    return option(function)


def served(*more: Decorator) -> Decorator:
    """Add the options that say which gateway of `ostiary dev` is meant, and then `more`.

    They come as `source` and `state`.
    """
    options = (
        click.option("-f", "--from", "source", default=".", show_default=True, metavar="DIR|URL",
                     help="What `ostiary dev` was started on: the folder, or the URL of --to."),
        click.option("--state", type=PATH, help="The --state folder given to `ostiary dev`."),
        *more,
    )  # fmt: skip

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add
