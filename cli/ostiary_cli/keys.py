"""`ostiary keys`: replace the keys in a key document, step by step or at once."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from ostiary.config.keys import RINGS, KeyDocument, Ring
from ostiary.config.rotation import advance, begin, drop_older, replace_key, stages
from ostiary.decode.json_text import write_json
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary_cli.options import PATH
from ostiary_proxy.whole_file import write_whole

__all__ = ["command"]

_FILE = click.argument("file", type=PATH)
_RING = click.argument("ring", type=click.Choice(RINGS))
_SAID: Final = {
    "Published": "a new key is known since {0}; after ten minutes `advance` makes it sign",
    "Signing": "a new key signs since {0}; `advance` removes the old one when nothing needs it",
}
_SEAL: Final = (
    "a new key seals since {0}; the old one stays until `drop`, for accounts not used since"
)


@click.group()
def command() -> None:
    """Replace the keys in a key document; running proxies take the file as it changes.

    \b
    ostiary keys rotate access keys.json
    ostiary keys advance keys.json        # again and again, until it says settled
    ostiary keys replace access keys.json # it leaked: tokens signed with it end now
    """  # noqa: D301 - click reads the backspace


@command.command("show")
@_FILE
def show(file: Path) -> None:
    """Say how many keys each ring has, and where its rotation is."""
    _tell(_read(file))


@command.command("rotate")
@_RING
@_FILE
def rotate(ring: Ring, file: Path) -> None:
    """Begin to replace the key of a ring; nothing that was issued stops working."""
    _edit(file, lambda found, now: begin(found, ring, now=now, entropy=os.urandom))


@command.command("advance")
@_FILE
def advance_command(file: Path) -> None:
    """Take each step that is due; run it from time to time until all is settled."""
    _edit(file, lambda found, now: advance(found, now=now))


@command.command("replace")
@_RING
@_FILE
def replace(ring: Ring, file: Path) -> None:
    """Replace a key that leaked: everything that was signed or sealed with it ends at once."""
    _edit(file, lambda found, _: replace_key(found, ring, entropy=os.urandom))


@command.command("drop")
@_RING
@_FILE
def drop(ring: Ring, file: Path) -> None:
    """Remove replaced keys now. For seal: accounts not used since have to be connected again."""
    _edit(file, lambda found, _: drop_older(found, ring))


def _edit(file: Path, change: Callable[[KeyDocument, float], KeyDocument]) -> None:
    found = _read(file)
    changed = change(found, time.time())  # noqa: TID251 - the edge has the clock
    if changed != found:
        write_whole(file, write_json(changed.reveal()), private=True)
    _tell(changed)


def _read(file: Path) -> KeyDocument:
    try:
        found = validate(KeyDocument, read_json(file.read_bytes()))
        found.rings()
    except OSError as error:
        raise click.ClickException(f"{file} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(f"{file} is no key document: {error}") from None
    return found


def _tell(document: KeyDocument) -> None:
    under_way = {stands.ring: stands for stands in stages(document)}
    for ring in RINGS:
        keys, stands = len(getattr(document, ring)), under_way.get(ring)
        said = "settled"
        if stands is not None:
            since = datetime.fromtimestamp(stands.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            keys += stands.stage == "Published"
            text = _SEAL if (ring, stands.stage) == ("seal", "Signing") else _SAID[stands.stage]
            said = text.format(since)
        click.echo(f"{ring:<9} {keys} {'key' if keys == 1 else 'keys'}: {said}")
