"""One listening socket on aiohttp: requests become `Incoming`, a handler's answer goes back.

Everything that names the library or echoes raw input is taken off: the Server header, the error
pages. The strict C parser of HTTP is required, for the Python one reads messages that it should
refuse.
"""

import asyncio
import functools
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import StreamReader, http_parser, web
from aiohttp.web_protocol import RequestHandler

from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Address, Incoming, Reply

__all__ = ["Admits", "Handler", "Listener", "incoming_of", "read_body", "write_reply"]

log = structlog.get_logger(__name__)
_PATIENCE: Final = 30.0
"""Seconds that the body of a request may take."""
_NAME: Final = (("server", "ostiary"),)
_HANDSHAKE: Final = 5.0
"""Seconds for a TLS handshake."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Garbled = Callable[[web.BaseRequest], Awaitable[None]]
Admits = Callable[[asyncio.BaseTransport], bool]


class Listener:
    """A server on one endpoint. `handler` answers each request and may stream.

    `garbled` is told of requests that are no HTTP, and answered with 400. With `tls` it speaks TLS
    only. `admits` looks at each new connection; one that it doesn't admit is closed before a byte
    of it is read.
    """

    def __init__(
        self,
        handler: Handler,
        endpoint: Endpoint,
        *,
        garbled: Garbled | None = None,
        tls: ssl.SSLContext | None = None,
        admits: Admits | None = None,
    ) -> None:
        if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
            raise RuntimeError("aiohttp's C parser is missing: install a wheel for this platform")
        handle = functools.partial(_guarded, handler)
        self._server = _Server(handle, garbled, admits)
        self._endpoint = endpoint
        self._tls = tls
        self._accepting: list[asyncio.Server] = []

    async def start(self) -> Endpoint:
        """Listen; return the endpoint with the port that was taken.

        Raises OSError where it is busy.
        """
        accepting = await asyncio.get_running_loop().create_server(
            self._server, self._endpoint.bind, self._endpoint.port, **self._how()
        )
        self._accepting = [accepting]
        port: int = accepting.sockets[0].getsockname()[1]
        return Endpoint(self._endpoint.host, port)

    async def renew(self, tls: ssl.SSLContext) -> None:
        """Take new connections by `tls`; who is connected is let go after the running answer.

        The port stays open: the new server shares the old one's sockets.
        """
        self._tls = tls
        old = self._accepting
        sockets = [os.dup(one.fileno()) for server in old for one in server.sockets]
        self._accepting = [
            await asyncio.get_running_loop().create_server(
                self._server, sock=socket.socket(fileno=one), **self._how()
            )
            for one in sockets
        ]
        for server in old:
            server.close()
        for connection in self._server.connections:
            if isinstance(connection, _Protocol):
                connection.leave()

    async def stop(self, *, drain: float) -> None:
        """Take no new connections, let running answers end for up to `drain` seconds.

        Then close.
        """
        for server in self._accepting:
            server.close()
        self._server.pre_shutdown()
        await self._server.shutdown(drain)

    def _how(self) -> dict[str, Any]:
        handshake = None if self._tls is None else _HANDSHAKE
        return {"ssl": self._tls, "ssl_handshake_timeout": handshake, "backlog": 1024}


async def _guarded(handler: Handler, request: web.BaseRequest) -> web.StreamResponse:
    """Answer 500 without a trace where `handler` fails.

    Such a failure is a bug, and nothing gets through.
    """
    try:
        return await handler(request)
    except asyncio.CancelledError:
        raise
    except ConnectionError:
        raise
    except Exception:
        log.exception("request failed", method=request.method)
        return write_reply(Reply(status=500, body=b"internal error\n"))


class _Protocol(RequestHandler):
    """aiohttp's protocol with error pages that say nothing and echo nothing."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or close at once: what had come already is not read then."""
        super().connection_made(transport)
        assert isinstance(self._manager, _Server)  # which made this protocol
        if self._manager.admits is not None and not self._manager.admits(transport):
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """Take bytes; where a body breaks off in what is no HTTP, tell whoever waits for its end.

        aiohttp queues an error behind the request, which would wait for ever.
        """
        super().data_received(data)
        if not self._messages:
            return
        current = self._current_request
        before = [payload for _, payload in self._messages][:-1]
        for body in before if current is None else (current.content, *before):
            if not body.is_eof():
                body.set_exception(web.RequestPayloadError("the body is not framed as it says"))
                body.feed_eof()
                self.close()

    def leave(self) -> None:
        """Close now, or after the answer that is being written."""
        if self._request_in_progress:
            self.close()
        else:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer `status` with a fixed text and close the connection."""
        del message
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        if status >= 500:
            log.error("http failure", status=status, error=type(exc).__name__)
        assert isinstance(self._manager, _Server)  # which made this protocol
        self._manager.note(request)
        response = write_reply(Reply(status=status, body=b"the request is not valid HTTP\n"))
        response.force_close()
        return response


class _Server(web.Server):
    """Makes our protocol for each connection; `admits` stands in Listener."""

    def __init__(self, handler: Handler, garbled: Garbled | None, admits: Admits | None) -> None:
        super().__init__(handler, handler_cancellation=True)
        self.admits = admits
        self._garbled = garbled
        self._notes: set[asyncio.Task[None]] = set()

    def note(self, request: web.BaseRequest) -> None:
        """Tell of a request that is no HTTP."""
        if self._garbled is not None:
            task = asyncio.ensure_future(self._garbled(request))
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    def __call__(self) -> _Protocol:
        """Return the protocol of a new connection; bodies are never decompressed for us."""
        return _Protocol(
            self,
            loop=self._loop,
            access_log=None,  # type: ignore[arg-type]  # None turns it off
            auto_decompress=False,
            lingering_time=1.0,
            keepalive_timeout=75,
            max_line_size=16384,
            max_field_size=16384,
        )


def incoming_of(request: web.BaseRequest, *, origin: str, source: Address) -> Incoming:
    """Return the request as values.

    `origin` is the configured one; `source` the caller's address.
    """
    target = request.raw_path
    if not target.startswith("/"):
        raise Refused("UnknownRoute", detail="the request target is not in origin form")
    path, _, query = target.partition("?")
    return Incoming(
        method=request.method,
        origin=origin,
        path=path,
        query=query,
        headers=tuple([(name.lower(), value.strip()) for name, value in request.headers.items()]),
        source=source,
        read=functools.partial(read_body, request),
    )


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """Return the body, never holding more than `limit` bytes and a chunk.

    Raises Refused: TooLarge, TooSlow, InvalidHttp.
    """
    if (request.content_length or 0) > limit:
        raise Refused("TooLarge", detail=f"{request.content_length} bytes, {limit} are taken")
    try:
        if request.content.is_eof():  # as nearly always: all of it is here
            return await _read(request.content, limit)
        async with asyncio.timeout(_PATIENCE):
            return await _read(request.content, limit)
    except TimeoutError:
        raise Refused("TooSlow", detail=f"no whole body in {_PATIENCE} s") from None
    except web.RequestPayloadError as error:
        raise Refused("InvalidHttp", detail=str(error)) from None


async def _read(content: StreamReader, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while chunk := await content.readany():
        size += len(chunk)
        if size > limit:
            raise Refused("TooLarge", detail=f"more than {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


def write_reply(reply: Reply) -> web.Response:
    """Return `reply` as a response of aiohttp."""
    response = web.Response(status=reply.status, body=reply.body)
    for name, value in (*_NAME, *reply.headers):
        response.headers.add(name, value)
    if reply.body and "content-type" not in response.headers:
        response.headers["content-type"] = "text/plain; charset=utf-8"
    return response
