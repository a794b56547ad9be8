"""Asks the MCP server behind a route whether it is there and which era it speaks."""

import json
from collections.abc import Mapping
from typing import Any, Final

from ostiary.config.document import NoAuth, Route
from ostiary.decode.fault import Faulty
from ostiary.decode.strict_json import read_json
from ostiary_cli.finding import Finding, bad, good, odd, unreachable
from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.outbound.http import Fetched, HttpClient
from ostiary_proxy.wire import Headers

__all__ = ["examine_upstream"]

_LIMIT: Final = 1 << 20
_MODERN: Final = "2026-07-28"
_LEGACY: Final = "2025-11-25"
_CLIENT: Final = {"name": "ostiary-doctor", "version": "1"}


async def examine_upstream(route: Route, http: HttpClient) -> Finding:
    """Return what there is to say about the one server behind `route`."""
    subject = f"route {route.server_key}"
    if route.closed is not None:
        return bad(subject, f"closed: {route.closed.message}", "run `ostiary check`")
    if route.upstream is None:
        return odd(subject, "has no upstream to ask")
    url = route.upstream.url
    try:
        modern = await _ask(route, http, "server/discover", _discover(), _MODERN)
        spoken = _result(modern).get("supportedVersions")
        if isinstance(spoken, list) and spoken:
            return good(subject, f"{url} speaks MCP {', '.join(map(str, spoken[:6]))}")
        legacy = await _ask(route, http, "initialize", _initialize(), None)
        await _end(route, http, legacy)
    except OutboundFailed as failed:
        return unreachable(subject, url, failed)
    return _judged(subject, route, legacy)


def _judged(subject: str, route: Route, answer: Fetched) -> Finding:
    assert route.upstream is not None
    url, version = route.upstream.url, _result(answer).get("protocolVersion")
    if isinstance(version, str):
        return good(subject, f"{url} speaks MCP {version}")
    if answer.status in {401, 403} and isinstance(route.auth, NoAuth):
        mend = "set mcp.upstreamAuth: it wants a credential, and the client's own never goes there"
        return bad(subject, f"{url} answers {answer.status}", mend)
    if answer.status in {401, 403}:
        return good(subject, f"{url} is there and wants its credential ({answer.status})")
    if 300 <= answer.status < 400:
        mend = f"write its target into `to`: {answer.headers.get('location', '')[:200]}"
        return bad(subject, f"{url} redirects, which is never followed", mend)
    mend = "check the path of `to`: no MCP server answers there"
    return bad(subject, f"{url} answers {answer.status} to initialize", mend)


async def _ask(
    route: Route, http: HttpClient, method: str, params: Mapping[str, Any], version: str | None
) -> Fetched:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers: Headers = (
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    )
    if version is not None:
        headers += (("mcp-protocol-version", version), ("mcp-method", method))
    return await _send(route, http, "POST", headers, json.dumps(body).encode())


async def _end(route: Route, http: HttpClient, opened: Fetched) -> None:
    """End the session that the probe opened."""
    session = opened.headers.get("mcp-session-id")
    if session is not None:
        headers = (("mcp-session-id", session), ("mcp-protocol-version", _LEGACY))
        await _send(route, http, "DELETE", headers, b"")


async def _send(
    route: Route, http: HttpClient, method: str, headers: Headers, body: bytes
) -> Fetched:
    assert route.upstream is not None
    request = Outgoing(
        method=method,
        url=route.upstream.url,
        headers=headers,
        body=body,
        named_by=route.upstream.named_by,
        timeout=10.0,
    )
    return await http.fetch(request, _LIMIT)


def _discover() -> Mapping[str, Any]:
    prefix = "io.modelcontextprotocol"
    meta = {
        f"{prefix}/protocolVersion": _MODERN,
        f"{prefix}/clientCapabilities": {},
        f"{prefix}/clientInfo": _CLIENT,
    }
    return {"_meta": meta}


def _initialize() -> Mapping[str, Any]:
    return {"protocolVersion": _LEGACY, "capabilities": {}, "clientInfo": _CLIENT}


def _result(answer: Fetched) -> Mapping[str, Any]:
    """Return the `result` of a JSON answer or of the last event of a stream; empty without one."""
    text = answer.body
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        lines = [line[5:] for line in text.splitlines() if line.startswith(b"data:")]
        text = lines[-1].strip() if lines else b""
    try:
        value = read_json(text)
    except Faulty:
        return {}
    result = value.get("result") if isinstance(value, dict) else None
    return result if isinstance(result, dict) else {}
