"""The HTTP client of commands: the proxy's own, with its address guard, closed at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from ostiary_proxy.outbound.guard import Guard
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.provider import is_loopback
from ostiary_proxy.outbound.transport import PooledTransport

__all__ = ["outward"]


@asynccontextmanager
async def outward(url: str) -> AsyncIterator[HttpClient]:
    """Yield a client for what the person at the terminal named.

    Plain http is allowed where `url` itself is loopback, and then to loopback only.
    """
    loopback = is_loopback(urlsplit(url).hostname)
    transport = PooledTransport(Guard(allow_loopback=loopback))
    try:
        yield HttpClient(transport, allow_loopback=loopback)
    finally:
        await transport.close()
