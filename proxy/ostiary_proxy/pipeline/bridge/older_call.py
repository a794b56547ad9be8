"""One request in a session with a legacy server: begun, and ended or cancelled."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from ostiary_proxy.mcp.bridge.to_legacy import called, cancelled, log_level
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.older_reading import Reading, refusal_in
from ostiary_proxy.pipeline.bridge.older_session import Kept, level, session_for, tell, today
from ostiary_proxy.pipeline.forward import read_body
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = ["REFUSING", "Call", "begin", "is_lost", "refusal_of"]

REFUSING: Final = frozenset((-32600, -32000, -32001))
"""Codes by which legacy servers say that a request is none for them as it stands, or its session.

What they refuse so did not run.
"""
_MAX_REFUSAL: Final = 64 * 1024


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A request that runs, under an `id` of ours; `release` gives back what it holds."""

    kept: Kept
    id: int
    reading: Reading
    release: Callable[[], None]
    over: bool = False

    async def finish(self) -> None:
        """Take note that the answer is here."""
        if not self.over:
            self.over = True
            await self.reading.close()
            self.release()

    async def cancel(self, said: Said) -> None:
        """Tell the server that nobody waits any more, and close the stream."""
        if self.over:
            return
        self.over = True
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
    live = said.known.routed.received.live
    with ExitStack() as held:
        kept = await session_for(said, request)
        held.callback(kept.left)
        held.enter_context(live.borrowed())
        await level(said, kept, log_level(request))
        request_id = kept.next_id()
        exchange = await _sent(said, kept, request, request_id)
        if exchange.status == 200:
            release = held.pop_all().close
            return Call(kept=kept, id=request_id, reading=Reading(exchange), release=release)
        exchange = await refusal_of(exchange)
        if not await is_lost(exchange):
            return exchange
        kept.lose()
    return None


async def _sent(said: Said, kept: Kept, request: Request, request_id: int) -> Exchange:
    try:
        return await tell(said, kept, called(request, request_id), name=said.name, system=False)
    except asyncio.CancelledError:
        said.known.routed.received.live.streams.adopt(_forgone(said, kept, request_id))
        raise


async def _forgone(said: Said, kept: Kept, request_id: int) -> None:
    with suppress(Refused):
        await (await tell(today(said), kept, cancelled(request_id))).close()


async def refusal_of(exchange: Exchange) -> Exchange:
    """Return an exchange of status 4xx with its body read; any other as it is.

    Raises Refused.
    """
    if not 400 <= exchange.status < 500:
        return exchange
    body = await read_body(exchange, _MAX_REFUSAL)
    return Whole(exchange.status, exchange.headers, body)


async def is_lost(exchange: Exchange) -> bool:
    """Say whether a refusal means that the session is not known there (any more)."""
    if exchange.status not in (400, 404):
        return False
    body = await exchange.body(_MAX_REFUSAL)
    code = refusal_in(body)
    if exchange.status == 404:
        return code is None or code in REFUSING
    return code in REFUSING and b"session" in body.lower()
