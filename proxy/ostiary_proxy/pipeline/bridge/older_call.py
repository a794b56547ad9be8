"""One request in a session with a legacy server: begun, and ended or cancelled."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from ostiary_proxy.mcp.bridge.to_legacy import called, cancelled, log_level
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.bridge.older import PATIENCE
from ostiary_proxy.pipeline.bridge.older_ear import open_ear
from ostiary_proxy.pipeline.bridge.older_opening import level, session_for
from ostiary_proxy.pipeline.bridge.older_questions import Questions
from ostiary_proxy.pipeline.bridge.older_reading import Reading
from ostiary_proxy.pipeline.bridge.older_refusal import is_lost, refusal_of
from ostiary_proxy.pipeline.bridge.older_session import Kept, tell, today
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = ["Call", "begin"]

_LONGEST: Final = PATIENCE + 60.0
"""Seconds until the head of an answer, for which the server may have asked something first."""


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A request that runs, under an `id` of ours; `release` gives back what it holds."""

    kept: Kept
    id: int
    reading: Reading
    release: Callable[[], None]
    questions: Questions = field(default_factory=Questions)
    over: bool = False

    def run(self) -> None:
        """Take note that somebody reads the answer, from now on (again)."""
        self._leave()
        self.kept.running[self.id] = self.reading

    def rest(self) -> None:
        """Take note that nobody reads it until its questions are answered."""
        self._leave()
        self.kept.resting[self.id] = self.reading

    def _leave(self) -> None:
        self.kept.running.pop(self.id, None)
        self.kept.resting.pop(self.id, None)

    async def finish(self) -> None:
        """Take note that the answer is here."""
        if not self.over:
            self.over = True
            self._leave()
            await self.reading.close()
            self.release()

    async def cancel(self, said: Said) -> None:
        """Tell the server that nobody waits any more, and close the stream."""
        if self.over:
            return
        self.over = True
        self._leave()
        try:
            await _forgone(said, self.kept, self.id)
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
    kept = await session_for(said, request)
    with ExitStack() as held:
        held.callback(kept.left)
        held.enter_context(said.known.routed.received.live.borrowed())
        if await open_ear(said, kept):
            await level(said, kept, log_level(request))
            call = _call(said, kept, held.pop_all().close)
            exchange = await _sent(said, request, call)
            if exchange is None:
                return call
            if not await is_lost(exchange):
                return exchange
    kept.lose()
    return None


def _call(said: Said, kept: Kept, release: Callable[[], None]) -> Call:
    askable = said.method is not None and said.method.retried
    reading = Reading(kept.session.version, resume=partial(_resumed, said, kept), askable=askable)
    return Call(kept=kept, id=kept.next_id(), reading=reading, release=release)


async def _sent(said: Said, request: Request, call: Call) -> Exchange | None:
    """Return None once the call runs, else the exchange by which the server refused it.

    It runs before its answer begins: the server may ask something on the session's own stream.
    """
    call.run()
    message = called(request, call.id)
    coming = tell(said, call.kept, message, name=said.name, system=False, patience=_LONGEST)
    try:
        exchange = await call.reading.begun(coming, said.timeout)
    except TimeoutError:
        said.known.routed.received.live.streams.adopt(call.cancel(said))
        raise Refused("UpstreamTimeout", detail="no head") from None
    except asyncio.CancelledError:
        said.known.routed.received.live.streams.adopt(call.cancel(said))
        raise
    except Refused:
        await call.finish()
        raise
    if exchange is None:
        return None
    if exchange.status == 200:
        call.reading.open(exchange)
        return None
    await call.finish()
    return await refusal_of(exchange)


async def _resumed(said: Said, kept: Kept, last: str) -> Exchange:
    """Return what comes after an event at which the server let a stream end."""
    return await tell(today(said), kept, None, http_method="GET", last_event=last)


async def _forgone(said: Said, kept: Kept, request_id: int) -> None:
    with suppress(Refused):
        await (await tell(today(said), kept, cancelled(request_id))).close()
