"""The stream on which a legacy server says to a session what answers no request.

It is open as long as the session, as real servers expect: what it tells goes to all who listen,
what it asks to one call. Where the server ends it, the next request opens another one, or we do
while a call runs.
"""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Final

from ostiary_proxy.mcp.bridge.from_legacy import CHANGES, OF_CALLS, TAKEN_BACK
from ostiary_proxy.mcp.bridge.to_legacy import answer_of, refused, requested
from ostiary_proxy.mcp.message import Message, Notification, Request
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.bridge.older.reading import Reading
from ostiary_proxy.pipeline.bridge.older.refusal import is_lost, refusal_of
from ostiary_proxy.pipeline.bridge.older.session import Opened, resumed, tell, today
from ostiary_proxy.pipeline.bridge.older.task_questions import ask_of_task
from ostiary_proxy.pipeline.own_requests import note_refused
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = ["Ear", "Heard", "open_ear"]

Heard = asyncio.Queue[Notification | None]
"""What one listener has not read yet; None at the end."""
_BACKLOG: Final = 32
_PATIENCE: Final = 2.0
"""Seconds that requests wait for the stream; some servers open it with the first thing to say."""
_LONGEST: Final = 24 * 3600.0
_AGAIN: Final = 1.0
"""Seconds until a stream that the server ended is opened again for the calls that run."""
_TOOLS: Final = "notifications/tools/list_changed"
_NOBODY: Final = "no call of the client's runs that could ask this"


async def open_ear(said: Said, opened: Opened) -> bool:
    """See to it that the session has an ear; False where the server does not know the session."""
    if opened.ear is not None and not opened.ear.over:
        return True
    async with opened.lock:
        if opened.ear is None or opened.ear.over:
            reading, known = await _stream(said, opened)
            opened.ear = Ear(opened, reading)
            return known
    return True


async def _stream(said: Said, opened: Opened) -> tuple[Reading | None, bool]:
    """Return the stream, None where there is none, and whether the server knows the session."""
    if opened.session.upstream is None:
        return None, True
    reading = Reading(opened.session.version, resume=partial(resumed, opened))
    coming = tell(said, opened, None, http_method="GET", patience=_LONGEST)
    try:
        exchange = await reading.begun(coming, _PATIENCE)
    except TimeoutError:
        return reading, True
    except Refused:
        return None, True
    assert exchange is not None  # nothing else is told to this one
    reading.open(exchange)
    if exchange.status == 200 and reading.streams:
        return reading, True
    await reading.close()
    return None, exchange.status not in (400, 404) or await _is_known(said, opened)


async def _is_known(said: Said, opened: Opened) -> bool:
    """Say whether the server knows the session; many answer 404 where they have no such stream."""
    ping = requested("ping", {}, opened.next_id())
    exchange = await refusal_of(await tell(said, opened, ping))
    await exchange.close()
    return not await is_lost(exchange)


async def _again(opened: Opened) -> None:
    """Open another stream while there are calls: their server may ask something on it."""
    await asyncio.sleep(_AGAIN)
    if opened.running or opened.resting:
        with suppress(Refused):
            await open_ear(today(opened.user), opened)


class Ear:
    """Hears what `reading` says; without one the server has no such stream."""

    def __init__(self, opened: Opened, reading: Reading | None) -> None:
        self.over = False
        self.hears = reading is not None
        self._opened = opened
        self._listeners: set[Heard] = set()
        self._task: asyncio.Task[None] | None = None
        if reading is not None:
            self._task = asyncio.ensure_future(self._hear(reading))

    def listen(self) -> Heard:
        """Return the queue of a new listener."""
        heard: Heard = asyncio.Queue(_BACKLOG + 1)
        self._listeners.add(heard)
        return heard

    def leave(self, heard: Heard) -> None:
        """Take note that a listener went away."""
        self._listeners.discard(heard)

    def close(self) -> None:
        """Hear no more: the session is over."""
        self._end()
        if self._task is not None:
            self._task.cancel()

    def _end(self) -> None:
        self.over = True
        for heard in self._listeners:
            heard.put_nowait(None)
        self._listeners.clear()

    async def _hear(self, reading: Reading) -> None:
        try:
            with suppress(OutboundFailed, Refused):
                while (message := await reading.next()) is not None:
                    await self._take(message)
        finally:
            self._end()
            await reading.close()
        if self._calls():
            self._opened.user.known.routed.received.live.streams.adopt(_again(self._opened))

    async def _take(self, message: Message) -> None:
        if isinstance(message, Request):
            await self._asked(message)
        elif isinstance(message, Notification):
            self._told(message)

    async def _asked(self, asked: Request) -> None:
        """Let a call ask its client: the last that runs, else the last that waits for answers."""
        if await ask_of_task(self._opened.user, asked):
            return
        calls = [reading for reading in self._calls() if reading.askable]
        if asked.method == "ping":
            answer = answer_of(asked, {})
        elif calls and calls[-1].tell(asked):
            return
        else:
            await note_refused(self._opened.user, asked, _NOBODY)
            answer = refused(asked, _NOBODY)
        await (await tell(today(self._opened.user), self._opened, answer)).close()

    def _calls(self) -> list[Reading]:
        return [*self._opened.resting.values(), *self._opened.running.values()]

    def _told(self, note: Notification) -> None:
        """Hand it to the calls or the listeners that it is for."""
        if note.method == TAKEN_BACK:
            for reading in self._calls():
                reading.tell(note)
        elif note.method in OF_CALLS:
            for reading in self._opened.running.values():
                reading.tell(note)
        else:
            self.tell(note)

    def tell(self, note: Notification) -> None:
        """Tell all who listen, of lists those at other replicas too."""
        self.hand(note)
        if note.method in CHANGES:
            older = self._opened.user.known.routed.received.live.older
            older.changed(self._opened.key, note.method)

    def hand(self, note: Notification) -> None:
        """Tell all who listen here; one that does not read is let go, and may listen anew."""
        if note.method == _TOOLS:
            self._opened.task_tools = None
        for heard in tuple(self._listeners):
            if heard.qsize() < _BACKLOG:
                heard.put_nowait(note)
            else:
                self._listeners.discard(heard)
                heard.put_nowait(None)
