"""A scripted server that speaks legacy revisions only, for the bridge before it."""

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mcp_parts import (
    ScriptedExchange,
    event,
    json_answer,
    request,
    result,
    sent_header,
    sse_answer,
)
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.pipeline.bridge.older.state import Older
from ostiary_proxy.pipeline.mailbox import Mailbox
from ostiary_proxy.pipeline.spoken import Spoken
from ostiary_proxy.pipeline.streams import Streams

__all__ = ["CAN_ALL", "INFO", "OFFERED", "LegacyServer", "Said", "asks", "replica_of", "until"]

INFO = {"name": "old", "version": "1.2"}
CAN_ALL: dict[str, Any] = {
    "io.modelcontextprotocol/clientCapabilities": {
        "elicitation": {"form": {}, "url": {}},
        "sampling": {},
        "roots": {},
    }
}
OFFERED = {
    "tools": {"listChanged": True},
    "prompts": {},
    "resources": {"subscribe": True, "listChanged": True},
    "completions": {},
    "logging": {},
    "tasks": {"list": {}},
}


@dataclass(frozen=True)
class Said:
    """One message that the server was sent, with its session."""

    http_method: str
    session: str | None
    message: Any

    @property
    def method(self) -> Any:
        return self.message and self.message.get("method")


@dataclass
class LegacyServer:
    """Answers what is in no session of its own with `refusal`; else by method from `answers`.

    An answer is made from the message: one message is sent as JSON, a list of parts as events.
    `own` makes the stream of a session's own; who opens one stands in `gets`.
    """

    answers: Mapping[str, Callable[[Any], Any]]
    version: str = "2025-11-25"
    capabilities: Mapping[str, Any] = field(default_factory=lambda: OFFERED)
    refusal: Callable[[], ScriptedExchange] = lambda: json_answer(
        {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": "Missing "
         "session ID"}}, status=400,
    )  # fmt: skip
    own: Callable[[], ScriptedExchange] | None = None
    sessions: set[str] = field(default_factory=set)
    said: list[Said] = field(default_factory=list)
    gets: list[Said] = field(default_factory=list)
    answered: dict[Any, Any] = field(default_factory=dict)
    waiting: dict[Any, tuple[ScriptedExchange, asyncio.Future[None], Any]] = field(
        default_factory=dict
    )
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __call__(self, outgoing: Outgoing) -> ScriptedExchange:
        message = json.loads(outgoing.body) if outgoing.body else None
        session = sent_header(outgoing, "mcp-session-id")
        opens = outgoing.method == "GET"
        (self.gets if opens else self.said).append(Said(outgoing.method, session, message))
        if message is not None and message.get("method") == "initialize":
            return self._initialize(message)
        if session not in self.sessions:
            return self.refusal() if session is None else json_answer(b"", status=404)
        if outgoing.method == "DELETE":
            self.sessions.discard(session)
            return json_answer(b"", status=200)
        if message is None:
            return self.own() if self.own else json_answer(b"", status=405)
        if "method" not in message:
            return self._answer(session, message)
        if "id" not in message:
            return json_answer(b"", status=202)
        return self._respond(session, message)

    def methods(self) -> list[Any]:
        """Return what was said, in order: methods, and ids of answers."""
        return [
            said.method or (said.message and {"answers": said.message["id"]}) or said.http_method
            for said in self.said
        ]

    def _initialize(self, message: Any) -> ScriptedExchange:
        name = f"up-{next(self.numbers)}"
        self.sessions.add(name)
        found = {
            "protocolVersion": self.version,
            "capabilities": self.capabilities,
            "serverInfo": INFO,
            "instructions": "Be kind.",
        }
        return json_answer(result(found, request_id=message["id"]), mcp_session_id=name)

    def _respond(self, session: Any, message: Any) -> ScriptedExchange:
        answer = self.answers.get(message["method"], lambda _: {})(message)
        if isinstance(answer, ScriptedExchange):
            return answer
        if isinstance(answer, dict):
            return json_answer(result(answer, request_id=message["id"]))
        exchange = sse_answer(*answer)
        for part in answer:
            if isinstance(part, dict) and "id" in part and "method" in part:
                gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                exchange.parts.append(gate)
                self.waiting[session, part["id"]] = (exchange, gate, message)
        return exchange

    def _answer(self, session: Any, message: Any) -> ScriptedExchange:
        """Go on with the stream that waits for this answer: `answered` says how."""
        exchange, gate, asked = self.waiting.pop((session, message["id"]))
        self.answered[message["id"]] = message
        for part in self.answers["answered"]([asked, message]):
            exchange.parts.append(event(part))
            if "method" in part and "id" in part:
                again: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                exchange.parts.append(again)
                self.waiting[session, part["id"]] = (exchange, again, asked)
        gate.set_result(None)
        return json_answer(b"", status=202)


def asks(method: str, params: Any, *, request_id: Any = "s-1") -> dict[str, Any]:
    """Return a request of the server's."""
    return request(method, params, request_id=request_id)


async def until(holds: Callable[[], bool], *, seconds: float = 5) -> None:
    """Wait until `holds`, at most `seconds`."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)


def replica_of(w: Any, name: str) -> Any:
    """Return another replica: it shares the store and keys, and the way to the server."""
    streams = Streams()
    mailbox = Mailbox(w.live.store, w.live.seal, clock=w.live.clock, entropy=w.live.entropy)
    older = Older(streams, name, tell=w.cries.append)
    spoken = Spoken(w.live.clock)
    live = replace(w.live, streams=streams, mailbox=mailbox, older=older, spoken=spoken)
    return replace(w, live=live)
