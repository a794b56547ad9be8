"""One server's whole answer to a request of which the answer is made of several."""

from dataclasses import dataclass

from ostiary_proxy.mcp.envelope import Misread
from ostiary_proxy.mcp.message import Id, Response
from ostiary_proxy.mcp.parts import only_message, parts_of
from ostiary_proxy.mcp.sse import EventTooLarge, Splitter
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.forward import failure_of, media_type
from ostiary_proxy.refused import Refused

__all__ = ["Heard", "hear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A response, and the id of the session that it opened, if any."""

    response: Response
    session_id: str | None


async def hear(exchange: Exchange, request_id: Id, version: str, limit: int) -> Heard:
    """Return the response to `request_id` and end the exchange; raises Refused.

    What a server says besides is passed over: a joined answer has no place for it.
    """
    try:
        response = await _response(exchange, request_id, version, limit)
        return Heard(response=response, session_id=exchange.headers.get("mcp-session-id"))
    except (Misread, EventTooLarge) as error:
        raise Refused("UpstreamInvalid", detail=str(error)) from None
    except OutboundFailed as failed:
        raise failure_of(failed) from failed
    finally:
        await exchange.close()


async def _response(exchange: Exchange, request_id: Id, version: str, limit: int) -> Response:
    media = media_type(exchange)
    if exchange.status == 200 and media == "text/event-stream":
        return await _streamed(exchange, request_id, version, limit)
    if media == "application/json" and exchange.status < 500:
        message, _ = only_message(await exchange.body(limit), version)
        if isinstance(message, Response) and _answers(message, request_id, exchange.status):
            return message
    code = "UpstreamUnavailable" if exchange.status >= 500 else "UpstreamRejected"
    raise Refused(code, detail=f"{exchange.status} {media}")


def _answers(message: Response, request_id: Id, status: int) -> bool:
    """Errors count under any status, and without an id: servers that read no id invent one."""
    return message.error is not None or (status == 200 and message.id == request_id)


async def _streamed(exchange: Exchange, request_id: Id, version: str, limit: int) -> Response:
    splitter, size = Splitter(), 0
    async for chunk in exchange.chunks():
        size += len(chunk)
        if size > limit:
            raise Refused("UpstreamInvalid", detail=f"more than {limit} bytes")
        events = [event for event in splitter.feed(chunk) if event.data]
        for _, message in (part for event in events for part in parts_of(event, version)):
            if isinstance(message, Response) and message.id == request_id:
                return message
    raise Refused("UpstreamUnavailable", detail="ended before the answer")
