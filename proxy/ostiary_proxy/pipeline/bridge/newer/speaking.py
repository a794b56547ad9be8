"""Saying a request of 2026-07-28 for a legacy client, and reading what comes back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Final, TypeVar

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.envelope import Misread, read_message
from ostiary_proxy.mcp.message import Id, Message, Request, Response
from ostiary_proxy.mcp.methods import MODERN, client_requests
from ostiary_proxy.mcp.sse import Event, EventTooLarge, Splitter
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.forward import media_type, read_body
from ostiary_proxy.pipeline.native import say_natively
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Headers

__all__ = [
    "answer_in", "answer_to", "ask", "events_of", "is_stream", "message_in",
    "say_modern", "unless",
]  # fmt: skip

_UNREADABLE: Final = "[]"
"""What is a message in no revision: in place of what is one in the client's alone."""
_T = TypeVar("_T")
_MAX_BODY: Final = 16 * 1024 * 1024
_PATIENCE: Final = 60.0
"""Seconds that a question of ours waits for its answer, whatever else is told meanwhile."""


async def say_modern(said: Said, request: Request, *, parameters: Headers = ()) -> Exchange:
    """Say `request` in place of what `said` holds; raises Refused as `say` does.

    The client's session is not the server's, but tokens for a call still tell of it.
    """
    return await say_natively(
        replace(
            said,
            version=MODERN,
            http_method="POST",
            body=write_json(request.whole),
            message=request,
            method=client_requests(MODERN)[request.method],
            parameters=parameters,
        )
    )


async def ask(said: Said, request: Request) -> Response | None:
    """Return the answer to a question of our own, None where none came."""
    exchange = await say_modern(replace(said, system=True, name=""), request)
    return await answer_to(exchange, request.id)


async def answer_to(exchange: Exchange, request_id: Id) -> Response | None:
    """Return the answer to `request_id`, None where it does not come in time; end the exchange."""
    try:
        async with asyncio.timeout(_PATIENCE):
            async for event in events_of(exchange):
                message = message_in(event)
                if isinstance(message, Response) and message.id == request_id:
                    return message
    except (OutboundFailed, TimeoutError):
        return None
    finally:
        await exchange.close()
    return None


def is_stream(exchange: Exchange) -> bool:
    """Say whether the answer is an event stream."""
    return exchange.status == 200 and media_type(exchange) == "text/event-stream"


async def events_of(exchange: Exchange) -> AsyncIterator[Event]:
    """Iterate over the events of an answer; one that is no stream is one event.

    An array leaves as `_UNREADABLE`: a client of 2025-03-26 would read messages in it that nobody
    here has seen. Raises OutboundFailed and Refused.
    """
    if not is_stream(exchange):
        body = await read_body(exchange, _MAX_BODY)
        if answer_in(exchange, body) is not None:
            yield Event(data=body.decode())
        elif exchange.status == 200:
            yield Event(data=_UNREADABLE)
        return
    splitter = Splitter()
    try:
        async for data in exchange.chunks():
            for event in splitter.feed(data):
                yield replace(event, data=_UNREADABLE) if _is_array(event) else event
    except EventTooLarge as error:
        raise Refused("UpstreamInvalid", detail=str(error)) from None


def _is_array(event: Event) -> bool:
    return event.data is not None and event.data.lstrip(" \t\r\n").startswith("[")


def answer_in(exchange: Exchange, body: bytes) -> Response | None:
    """Return the answer that `exchange` holds in one body, if any: by status and type too."""
    message = message_in(body)
    if media_type(exchange) != "application/json" or not isinstance(message, Response):
        return None
    refused = message.error is not None and 400 <= exchange.status < 500
    return message if exchange.status == 200 or refused else None


def message_in(said: Event | bytes) -> Message | None:
    """Return the message of an event or a body, None where there is none that can be read."""
    data = said if isinstance(said, bytes) else (said.data or "").encode()
    try:
        return read_message(data)
    except Misread:
        return None


async def unless(cancelled: asyncio.Event, awaited: Awaitable[_T]) -> _T:
    """Return what is awaited; raises Refused("Cancelled") where the client cancels before."""
    running, stop = asyncio.ensure_future(awaited), asyncio.ensure_future(cancelled.wait())
    try:
        await asyncio.wait((running, stop), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        raise Refused("Cancelled")
    finally:
        running.cancel()
        stop.cancel()
