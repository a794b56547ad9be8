"""A listen stream whose acknowledgement was read ahead: the joined one has to come first."""

from collections.abc import AsyncIterator
from typing import Final

from ostiary_proxy.mcp.envelope import Misread, read_message
from ostiary_proxy.mcp.message import Notification, Object
from ostiary_proxy.mcp.sse import EventTooLarge, Splitter
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.refused import Refused

__all__ = ["begun"]

_LONGEST: Final = 1024 * 1024
"""Bytes up to the acknowledgement: comments before it would have no end."""


async def begun(exchange: Exchange) -> tuple[Object, Exchange]:
    """Return what the server listens for, and its stream from the start; raises Refused."""
    chunks, splitter, head = exchange.chunks(), Splitter(), b""
    try:
        async for chunk in chunks:
            head += chunk
            if len(head) > _LONGEST:
                raise OutboundFailed("too-large", f"{_LONGEST} bytes and no beginning")
            for event in splitter.feed(chunk):
                if event.data:
                    heard = _acknowledged(event.data.encode())
                    return heard, _Begun(exchange, head, chunks)
        raise Refused("UpstreamUnavailable", detail="the stream ended before it began")
    except (OutboundFailed, EventTooLarge, Misread) as error:
        await exchange.close()
        raise Refused("UpstreamInvalid", detail=str(error)) from None
    except BaseException:
        await exchange.close()
        raise


def _acknowledged(data: bytes) -> Object:
    message = read_message(data)
    heard = message.params.get("notifications") if isinstance(message, Notification) else None
    return heard if isinstance(heard, dict) else {}


class _Begun:
    """An `Exchange` of which the beginning was read."""

    arrived = False

    def __init__(self, exchange: Exchange, head: bytes, chunks: AsyncIterator[bytes]) -> None:
        self.status = exchange.status
        self.headers = exchange.headers
        self._exchange = exchange
        self._head = head
        self._chunks = chunks

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._head
        async for chunk in self._chunks:
            yield chunk

    async def body(self, limit: int) -> bytes:
        raise OutboundFailed("too-large", f"more than {limit} bytes")

    async def close(self) -> None:
        await self._exchange.close()
