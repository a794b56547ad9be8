"""The key document as a file: read at the start, and taken again whenever it changes.

A document that can't be read leaves the keys in use as they are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from ostiary.config.keys import KeyDocument
from ostiary.crypto.rings import Rings
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary_proxy.watched import looks

__all__ = ["follow_keys", "read_keys"]

log = structlog.get_logger(__name__)


def read_keys(text: bytes) -> Rings:
    """Return the rings of a key document; raises ValueError, without a word of what it holds."""
    return validate(KeyDocument, read_json(text)).rings()


async def follow_keys(
    path: Path, rings: Rings, changed: Callable[[Rings], Awaitable[None]]
) -> None:
    """Call `changed` whenever the file holds other keys than before; ends by being cancelled."""
    taken, refused = rings.fingerprint, ""
    async for _ in looks(path.parent):
        try:
            found = read_keys(await asyncio.to_thread(path.read_bytes))
        except (OSError, ValueError) as error:
            if str(error) != refused:
                log.error("the key document is not taken", error=str(error))
            refused = str(error)
            continue
        refused = ""
        if found.fingerprint != taken:
            await changed(found)
            taken = found.fingerprint
            log.info("keys changed", keys=taken)
