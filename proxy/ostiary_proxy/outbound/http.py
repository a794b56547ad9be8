"""Small whole answers over any Transport, under one deadline: what OAuth needs."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing, Transport

__all__ = ["Fetched", "HttpClient"]


class Fetched(NamedTuple):
    """One whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Fetches whole answers. `allow_loopback` (development) permits plain http to loopback."""

    __slots__ = ("_transport", "allow_loopback")

    def __init__(self, transport: Transport, *, allow_loopback: bool = False) -> None:
        self._transport = transport
        self.allow_loopback = allow_loopback

    async def fetch(self, request: Outgoing, limit: int) -> Fetched:
        """Return the answer to `request`, its body at most `limit` bytes; raises OutboundFailed.

        `request.timeout` bounds the whole exchange, in seconds. Redirects are answers like any
        other.
        """
        try:
            async with asyncio.timeout(request.timeout):
                exchange = await self._transport.send(request)
                try:
                    return Fetched(exchange.status, exchange.headers, await exchange.body(limit))
                finally:
                    await exchange.close()
        except TimeoutError:
            raise OutboundFailed("timeout", "no whole answer in time") from None
