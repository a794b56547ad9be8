"""What goes on for bridged sessions on this replica: calls, GET streams, what was looked up.

One lives as long as the process. The other replicas are told of what is cancelled or ended, for a
call may run there; where they did not hear it, that runs to its end, as one of a legacy server may.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ostiary_proxy.identity import Person
from ostiary_proxy.mcp.message import Id
from ostiary_proxy.pipeline.bridge.newer.remembered import Remembered, look_up
from ostiary_proxy.pipeline.session import Session, digest_of
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Store

__all__ = ["Underway"]

_CANCELLED: Final = "cancelled"
_ENDED: Final = "ended"
_FRESH: Final = 5.0
"""Seconds that a log level set on another replica may need to be obeyed on this one."""
_MOST: Final = 10_000
"""Sessions whose level is remembered; the oldest are looked up again."""
_MOST_ASKING: Final = 32
"""Calls of one person that wait for an answer: each looks for it several times a second."""


class Underway:
    """Finds what runs by session; all of it may be lost at any time without harm.

    `tell` lets the other replicas `hear` a word.
    """

    def __init__(self, clock: Callable[[], float], *, tell: Callable[[str], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._calls: dict[str, list[tuple[Id, asyncio.Event]]] = {}
        self._asking: Counter[tuple[str, str]] = Counter()
        self._streams: dict[str, set[asyncio.Event]] = {}
        self._levels: dict[str, tuple[str | None, float]] = {}

    # -- calls --------------------------------------------------------------------------------

    def started(self, session: Session, request_id: Id) -> asyncio.Event:
        """Return the event that is set where the client cancels this call.

        It may run beside others of its id: clients say again what broke off.
        """
        call = asyncio.Event()
        self._calls.setdefault(session.key, []).append((request_id, call))
        return call

    def ended(self, session: Session, call: asyncio.Event) -> None:
        """Forget a call."""
        calls = [one for one in self._calls.pop(session.key, ()) if one[1] is not call]
        if calls:
            self._calls[session.key] = calls

    def cancel(self, session: Session, request_id: Id) -> None:
        """Cancel the calls of this session that have that id, on whatever replica."""
        self._everywhere(f"{_CANCELLED} {session.key} {digest_of(request_id)}")

    def end(self, session: Session) -> None:
        """Cancel every call of a session that was ended, and wake its streams, likewise."""
        self._everywhere(f"{_ENDED} {session.key}")

    def _everywhere(self, word: str) -> None:
        self.hear(word)
        self._tell(word)

    def hear(self, word: str) -> None:
        """Do what a replica was asked to, to what runs here."""
        what, _, whose = word.partition(" ")
        key, _, digest = whose.partition(" ")
        if what not in (_CANCELLED, _ENDED):
            return
        for own_id, call in self._calls.get(key, ()):
            if what == _ENDED or digest == digest_of(own_id):
                call.set()
        if what == _ENDED:
            self._wake(key)
            self._levels.pop(key, None)

    @property
    def waiting(self) -> int:
        """Return how many calls wait for an answer of their client."""
        return self._asking.total()

    @contextmanager
    def asking(self, person: Person) -> Iterator[None]:
        """Count a call during which `person` is asked; raises Refused where there are too many."""
        key = (person.issuer, person.subject)
        if self._asking[key] >= _MOST_ASKING:
            raise Refused(
                "RateLimited",
                message=f"{_MOST_ASKING} calls wait for your answers; answer or cancel some",
            )
        self._asking[key] += 1
        try:
            yield
        finally:
            self._asking[key] -= 1
            if not self._asking[key]:
                del self._asking[key]

    # -- streams ------------------------------------------------------------------------------

    @contextmanager
    def listening(self, session: Session) -> Iterator[asyncio.Event]:
        """Give the event that is set where something is kept anew for the session."""
        woken = asyncio.Event()
        self._streams.setdefault(session.key, set()).add(woken)
        try:
            yield woken
        finally:
            streams = self._streams[session.key]
            streams.discard(woken)
            if not streams:
                del self._streams[session.key]

    def wake(self, session: Session) -> None:
        """Let the GET streams of the session look at what is kept."""
        self._wake(session.key)

    def _wake(self, key: str) -> None:
        for woken in self._streams.get(key, ()):
            woken.set()

    # -- what was looked up -------------------------------------------------------------------

    async def level(self, store: Store, session: Session) -> str | None:
        """Return the log level that the session asked for, looked up every few seconds at most."""
        level, until = self._levels.get(session.key, (None, 0.0))
        if self._clock() >= until:
            level = (await look_up(store, session)).level
            self._remember(session, level)
        return level

    def keep(self, session: Session, kept: Remembered) -> None:
        """Take note of what is kept now, and let streams know."""
        self._remember(session, kept.level)
        self.wake(session)

    def _remember(self, session: Session, level: str | None) -> None:
        self._levels.pop(session.key, None)
        self._levels[session.key] = level, self._clock() + _FRESH
        if len(self._levels) > _MOST:
            del self._levels[next(iter(self._levels))]
