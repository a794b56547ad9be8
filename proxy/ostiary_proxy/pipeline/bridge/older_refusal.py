"""How legacy servers refuse, so that nothing ran: a request as it stands, or its session."""

from typing import Final

from ostiary_proxy.mcp.envelope import Misread, read_message
from ostiary_proxy.mcp.message import Response
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.forward import read_body

__all__ = ["REFUSING", "code_in", "is_lost", "refusal_of"]

REFUSING: Final = frozenset((-32600, -32000, -32001))
"""Codes by which they say that a request is none for them as it stands, or its session."""
_MAX_REFUSAL: Final = 64 * 1024


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
    code = code_in(body)
    if exchange.status == 404:
        return code is None or code in REFUSING
    return code in REFUSING and b"session" in body.lower()


def code_in(body: bytes) -> int | None:
    """Return the code of the JSON-RPC error in `body`, None where there is none."""
    try:
        message = read_message(body)
    except Misread:
        return None
    error = message.error if isinstance(message, Response) else None
    code = error.get("code") if error is not None else None
    return code if isinstance(code, int) else None
