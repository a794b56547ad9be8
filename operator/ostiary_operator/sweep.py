"""The sweep: every kind is listed again and again, so that the World is true whatever was missed.

kopf keeps objects that were deleted while its watch was broken, and a deleted Allow must not stay
in force. A listing of metadata every ten seconds finds them, and what no watch told of either.
"""

import asyncio
import contextlib
from collections.abc import Callable
from itertools import starmap
from typing import Final

import structlog

from ostiary_operator.api import Api, Listing
from ostiary_operator.failures import ApiFailed, NotFound
from ostiary_operator.feed import Feed
from ostiary_operator.shelf import Key
from ostiary_operator.sources import CHILDREN, NAMESPACES, WHOLE, Scope, Source

__all__ = ["Sweep"]

log = structlog.get_logger(__name__)
_PERIOD: Final = 10.0
_FIRST: Final = 0.1
"""Seconds between the first two listings; each pause doubles until everything was seen."""
_AT_ONCE: Final = 8
_NOTHING: Final = Listing(items=(), resource_version=str(2**63 - 1))
_Place = tuple[Source, str]
"""A source in a namespace ('' for all)."""


class Sweep:
    """Compares what `feed` holds with what is there.

    `complete` is called when everything was listed for the first time.
    """

    def __init__(
        self,
        api: Api,
        feed: Feed,
        scope: Scope,
        *,
        clock: Callable[[], float],
        complete: Callable[[], None],
    ) -> None:
        self._api = api
        self._feed = feed
        self._clock = clock
        self._complete = complete
        self._places = _places(scope)
        self._waiting: dict[_Place, str] = dict.fromkeys(self._places, "not listed yet")
        self._absent: dict[_Place, int] = {}
        self._behind: dict[_Place, dict[Key, float]] = {place: {} for place in self._places}
        self._limit = asyncio.Semaphore(_AT_ONCE)
        self._soon = asyncio.Event()
        self._failures: dict[_Place, str] = {}

    @property
    def waiting(self) -> tuple[str, ...]:
        """Return what has to be seen before anything can be planned, and why it was not yet."""
        return tuple(starmap(_said, self._waiting.items()))

    @property
    def failures(self) -> tuple[str, ...]:
        """Return what could not be listed last time, and why."""
        return tuple(starmap(_said, self._failures.items()))

    def soon(self) -> None:
        """Sweep at the next opportunity: a watch began anew, and may have missed deletions."""
        if not self._waiting:
            self._soon.set()

    async def run(self) -> None:
        """Sweep for ever."""
        pause = _FIRST
        while True:
            await self.once()
            pause = min(pause * 2, _PERIOD / 2) if self._waiting else _PERIOD
            # Not `wait_for`: up to Python 3.11 it may swallow the cancellation that ends us.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._soon.wait()
            self._soon.clear()

    async def once(self) -> None:
        """Sweep everything, or what was never seen while there is such."""
        places = tuple(self._waiting) or self._places
        await asyncio.gather(*(self._visit(place) for place in places))

    async def _visit(self, place: _Place) -> None:
        async with self._limit:
            try:
                await self._compare(place)
            except NotFound:
                self._no_such_kind(place)
            except ApiFailed as failed:
                self._fail(place, str(failed))
            else:
                self._failures.pop(place, None)

    async def _compare(self, place: _Place) -> None:
        source, namespace = place
        # The first listing is the newest there is; later ones may come from the server's cache.
        at = "" if place in self._waiting else "0"
        listing = await self._api.list_metadata(source.kind, namespace, labels=source.labels, at=at)
        self._absent.pop(place, None)
        if source in CHILDREN:
            for item in listing.items:
                self._feed.put(source, item)
        else:
            await self._catch_up(place, self._feed.behind(source, listing))
        self._feed.sweep(source, namespace, listing)
        if not self._feed.missing(source, listing):
            self._listed(place)

    def _listed(self, place: _Place) -> None:
        if self._waiting.pop(place, None) is not None and not self._waiting:
            self._complete()

    async def _catch_up(self, place: _Place, behind: set[Key]) -> None:
        """List whole objects where the watch has owed us one since the last sweep."""
        source, namespace = place
        now, before = self._clock(), self._behind[place]
        since = {key: before.get(key, now) for key in behind}
        if any(now - first >= _PERIOD for first in since.values()):
            listing = await self._api.list(source.kind, namespace, labels=source.labels, at="0")
            kind = {"apiVersion": source.kind.api_version, "kind": source.kind.kind}
            for item in listing.items:
                self._feed.put(source, {**item, **kind})
        self._behind[place] = since

    def _no_such_kind(self, place: _Place) -> None:
        """Where a kind is gone, so are its objects; an answer that comes once may be a hiccup."""
        source, namespace = place
        self._absent[place] = self._absent.get(place, 0) + 1
        if source.required:
            self._fail(place, f"the CRD {source} is missing; apply the CRDs of Ostiary")
        else:
            self._listed(place)
        if place not in self._waiting and self._absent[place] > 1:
            self._feed.sweep(source, namespace, _NOTHING)

    def _fail(self, place: _Place, reason: str) -> None:
        if self._failures.get(place) != reason:
            log.warning("can't list", kind=str(place[0]), namespace=place[1], error=reason)
        self._failures[place] = reason
        if place in self._waiting:
            self._waiting[place] = reason


def _said(place: _Place, reason: str) -> str:
    source, namespace = place
    return f"{source} in {namespace}: {reason}" if namespace else f"{source}: {reason}"


def _places(scope: Scope) -> tuple[_Place, ...]:
    everywhere = "" in scope
    sources = tuple(
        source for source in (*WHOLE, *CHILDREN) if everywhere or source is not NAMESPACES
    )
    return tuple((source, namespace) for source in sources for namespace in scope)
