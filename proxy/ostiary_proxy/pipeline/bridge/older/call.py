"""One request in a session with a legacy server: begun, and ended or cancelled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from ostiary_proxy.mcp.bridge.to_legacy import called, cancelled, log_level
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bridge.older.ear import open_ear
from ostiary_proxy.pipeline.bridge.older.opening import level, session_for
from ostiary_proxy.pipeline.bridge.older.questions import Questions
from ostiary_proxy.pipeline.bridge.older.reading import Reading
from ostiary_proxy.pipeline.bridge.older.refusal import is_lost, refusal_of
from ostiary_proxy.pipeline.bridge.older.session import Opened, resumed, tell, today
from ostiary_proxy.pipeline.bridge.older.state import PATIENCE
from ostiary_proxy.pipeline.forward import failure_of
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = ["Call", "begin"]

_LONGEST: Final = PATIENCE + 60.0
"""Seconds until the head of an answer, for which the server may have asked something first."""

_MOST: Final = 64 * 1024 * 1024
"""Bytes that the answer may have in all, with what is said before it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A request that runs, under an `id` of ours; `release` gives back what it holds."""

    opened: Opened
    id: int
    reading: Reading
    release: Callable[[], None]
    questions: Questions = field(default_factory=Questions)
    over: bool = False

    def run(self) -> None:
        """Take note that somebody reads the answer, from now on (again)."""
        self._leave()
        self.opened.running[self.id] = self.reading

    def rest(self) -> None:
        """Take note that nobody reads it until its questions are answered."""
        self._leave()
        self.opened.resting[self.id] = self.reading

    def _leave(self) -> None:
        self.opened.running.pop(self.id, None)
        self.opened.resting.pop(self.id, None)

    async def finish(self) -> None:
        """Take note that the answer is here."""
        if not self.over:
            self.over = True
            self._leave()
            await self.reading.close()
            self.release()

    @asynccontextmanager
    async def awaited(self, said: Said) -> AsyncIterator[None]:
        """Wait for the answer: a client that goes away cancels the call, a failure is its end.

        Raises Refused.
        """
        try:
            yield
        except asyncio.CancelledError:
            self.abandon(said)
            raise
        except OutboundFailed as failed:
            await self.finish()
            raise failure_of(failed) from failed
        except Refused:
            await self.finish()
            raise

    def abandon(self, said: Said) -> None:
        """Cancel it; nobody waits for that."""
        said.known.routed.received.live.streams.adopt(self.cancel(said))

    async def cancel(self, said: Said) -> None:
        """Tell the server that nobody waits any more, and close the stream."""
        if self.over:
            return
        self.over = True
        self._leave()
        try:
            await _forgone(said, self.opened, self.id)
            await self.reading.close()
        finally:
            self.release()


async def begin(said: Said, request: Request) -> Call | Exchange:
    """Return the call that runs now, or the exchange by which the server refused it.

    A server that does not know the session any more did not run the request either: it is said
    once more in a new one.
    """
    begun = await _begun(said, request)
    if begun is None:
        begun = await _begun(said, request)
    if begun is None:
        raise Refused("UpstreamUnavailable", detail="every new session is lost at once")
    return begun


async def _begun(said: Said, request: Request) -> Call | Exchange | None:
    """Return as `begin` does, None where the session was lost."""
    opened = await session_for(said, request)
    with ExitStack() as held:
        held.callback(opened.left)
        held.enter_context(said.known.routed.received.live.borrowed())
        if await open_ear(said, opened):
            await level(said, opened, log_level(request))
            call = _call(said, opened, held.pop_all().close)
            exchange = await _sent(said, request, call)
            if exchange is None:
                return call
            if not await is_lost(exchange):
                return exchange
    opened.lose()
    return None


def _call(said: Said, opened: Opened, release: Callable[[], None]) -> Call:
    askable = said.method is not None and said.method.retried
    resume = partial(resumed, opened)
    reading = Reading(opened.session.version, resume=resume, askable=askable, most=_MOST)
    return Call(opened=opened, id=opened.next_id(), reading=reading, release=release)


async def _sent(said: Said, request: Request, call: Call) -> Exchange | None:
    """Return None once the call runs, else the exchange by which the server refused it.

    It runs before its answer begins: the server may ask something on the session's own stream.
    """
    call.run()
    message = called(request, call.id)
    coming = tell(said, call.opened, message, name=said.name, system=False, patience=_LONGEST)
    try:
        async with call.awaited(said):
            exchange = await call.reading.begun(coming, said.timeout)
    except TimeoutError:
        call.abandon(said)
        raise Refused("UpstreamTimeout", detail="no head") from None
    if exchange is None:
        return None
    if exchange.status == 200:
        call.reading.open(exchange)
        return None
    await call.finish()
    return await refusal_of(exchange)


async def _forgone(said: Said, opened: Opened, request_id: int) -> None:
    with suppress(Refused):
        await (await tell(today(said), opened, cancelled(request_id))).close()
