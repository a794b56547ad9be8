"""Following objects by their metadata: a list, then each change, for ever.

What is deleted while no watch stands is not told: the sweep finds that.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from ostiary_operator.api import Api, Change
from ostiary_operator.failures import ApiFailed, Gone
from ostiary_operator.sources import Source

__all__ = ["follow"]

log = structlog.get_logger(__name__)
_PAUSE: Final = 0.2
"""Seconds between two watches, so that a server that hangs up at once is not stormed."""


async def follow(api: Api, source: Source, namespace: str, heard: Callable[[Change], None]) -> None:
    """Call `heard` with every object that is there and then with each change; never ends."""
    since = ""
    while True:
        try:
            since = since or await _list(api, source, namespace, heard)
            async for change in api.watch_metadata(
                source.kind, namespace, labels=source.labels, since=since
            ):
                since = change.object["metadata"]["resourceVersion"]
                if change.type != "BOOKMARK":
                    heard(change)
        except Gone:
            since = ""
        except ApiFailed as failed:
            since = ""
            log.warning("a watch broke and starts anew", kind=str(source), error=str(failed))
        await asyncio.sleep(_PAUSE)


async def _list(api: Api, source: Source, namespace: str, heard: Callable[[Change], None]) -> str:
    listing = await api.list_metadata(source.kind, namespace, labels=source.labels)
    for item in listing.items:
        heard(Change(type="ADDED", object=item))
    return listing.resource_version
