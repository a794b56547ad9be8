"""A scripted server that speaks 2026-07-28 alone, and legacy clients in front of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_parts import (
    ScriptedExchange,
    World,
    event,
    events,
    header,
    json_answer,
    next_said,
    request,
    sent_header,
    world,
)
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.wire import Headers

__all__ = [
    "DISCOVERED", "REFUSAL", "TAG", "Listened", "ModernServer", "Reply", "call", "cancel", "heard",
    "in_session", "opening", "stream_of", "told",
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
TAG = "io.modelcontextprotocol/subscriptionId"
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


class Listened:
    """The listen streams of a scripted server: each is fed by hand."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.said: list[asyncio.Queue[bytes | None]] = []
        self.exchanges: list[ScriptedExchange] = []

    def __call__(self, message: dict[str, Any]) -> ScriptedExchange:
        said: asyncio.Queue[bytes | None] = asyncio.Queue()
        acknowledged = told("notifications/subscriptions/acknowledged", notifications={})
        said.put_nowait(event(acknowledged))
        self.asked.append(message["params"]["notifications"])
        self.said.append(said)
        self.exchanges.append(Fed(200, {"content-type": "text/event-stream"}, [], said=said))
        return self.exchanges[-1]

    def tell(self, method: str, *, on: int = -1, **params: Any) -> None:
        number = len(self.said) if on == -1 else on + 1
        meta = {TAG: f"d.{number}"}
        self.said[on].put_nowait(event(told(method, **params, _meta=meta)))


class Fed(ScriptedExchange):
    """An event stream that a queue feeds."""

    def __init__(self, *given: Any, said: asyncio.Queue[bytes | None]) -> None:
        super().__init__(*given)
        self.said = said

    async def _chunks(self) -> AsyncIterator[bytes]:
        while (data := await self.said.get()) is not None:
            yield data


def stream_of(answer: Answer) -> AsyncIterator[bytes]:
    assert not isinstance(answer.body, bytes)
    return answer.body.__aiter__()


async def heard(stream: AsyncIterator[bytes]) -> Any:
    """Return the next message."""
    async with asyncio.timeout(5):
        while not (found := events(await next_said(stream))):
            pass
    return found[0]


async def cancel(w: World, session: str, request_id: Any = 1) -> Answer:
    message = told("notifications/cancelled", requestId=request_id)
    return await w.send(message, headers=in_session(session))
