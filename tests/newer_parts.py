"""A scripted server that speaks 2026-07-28 alone, and legacy clients in front of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_parts import (
    ScriptedExchange,
    World,
    header,
    json_answer,
    request,
    sent_header,
    world,
)
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.wire import Headers

__all__ = [
    "DISCOVERED", "REFUSAL", "ModernServer", "Reply", "call", "in_session", "opening", "told",
]  # fmt: skip

DISCOVERED: Mapping[str, Any] = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {
        "completions": {},
        "extensions": {"io.modelcontextprotocol/tasks": {}},
        "logging": {},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "tools": {"listChanged": True},
    },
    "instructions": "Ask politely.",
    "ttlMs": 5,
    "cacheScope": "public",
    "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "1"}},
}
REFUSAL = {"code": -32022, "message": "Unsupported protocol version"}
Reply = Callable[[dict[str, Any]], Any]
"""The message as it came → a result, or an exchange."""


def _discovered(message: dict[str, Any]) -> Any:
    return DISCOVERED


@dataclass
class ModernServer:
    """Answers by method, and refuses whatever is not said in 2026-07-28."""

    replies: dict[str, Reply] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Outgoing] = field(default_factory=list)

    def __call__(self, request: Outgoing) -> ScriptedExchange:
        message = json.loads(request.body) if request.body else {}
        if sent_header(request, "mcp-protocol-version") != "2026-07-28":
            return json_answer(
                {"jsonrpc": "2.0", "id": message.get("id"), "error": REFUSAL}, status=400
            )
        self.sent.append(message)
        self.requests.append(request)
        reply = {"server/discover": _discovered, **self.replies}.get(message["method"])
        if reply is None:
            error = {"code": -32601, "message": "Method not found"}
            return json_answer({"jsonrpc": "2.0", "id": message["id"], "error": error}, status=404)
        said = reply(message)
        if isinstance(said, ScriptedExchange):
            return said
        return json_answer({"jsonrpc": "2.0", "id": message["id"], "result": said})


async def opening(
    server: ModernServer,
    *rules: Mapping[str, Any],
    capabilities: Mapping[str, Any] | None = None,
    version: str = "2025-11-25",
    token: str = "alice",
    before: World | None = None,
) -> tuple[World, str]:
    """Return a pipeline before `server`, and the session that a legacy client opened in it."""
    w = before or world(server, *rules)
    params = {
        "protocolVersion": version,
        "capabilities": dict(capabilities or {}),
        "clientInfo": {"name": "legacy", "version": "1"},
    }
    answer = await w.send(request("initialize", params), token=token)
    session = header(answer, "mcp-session-id")
    assert isinstance(session, str), answer
    return w, session


async def call(w: World, session: str, name: str = "a", **rest: Any) -> Any:
    """Call a tool."""
    params = {"name": name, "arguments": {}}
    return await w.legacy(session, "tools/call", params, **rest)


def in_session(session: str) -> Headers:
    return (("mcp-session-id", session),)


def told(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}
