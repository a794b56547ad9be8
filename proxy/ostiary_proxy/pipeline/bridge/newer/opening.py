"""Opening a legacy client's session: with the server itself, or here where it speaks 2026 alone."""

from typing import Final

from ostiary_proxy.mcp.bridge.declared import Declared, declared_in
from ostiary_proxy.mcp.bridge.from_modern import initialized
from ostiary_proxy.mcp.bridge.to_modern import standing_alone
from ostiary_proxy.mcp.errors import result_body
from ostiary_proxy.mcp.message import Object, Request, Response
from ostiary_proxy.mcp.methods import LEGACY, MODERN
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.newer.bridged import Bridged, looks_bridged
from ostiary_proxy.pipeline.bridge.newer.plain import opens_sessions
from ostiary_proxy.pipeline.bridge.newer.speaking import ask, message_in
from ostiary_proxy.pipeline.forward import media_type, read_body
from ostiary_proxy.pipeline.native import say_natively
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.spoken import Era
from ostiary_proxy.refused import Refused

__all__ = ["discover", "open_session"]

_JSON: Final = "application/json"
_MAX_BODY: Final = 16 * 1024 * 1024


async def open_session(said: Said, request: Request) -> Exchange:
    """Return the answer to initialize; raises Refused as `say` does.

    A server of which nothing else is known is asked to initialize first. Where it refuses, it is
    asked what it speaks, and whether it opens sessions for others; no such question runs anything.
    """
    spoken, url = said.known.routed.received.live.spoken, said.upstream.url
    declared = declared_in(request.params)
    if spoken.only(url) is Era.MODERN:
        discovered = await discover(said, declared)
        if discovered is not None:
            return _opened(said, request, declared, discovered)
        spoken.forget(url)
    exchange = await _initialize(said)
    if not _may_be_refusal(exchange):
        return exchange
    body = await read_body(exchange, _MAX_BODY)
    answer = Whole(exchange.status, exchange.headers, body)
    if answer.status == 200 and not _is_error(body):
        return answer
    discovered = await discover(said, declared)
    opens = None if discovered is None else await opens_sessions(said)
    if discovered is None or opens:
        return answer
    if opens is False:
        spoken.showed(url, Era.MODERN)
    return _opened(said, request, declared, discovered)


async def _initialize(said: Said) -> Exchange:
    exchange = await say_natively(said)
    if looks_bridged(exchange.headers.get("mcp-session-id")):
        await exchange.close()
        raise Refused("UpstreamInvalid", detail="a session id in the gateway's own form")
    return exchange


def _may_be_refusal(exchange: Exchange) -> bool:
    """Say whether a server of 2026 may have answered so: one that opens a session is none."""
    if "mcp-session-id" in exchange.headers:
        return False
    return 400 <= exchange.status < 500 or (
        exchange.status == 200 and media_type(exchange) == _JSON
    )


def _is_error(body: bytes) -> bool:
    message = message_in(body)
    return isinstance(message, Response) and message.error is not None


async def discover(said: Said, declared: Declared) -> Object | None:
    """Return what the server says of itself in 2026-07-28, None where it doesn't speak that."""
    asked = said.known.routed.received.id
    request = standing_alone("server/discover", {}, declared, request_id=asked)
    response = await ask(said, request)
    if response is None or response.result is None:
        return None
    versions = response.result.get("supportedVersions")
    return response.result if isinstance(versions, list) and MODERN in versions else None


def _opened(said: Said, request: Request, declared: Declared, discovered: Object) -> Exchange:
    """Return the answer to initialize that stands for what was discovered."""
    asked = request.params.get("protocolVersion")
    version = str(asked) if asked in LEGACY else LEGACY[-1]
    route = said.known.routed.route.route
    result = initialized(discovered, version=version, name=route.display_name)
    capabilities = result["capabilities"]
    assert isinstance(capabilities, dict)  # made by `initialized`
    session = Bridged.of(declared, capabilities).text()
    headers = {"content-type": _JSON, "mcp-session-id": session}
    return Whole(200, headers, result_body(request.id, {**result}))
