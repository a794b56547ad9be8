"""How legacy servers show what they are: they refuse a request as it stands, or its session.

What they refuse so did not run.
"""

from typing import Final

from ostiary_proxy.mcp.envelope import Misread, read_message
from ostiary_proxy.mcp.message import Response
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.mcp.sse import EventTooLarge, Splitter
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.older.reading import EVENTS
from ostiary_proxy.pipeline.forward import media_type, read_body
from ostiary_proxy.pipeline.said import Said

__all__ = ["is_lost", "looked_at", "refusal_of"]

_REFUSING: Final = frozenset((-32600, -32000, -32001))
"""Codes by which they say that a request is none for them as it stands, or its session."""
_MODERN: Final = frozenset((-32020, -32021, -32022))
"""Codes that none of them knows."""
_REFUSALS: Final = frozenset((400, 404, 405, 406))
_MAX_REFUSAL: Final = 1024 * 1024


async def looked_at(said: Said, exchange: Exchange) -> tuple[Exchange, bool]:
    """Return the answer to a 2026-07-28 request, and whether a legacy server gave it.

    It was read where that tells. Raises Refused.
    """
    discovers = said.method is not None and said.method.name == "server/discover"
    if exchange.status not in _REFUSALS and not (discovers and exchange.status == 200):
        return exchange, False
    body = await read_body(exchange, _MAX_REFUSAL)
    whole = Whole(exchange.status, exchange.headers, body)
    message = _message_in(body if media_type(exchange) != EVENTS else _first(body))
    if message is None:
        return whole, exchange.status != 200
    return whole, _is_legacy(message, discovers=discovers)


def _is_legacy(message: Response, *, discovers: bool) -> bool:
    """Judge an answer; every server of 2026-07-28 can be discovered, and then names it."""
    if message.error is not None:
        code = message.error.get("code")
        return code in _REFUSING or (discovers and code not in _MODERN)
    versions = (message.result or {}).get("supportedVersions")
    return discovers and isinstance(versions, list) and MODERN not in versions


def _first(body: bytes) -> bytes:
    """Return the data of the first event that has any."""
    try:
        found = [event.data for event in Splitter().feed(body) if event.data]
    except EventTooLarge:
        return b""
    return found[0].encode() if found else b""


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
    message = _message_in(body)
    code = message.error.get("code") if message is not None and message.error is not None else None
    if exchange.status == 404:
        return code is None or code in _REFUSING
    return code in _REFUSING and b"session" in body.lower()


def _message_in(body: bytes) -> Response | None:
    try:
        message = read_message(body)
    except Misread:
        return None
    return message if isinstance(message, Response) else None
