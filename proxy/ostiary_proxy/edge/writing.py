"""Writing answers: what is large goes out in pieces, and who takes none for a minute is let go.

So a client that does not read holds a piece and what the socket buffers, for a minute.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from ostiary_proxy.edge.listener import write_reply
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.wire import Reply

__all__ = ["write_answer"]

_STALLED: Final = 60.0
"""Seconds that a client may take for one piece."""
_PIECE: Final = 64 * 1024
"""Bytes of one piece of a body that is there as a whole."""


async def write_answer(
    request: web.BaseRequest, answer: Answer, *, closing: bool
) -> web.StreamResponse:
    """Return the answer as a response of aiohttp, written already where it is large or a stream.

    `closing` ends the connection after it. A client that left abandons the stream.
    """
    body = answer.body
    if isinstance(body, bytes) and len(body) <= _PIECE:
        reply = write_reply(Reply(status=answer.status, headers=answer.headers, body=body))
        if closing:
            reply.force_close()
        return reply
    response = _head(answer, closing=closing)
    try:
        await response.prepare(request)
        async for piece in _pieces(body) if isinstance(body, bytes) else body:
            await _write(request, response, piece)
        await response.write_eof()
    except BaseException:
        if not isinstance(body, bytes):
            await asyncio.shield(body.abandon())
        raise
    return response


class _Response(web.StreamResponse):
    """Its head leaves together with the first piece, alone where that one is empty."""

    _send_headers_immediately = False


def _head(answer: Answer, *, closing: bool) -> web.StreamResponse:
    response = _Response(status=answer.status)
    for name, value in (("server", "ostiary"), *answer.headers):
        response.headers.add(name, value)
    if isinstance(answer.body, bytes):
        response.content_length = len(answer.body)
    if closing:
        response.force_close()
    return response


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), _PIECE):
        yield body[at : at + _PIECE]


async def _write(request: web.BaseRequest, response: web.StreamResponse, piece: bytes) -> None:
    try:
        async with asyncio.timeout(_STALLED):
            await response.write(piece)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()  # closing would wait for what the client does not take
        raise ConnectionResetError("the client takes nothing") from None
