"""The guard at the socket, where it can't be talked around.

Each socket is judged by the address it is made for.

Names are resolved afresh for every connection and forbidden answers are dropped early, for a clear
reason; the socket factory then judges whatever is about to be connected to, literal addresses
included, which never see a resolver.
"""

import socket
import ssl
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from ostiary_proxy.outbound.exchange import NamedBy
from ostiary_proxy.outbound.guard import Guard

__all__ = ["Forbidden", "guarded_connector"]

KEEP_ALIVE: Final = 4.0
"""Seconds an idle connection is kept.

Shorter than the 5 s after which common servers close theirs, because a POST that meets a closing
connection can't be sent again without risk.
"""


class Forbidden(OSError):  # noqa: N818 - a statement
    """Nobody may connect there; an OSError, so that the client takes it for a failed connection."""


class _GuardedResolver(AbstractResolver):
    """Drops forbidden addresses from another resolver's answers."""

    def __init__(self, guard: Guard, named_by: NamedBy, inner: AbstractResolver) -> None:
        self._guard = guard
        self._named_by = named_by
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the allowed addresses of `host`; raises Forbidden where it has others only."""
        found = await self._inner.resolve(host, port, family)
        judged = [(entry, self._guard.judge(entry["host"], self._named_by)) for entry in found]
        allowed = [entry for entry, refusal in judged if refusal is None]
        if judged and not allowed:
            raise Forbidden(f"{host} resolves to a forbidden address ({judged[0][1]})")
        return allowed

    async def close(self) -> None:
        """Close the inner resolver."""
        await self._inner.close()


def guarded_connector(
    guard: Guard,
    named_by: NamedBy,
    *,
    tls: ssl.SSLContext | None = None,
    resolver: AbstractResolver | None = None,
) -> aiohttp.TCPConnector:
    """Return a connector whose sockets all pass `guard` as named by `named_by`.

    `tls` replaces the system's trust; `resolver` the system's resolver. The number of connections
    is not bounded here: streams would starve calls; the edge bounds what may come in.
    """

    def judged(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        refusal = guard.judge(str(info[4][0]), named_by)
        if refusal is not None:
            raise Forbidden(f"a forbidden address ({refusal})")
        return socket.socket(info[0], info[1], info[2])

    return aiohttp.TCPConnector(
        ssl=tls or True,
        resolver=_GuardedResolver(guard, named_by, resolver or aiohttp.ThreadedResolver()),
        use_dns_cache=False,
        limit=0,
        keepalive_timeout=KEEP_ALIVE,
        socket_factory=judged,
    )
