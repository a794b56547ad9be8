"""Records every byte that an agent sends and receives over HTTP, headers and bodies, both ways."""

from collections.abc import AsyncIterator

import httpx2

__all__ = ["Tap", "tapped"]


class Tap:
    """What went by, in order."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def note(self, data: bytes) -> None:
        """Keep `data`."""
        self._chunks.append(data)

    def note_headers(self, headers: httpx2.Headers) -> None:
        """Keep header names and values as they were on the wire."""
        for name, value in headers.raw:
            self.note(name + b": " + value + b"\r\n")

    @property
    def size(self) -> int:
        """Return how many bytes were recorded."""
        return sum(map(len, self._chunks))

    def holds(self, text: str) -> bool:
        """Say whether `text` went by, chunk borders notwithstanding."""
        return text.encode() in b"".join(self._chunks)


class _TappedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, tap: Tap) -> None:
        self._inner = inner
        self._tap = tap

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._tap.note(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class _TappedTransport(httpx2.AsyncBaseTransport):
    def __init__(self, tap: Tap) -> None:
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False)
        self._tap = tap

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send `request`, keeping it and its answer."""
        self._tap.note(f"{request.method} {request.url}\r\n".encode())
        self._tap.note_headers(request.headers)
        self._tap.note(await request.aread())
        response = await self._inner.handle_async_request(request)
        self._tap.note_headers(response.headers)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _TappedStream(response.stream, self._tap)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def tapped(tap: Tap, *, auth: httpx2.Auth | None = None) -> httpx2.AsyncClient:
    """Return an HTTP client of its own whose whole traffic `tap` records."""
    return httpx2.AsyncClient(
        transport=_TappedTransport(tap), auth=auth, timeout=30, follow_redirects=True
    )
