"""What we say to servers by ourselves, in a person's name: recorded like what a client says.

What can't be recorded is not said (decision 16).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import AuditUnavailable, Record
from ostiary_proxy.mcp.message import Request, Response
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.trail import cut, outcome, own_request, server_message
from ostiary_proxy.refused import Refused

__all__ = ["is_own", "note_refused", "recorded"]


def is_own(said: Said) -> bool:
    """Say whether it has a record of its own.

    Answers of ours belong to what the server asked, and what comes after an event to its stream.
    """
    return said.system and not isinstance(said.message, Response) and not said.last_event


async def recorded(said: Said, send: Callable[[Said], Awaitable[Exchange]]) -> Exchange:
    """Return what `send` returns, between the records of what is said and how it went.

    Raises what `send` raises, and Refused("AuditUnavailable") before anything was sent.
    """
    live = said.known.routed.received.live
    record = own_request(said, live.new_id(), live.clock())
    await _written(live, record)
    try:
        exchange = await send(said)
    except asyncio.CancelledError:
        live.streams.adopt(_ended(live, record.id, "cancelled"))
        raise
    except Exception as error:
        code = error.code if isinstance(error, Refused) else type(error).__name__
        await _ended(live, record.id, "error", code=code)
        raise
    try:
        word = "ok" if exchange.status < 400 else "error"
        await _ended(live, record.id, word, status=exchange.status)
    except BaseException:  # cancelled: nobody else knows of the exchange
        await exchange.close()
        raise
    return exchange


async def note_refused(said: Said, asked: Request, why: str) -> None:
    """Record that we refuse what a server asks, while `said` is answered.

    Raises Refused("AuditUnavailable").
    """
    received = said.known.routed.received
    live = received.live
    await _written(
        live,
        server_message(
            live.new_id(), live.clock(), parent=received.id, passed=False, why=why,
            subject={"method": cut(asked.method), "rpc_id": asked.id},
        ),
    )  # fmt: skip


async def _written(live: Live, record: Record) -> None:
    try:
        await live.audit.write(record)
    except AuditUnavailable as error:
        raise Refused("AuditUnavailable", detail=str(error)) from error


async def _ended(live: Live, record_id: str, word: str, **facts: Json) -> None:
    # Nothing is left to stop: a restart closes the record as unknown.
    with contextlib.suppress(AuditUnavailable):
        await live.audit.write(outcome(record_id, live.clock(), word, facts))
