"""The Transport on aiohttp's client: pooled, streamed, every failure with a stable reason.

No redirects, no cookies, no decompression, no proxies from the environment. A POST is never sent
twice: once a byte has left nobody can prove that the call did not run.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDictProxy

from ostiary_proxy.outbound.connector import Forbidden, guarded_connector
from ostiary_proxy.outbound.exchange import Exchange, NamedBy, OutboundFailed, Outgoing
from ostiary_proxy.outbound.guard import Guard
from ostiary_proxy.outbound.interim import Response

__all__ = ["PooledTransport", "trust"]

_Session = aiohttp.ClientSession  # noqa: TID251 - this is the one HTTP client
CONNECT_TIMEOUT: Final = 10.0
_OURS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
"""Headers that belong to this connection; the caller's are not sent."""


def trust(ca_bundle: str | None) -> ssl.SSLContext:
    """Return the TLS settings that trust the system's authorities, and those in `ca_bundle` (PEM).

    Raises ValueError where the bundle holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle is not None:
        try:
            context.load_verify_locations(cadata=ca_bundle)
        except ssl.SSLError as error:
            raise ValueError("the CA bundle holds no PEM certificate") from error
    return context


class PooledTransport:
    """Sends requests through one pool of connections per outbound class.

    Make it in a running event loop.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._guard = guard
        self._tls = tls
        self._resolver = resolver
        self._sessions: dict[NamedBy, _Session] = {}

    async def send(self, request: Outgoing) -> Exchange:
        """Send `request` and return once the answer's head is there; raises OutboundFailed."""
        try:
            async with asyncio.timeout(request.timeout):
                response = await self._session(request.named_by).request(
                    request.method,
                    request.url,
                    headers=_sent(request),
                    data=request.body or None,
                    allow_redirects=False,
                )
        except _FAILURES as error:
            raise _failed(error) from error
        return _checked(response)

    async def close(self) -> None:
        """Close every connection, those of running exchanges too."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _session(self, named_by: NamedBy) -> _Session:
        """Pools are apart by class.

        A connection that the platform may have is none for a stranger.
        """
        if named_by not in self._sessions:
            self._sessions[named_by] = _Session(
                connector=guarded_connector(
                    self._guard, named_by, tls=self._tls, resolver=self._resolver
                ),
                response_class=Response,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
                max_line_size=8190,
                max_field_size=16380,
            )
        return self._sessions[named_by]


def _sent(request: Outgoing) -> list[tuple[str, str]]:
    kept = [(name, value) for name, value in request.headers if name.lower() not in _OURS]
    return [*kept, ("accept-encoding", "identity")]


def _checked(response: aiohttp.ClientResponse) -> Exchange:
    """Refuse an encoded body: nobody here decompresses, so nobody could screen it."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding != "identity" or response.status < 200:
        response.close()
        raise OutboundFailed("protocol", "an encoded body" if response.status >= 200 else "1xx")
    return _Exchange(response)


class _Exchange:
    """An answer on a connection of the pool.

    The connection goes back once the body has been read to its end.
    """

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = _combined(response.headers)

    @property
    def arrived(self) -> bool:
        return self._response.content.is_eof()

    async def chunks(self) -> AsyncIterator[bytes]:
        while chunk := await self._read():
            yield chunk

    async def body(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while chunk := await self._read():
            size += len(chunk)
            if size > limit:
                await self.close()
                raise OutboundFailed("too-large", f"more than {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)

    async def close(self) -> None:
        self._response.close()

    async def _read(self) -> bytes:
        """Return what has arrived, nothing at the end."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _failed(error) from error


def _combined(headers: CIMultiDictProxy[str]) -> Mapping[str, str]:
    """Return repeated fields as one (RFC 9110 section 5.3).

    So that no reader can pick another of two than we did.
    """
    combined: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        combined[key] = f"{combined[key]}, {value}" if key in combined else value
    return combined


def _failed(error: Exception) -> OutboundFailed:
    """Return the failure with its stable reason.

    Its detail is for our log, never for the client.
    """
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, Forbidden):
        return OutboundFailed("forbidden-address", str(error.os_error))
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return OutboundFailed(reason, f"{type(error).__name__}: {error}"[:300])
    return OutboundFailed("protocol", type(error).__name__)


_FAILURES: Final = (
    aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError,
)  # fmt: skip
_REASONS: Final[tuple[tuple[tuple[type[Exception], ...], str], ...]] = (
    ((TimeoutError,), "timeout"),
    ((aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError, ssl.SSLError), "tls"),
    ((aiohttp.ClientConnectorDNSError,), "dns"),
    ((aiohttp.ClientConnectorError,), "connect"),
    ((aiohttp.InvalidURL, aiohttp.ClientResponseError), "protocol"),
    ((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, OSError), "closed"),
)
"""The first match counts: special before general."""
