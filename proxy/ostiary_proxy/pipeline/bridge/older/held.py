"""What is kept between two requests for one person: found by key, bounded, ended in the end.

An end comes when nobody used a thing for some time, when its grant is over, or when its person
needs the room.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Generic, Protocol, TypeVar

from ostiary_proxy.identity import Person
from ostiary_proxy.pipeline.streams import Streams

__all__ = ["Held", "Thing"]


class Thing(Protocol):
    """What can be kept; a busy one is neither idle nor in the way."""

    @property
    def person(self) -> Person: ...

    @property
    def busy(self) -> bool: ...

    async def living(self) -> bool:
        """Say whether its grant lives and policy still allows what it is for."""

    async def end(self) -> None:
        """Let go of what it holds; nobody can find it any more."""


_LAST: Final = 1.0
"""Seconds that a thing is kept for the next use while the process ends."""
T = TypeVar("T", bound=Thing)


class Held(Generic[T]):
    """Keeps things for `seconds` after their last use, `each` for one person and `most` in all.

    One lives as long as the process.
    """

    def __init__(self, streams: Streams, *, seconds: float, each: int, most: int) -> None:
        self._streams = streams
        self._seconds = seconds
        self._each = each
        self._most = most
        self._things: dict[str, T] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._coming: Counter[tuple[str, str]] = Counter()
        self._woken = False
        self._looking = False
        streams.heed(self)

    def __len__(self) -> int:
        return len(self._things)

    def room(self, person: Person) -> bool:
        """Make room for one more thing of `person` by ending their oldest; False where none is."""
        who = _who(person)
        theirs = [key for key, thing in self._things.items() if _who(thing.person) == who]
        if len(theirs) + self._coming[who] >= self._each:
            idle = next((key for key in theirs if not self._things[key].busy), None)
            if idle is None:
                return False
            self._drop(idle)
        return len(self._things) + self._coming.total() < self._most

    @contextmanager
    def coming(self, person: Person) -> Iterator[bool]:
        """Keep the room that a thing of `person` needs, while it comes; False where none is."""
        who, there = _who(person), self.room(person)
        self._coming[who] += there
        try:
            yield there
        finally:
            self._coming[who] -= there
            self._coming += Counter()  # forgets who waits for nothing

    def put(self, key: str, thing: T) -> None:
        """Keep `thing`, the newest."""
        self._things[key] = thing
        self.used(key)

    def get(self, key: str) -> T | None:
        """Return the thing at `key`, which stays."""
        return self._things.get(key)

    def take(self, key: str) -> T | None:
        """Return the thing at `key`, which is kept no more."""
        timer = self._ends.pop(key, None)
        if timer is not None:
            timer.cancel()
        return self._things.pop(key, None)

    def used(self, key: str) -> None:
        """Take note that the thing at `key`, if it is there, is needed no more for now."""
        thing = self.take(key)
        if thing is None:
            return
        self._things[key] = thing
        if self._streams.leaving:
            self._streams.adopt(self._soon(key))
            return
        loop = asyncio.get_running_loop()
        self._ends[key] = loop.call_later(self._seconds, self._idle, key)

    async def _soon(self, key: str) -> None:
        """End a thing as the process ends, if nobody who has come for it uses it meanwhile."""
        await asyncio.sleep(_LAST)
        thing = self._things.get(key)
        if thing is not None and not thing.busy:
            self.take(key)
            await thing.end()

    def wake(self) -> None:
        """End what lives no more: a grant or a policy changed, or the process ends.

        However often that is said, one look goes on at a time, and another one after it.
        """
        self._woken = True
        if self._things and not self._looking:
            self._looking = True
            self._streams.adopt(self._look())

    async def _look(self) -> None:
        try:
            while self._woken:
                self._woken = False
                for key, thing in tuple(self._things.items()):
                    await self._look_at(key, thing)
        finally:
            self._looking = False

    async def _look_at(self, key: str, thing: T) -> None:
        if self._streams.leaving:
            self._idle(key)
        elif not await thing.living() and self._things.get(key) is thing:
            self._drop(key)

    def _idle(self, key: str) -> None:
        thing = self._things.get(key)
        if thing is not None and not thing.busy:
            self._drop(key)

    def _drop(self, key: str) -> None:
        thing = self.take(key)
        if thing is not None:
            self._streams.adopt(thing.end())


def _who(person: Person) -> tuple[str, str]:
    return person.issuer, person.subject
