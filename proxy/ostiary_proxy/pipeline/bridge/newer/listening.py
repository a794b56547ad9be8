"""A legacy client's GET stream at a server of 2026-07-28: one listen request at a time behind it.

Subscriptions that come and go open another one, before the last is closed. A session has one such
stream: the newest, on whatever replica (rule 34).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.bridge.from_modern import told
from ostiary_proxy.mcp.bridge.tasks_from_modern import extended, told_of_task
from ostiary_proxy.mcp.bridge.to_modern import listening
from ostiary_proxy.mcp.message import Notification, Response
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.newer.bridged import Bridged
from ostiary_proxy.pipeline.bridge.newer.made import Made, is_kept
from ostiary_proxy.pipeline.bridge.newer.remembered import Remembered, change, look_up
from ostiary_proxy.pipeline.bridge.newer.saying import Saying
from ostiary_proxy.pipeline.bridge.newer.speaking import events_of, is_stream, message_in
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["listen"]

_LOOK: Final = 10.0
"""Seconds between two looks at what other replicas kept for the session."""
_OF_TASKS: Final = "notifications/tasks"


async def listen(said: Said, session: Session, bridged: Bridged) -> Exchange:
    """Return the stream of what the server tells by itself; raises Refused as `say` does.

    405 where the server has none.
    """
    received = said.known.routed.received
    live = received.live
    stream = _Listening(said, session, bridged)
    exchange = await stream.open((await stream.look())[1])
    if not is_stream(exchange):
        await stream.close()
        return Whole(405 if 400 <= exchange.status < 500 else exchange.status, {}, b"")
    room = live.allowance.of(said.known.presented.grant.person)
    try:
        kept = await change(
            live.store, session, lambda now: replace(now, listener=received.id), room=room
        )
    except BaseException:
        await stream.close()
        raise
    live.underway.keep(session, kept)
    return stream


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """The resources and the tasks of whose changes a stream tells."""

    uris: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


class _Listening:
    """An `Exchange` that lasts as long as the session, unless the server ends it."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream"}
    arrived = False

    def __init__(self, said: Said, session: Session, bridged: Bridged) -> None:
        self._said = said
        self._saying = Saying(said)
        self._session = session
        self._bridged = bridged
        self._received = said.known.routed.received
        self._heard = _Heard()
        self._opened = 0
        self._exchange: Exchange | None = None
        self._due = 0.0

    async def open(self, wanted: "_Heard") -> Exchange:
        """Listen for what is `wanted` from now on, in place of the last."""
        self._opened += 1
        declared = self._bridged.declared
        request = listening(
            extended(declared) if wanted.tasks else declared, wanted.uris, wanted.tasks,
            request_id=f"{self._received.id}.{self._opened}",
        )  # fmt: skip
        last = self._exchange
        self._exchange = await self._saying.say(request)
        self._heard = wanted
        if last is not None:
            await last.close()
        return self._exchange

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over what the server tells; raises OutboundFailed and Refused."""
        with self._received.live.underway.listening(self._session) as woken:
            while self._exchange is not None:
                async for data in self._told(self._exchange, woken):
                    yield data
                kept, wanted = await self.look()
                if wanted == self._heard or not self._is_mine(kept):
                    return
                if not is_stream(await self.open(wanted)):
                    return

    async def body(self, limit: int) -> bytes:
        """Refuse: what has no end can't be waited for as a whole."""
        raise OutboundFailed("protocol", f"a stream, not a body of {limit} bytes")

    async def close(self) -> None:
        """Stop listening."""
        if self._exchange is not None:
            await self._exchange.close()
        self._saying.close()

    async def _told(self, exchange: Exchange, woken: asyncio.Event) -> AsyncIterator[bytes]:
        """Iterate over one listen stream until it ends or the session wants another one."""
        events = events_of(exchange)
        reading = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                await _until(reading, woken)
                if reading.done():
                    event = reading.result()
                    if event is None or _ends(event):
                        return
                    yield _passed(event)
                    reading = asyncio.ensure_future(anext(events, None))
                if await self._is_stale(woken):
                    return
        finally:
            reading.cancel()

    async def _is_stale(self, woken: asyncio.Event) -> bool:
        """Say whether another stream is wanted; look where woken, and now and then."""
        now = asyncio.get_running_loop().time()
        if not woken.is_set() and now < self._due:
            return False
        woken.clear()
        self._due = now + _LOOK
        kept, wanted = await self.look()
        return wanted != self._heard or not self._is_mine(kept)

    def _is_mine(self, kept: Remembered) -> bool:
        return kept.listener == self._received.id and not kept.ended

    async def look(self) -> tuple[Remembered, "_Heard"]:
        """Return what is kept for the session, and what it wants to hear of."""
        try:
            kept = await look_up(self._received.live.store, self._session)
            made = await Made(self._said).ids() if self._bridged.tasks else ()
            tasks = tuple(task for task in made if not is_kept(task))
            return kept, _Heard(uris=kept.uris, tasks=tasks)
        except StoreUnavailable as error:
            raise Refused("StoreUnavailable", detail=str(error)) from error


async def _until(reading: "asyncio.Future[Event | None]", woken: asyncio.Event) -> None:
    """Wait for the next event, a change, or the time to look for one."""
    looking = asyncio.ensure_future(woken.wait())
    try:
        await asyncio.wait((reading, looking), timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
    finally:
        looking.cancel()


def _ends(event: Event) -> bool:
    message = message_in(event)
    return isinstance(message, Response) or (
        isinstance(message, Notification) and message.method == "notifications/cancelled"
    )


def _passed(event: Event) -> bytes:
    message = message_in(event)
    if message is None:
        return write_event(replace(event, id=None, retry=None))
    passed = told(message)
    if passed is None:
        return b""
    if passed.method == _OF_TASKS:
        passed = told_of_task(passed)
    return write_event(Event(type="message", data=write_json(passed.whole).decode()))
