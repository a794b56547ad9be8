"""The stream of a server that has none: it tells nothing, but on it the gateway can.

Clients are promised to hear when policy changes what they may list, and many servers, those
without sessions above all, offer nowhere to say it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.bridge.from_legacy import acknowledged
from ostiary_proxy.mcp.message import Request, Response
from ostiary_proxy.mcp.methods import LISTEN
from ostiary_proxy.mcp.results import CHANGING
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bridge.newer.speaking import message_in
from ostiary_proxy.pipeline.bridge.older.refusal import refusal_of
from ostiary_proxy.pipeline.said import Said

__all__ = ["or_silent"]

_MAX_REFUSAL: Final = 1024 * 1024


async def or_silent(said: Said, exchange: Exchange) -> Exchange:
    """Return `exchange`, or a silent stream where it says that there is none to hear lists on.

    Raises Refused.
    """
    if said.http_method == "GET":
        if exchange.status != 405 or not _promised(said):
            return exchange
        await exchange.close()
        return Silent(b"")
    request = said.message
    if not isinstance(request, Request) or not _wants_lists(request):
        return exchange
    exchange = await refusal_of(exchange)
    if not await _is_unknown(exchange):
        return exchange
    first = write_json(acknowledged({}, request.id)).decode()
    return Silent(write_event(Event(data=first, type="message")))


def _promised(said: Said) -> bool:
    """Say whether the session was promised to hear, and asks for no stream that broke off."""
    return said.session is not None and bool(said.session.lists) and not said.last_event


def _wants_lists(request: Request) -> bool:
    wanted = request.params.get("notifications") if request.method == LISTEN else None
    return isinstance(wanted, dict) and any(
        wanted.get(f"{kind}ListChanged") is True for kind in CHANGING
    )


async def _is_unknown(exchange: Exchange) -> bool:
    """Say whether a refusal, already read, says that the method is unknown (rule 21)."""
    if not exchange.arrived or exchange.status == 200:
        return False
    answer = message_in(await exchange.body(_MAX_REFUSAL))
    return isinstance(answer, Response) and (answer.error or {}).get("code") == -32601


class Silent:
    """An `Exchange` that says `first` and then nothing until it is closed."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream"}
    arrived = False

    def __init__(self, first: bytes) -> None:
        self._first = first

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over what is said first; whoever waits for more is cancelled at the end."""
        if self._first:
            yield self._first
        await asyncio.get_running_loop().create_future()

    async def body(self, limit: int) -> bytes:
        """Refuse: it has no end."""
        raise OutboundFailed("too-large", f"more than {limit} bytes")

    async def close(self) -> None:
        """Do nothing: nothing is open."""
