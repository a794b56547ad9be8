"""The streams on which several servers speak by themselves, as one.

A server's stream that ends is opened again. After a server was away the client is told to look
anew, for nobody knows what changed there meanwhile. The client's end of the stream ends them all.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

import structlog

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["Merged", "Source", "message_event"]

log = structlog.get_logger(__name__)

_AGAIN: Final = 5.0
"""Seconds until a server whose stream ended is asked for another."""

_GONE: Final = (OutboundFailed, Refused, StoreUnavailable)

Source = Callable[[], Awaitable[Exchange | None]]
"""Opens a server's stream; returns None where it has none, raises Refused while it is away."""


class Merged:
    """An `Exchange` whose body is what all `sources` say, event by event.

    `opened` are the streams that are open already, `first` is said before everything, `news` once a
    server is back.
    """

    status = 200
    arrived = False

    def __init__(
        self,
        sources: Mapping[str, Source],
        opened: Mapping[str, Exchange],
        *,
        first: bytes = b"",
        news: bytes = b"",
    ) -> None:
        self.headers: Mapping[str, str] = {"content-type": "text/event-stream"}
        self._opened = tuple(opened.values())
        self._first = first
        self._news = news
        # One piece waits at most: a slow client holds all servers back, none fills our memory.
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._pumps = [
            asyncio.ensure_future(self._pump(source, opened.get(server)))
            for server, source in sources.items()
        ]

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over what the servers say until `close`."""
        if self._first:
            yield self._first
        while True:
            yield await self._pieces.get()

    async def body(self, limit: int) -> bytes:
        """Never return: it has no end."""
        raise OutboundFailed("too-large", f"more than {limit} bytes")

    async def close(self) -> None:
        """End every stream."""
        for pump in self._pumps:
            pump.cancel()
        for ended in await asyncio.gather(*self._pumps, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("a server's part of a stream failed", exc_info=ended)
        for exchange in self._opened:  # a pump may have been stopped before it took its own
            await exchange.close()

    async def _pump(self, source: Source, exchange: Exchange | None) -> None:
        news = b"" if exchange is not None else self._news
        while True:
            if exchange is not None:
                await self._drain(exchange, news)
                news = b""
            await asyncio.sleep(_AGAIN)
            try:
                exchange = await source()
            except _GONE:
                exchange, news = None, self._news
                continue
            if exchange is None:
                return

    async def _drain(self, exchange: Exchange, news: bytes) -> None:
        try:
            if news:
                await self._pieces.put(news)
            with contextlib.suppress(*_GONE):
                async for piece in exchange.chunks():
                    await self._pieces.put(piece)
        finally:
            await exchange.close()


def message_event(message: Object) -> bytes:
    """Return one message as an event."""
    return write_event(Event(data=write_json(message).decode(), type="message"))
