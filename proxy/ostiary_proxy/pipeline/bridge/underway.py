"""What goes on for bridged sessions on this replica: calls, GET streams, what was looked up.

One lives as long as the process. A replica that another one's call runs on is not told of its
cancellation: such a call runs to its end, as one of a legacy server may.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ostiary_proxy.identity import Person
from ostiary_proxy.mcp.message import Id
from ostiary_proxy.pipeline.bridge.kept import Kept, look_up
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Store

__all__ = ["Underway"]

_FRESH: Final = 5.0
"""Seconds that a log level set on another replica may need to be obeyed on this one."""
_MOST: Final = 10_000
"""Sessions of which something is remembered; the oldest are looked up again."""
_MOST_ASKING: Final = 32
"""Calls of one person that wait for an answer: each looks for it several times a second."""


class Underway:
    """Finds what runs by session; all of it may be lost at any time without harm."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: dict[str, dict[Id, asyncio.Event]] = {}
        self._asking: Counter[tuple[str, str]] = Counter()
        self._streams: dict[str, set[asyncio.Event]] = {}
        self._remembered: dict[str, tuple[Kept, float]] = {}

    # -- calls --------------------------------------------------------------------------------

    def started(self, session: Session, request_id: Id) -> asyncio.Event:
        """Return the event that is set where the client cancels this call."""
        return self._calls.setdefault(session.key, {}).setdefault(request_id, asyncio.Event())

    def ended(self, session: Session, request_id: Id) -> None:
        """Forget a call."""
        calls = self._calls.get(session.key, {})
        calls.pop(request_id, None)
        if not calls:
            self._calls.pop(session.key, None)

    def cancel(self, session: Session, request_id: Id) -> None:
        """Cancel a call of this session, if it runs here."""
        if (call := self._calls.get(session.key, {}).get(request_id)) is not None:
            call.set()

    def end(self, session: Session) -> None:
        """Cancel every call of a session that was ended, and wake its streams."""
        for call in tuple(self._calls.get(session.key, {}).values()):
            call.set()
        self.wake(session)
        self._remembered.pop(session.key, None)

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
        for woken in self._streams.get(session.key, ()):
            woken.set()

    # -- what was looked up -------------------------------------------------------------------

    async def level(self, store: Store, session: Session) -> str | None:
        """Return the log level that the session asked for, looked up every few seconds at most."""
        kept, until = self._remembered.get(session.key, (Kept(), 0.0))
        if self._clock() >= until:
            kept = await look_up(store, session)
            self._remember(session, kept)
        return kept.level

    def keep(self, session: Session, kept: Kept) -> None:
        """Take note of what is kept now, and let streams know."""
        self._remember(session, kept)
        self.wake(session)

    def _remember(self, session: Session, kept: Kept) -> None:
        self._remembered.pop(session.key, None)
        self._remembered[session.key] = kept, self._clock() + _FRESH
        if len(self._remembered) > _MOST:
            del self._remembered[next(iter(self._remembered))]
