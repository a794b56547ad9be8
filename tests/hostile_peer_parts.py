"""A server of any revision that is good but for one tool, and clients of any revision before it.

The tool is called `evil`; what it answers is the test's. Other calls are answered as ever, so that
a test sees whether others are harmed meanwhile.
"""

import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway_parts import Answer, Gateway, ask, post, until
from hostile_parts import META, Behaviour, head, typed

__all__ = [
    "ERAS", "GOOD", "TOOLS", "Caller", "Era", "Evil", "behaving", "callers", "eventful", "messages",
    "nothing", "others_go_on", "records_of",
]  # fmt: skip

_VERSION = "io.modelcontextprotocol/protocolVersion"
_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
RULES = """
    - {name: all, effect: Allow, who: {everyone: true}}
    - name: asks
      effect: Allow
      who: {everyone: true}
      match: {server: [sampling, elicitation/form, elicitation/url, roots]}
"""
"""Let everybody call, and servers ask."""
GOOD: Mapping[str, Any] = {"content": [{"type": "text", "text": "fine"}], "resultType": "complete"}
REFUSED = {"code": -32600, "message": "Bad Request: Missing session ID"}
UNSUPPORTED = {
    "code": -32022, "message": "Unsupported protocol version",
    "data": {"supported": ["2026-07-28"], "requested": "2025-11-25"},
}  # fmt: skip
CAPABILITIES = {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
TOOLS = {
    "tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("evil", "good")],
    "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
}  # fmt: skip
Evil = Callable[[socket.socket, Any], None]
"""What is done on a connection on which a request of this id came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """What the client speaks (a revision), and what alone the server does, or `both` eras."""

    client: str
    server: str

    @property
    def modern(self) -> bool:
        return self.client == "2026-07-28"


ERAS: Mapping[str, Era] = {
    "2025": Era(client="2025-11-25", server="2025-11-25"),
    "2026": Era(client="2026-07-28", server="2026-07-28"),
    "2026 before 2025": Era(client="2026-07-28", server="2025-11-25"),
    "2025 before 2026": Era(client="2025-11-25", server="2026-07-28"),
}


def nothing(connection: socket.socket, _: Any) -> None:
    """Have no stream of one's own."""
    connection.sendall(typed("text/plain", b"", status="405 Method Not Allowed"))


def behaving(
    era: Era, evil: Evil, *, own: Evil = nothing, results: Mapping[str, Any] | None = None
) -> Behaviour:
    """Return the behaviour of a server that speaks `era.server` alone.

    `evil` answers its tool of that name, `own` whoever wants to hear what it says by itself.
    """
    known = {**_RESULTS, **(results or {})}

    def behave(connection: socket.socket, data: bytes) -> None:
        message: Any = json.loads(data) if data else {"method": "subscriptions/listen", "id": 0}
        method, request_id = message.get("method"), message.get("id")
        modern = _VERSION in message.get("params", {}).get("_meta", {})
        if method is None or request_id is None:
            connection.sendall(typed("text/plain", b"", status="202 Accepted"))
        elif data and era.server != "both" and modern != (era.server == "2026-07-28"):
            error = UNSUPPORTED if method == "initialize" or not modern else REFUSED
            connection.sendall(_answer(request_id, status="400 Bad Request", error=error))
        elif method == "subscriptions/listen":
            own(connection, request_id)
        elif method == "tools/call" and message["params"]["name"] == "evil":
            evil(connection, request_id)
        else:
            opened = ("mcp-session-id: up-1",) if method == "initialize" else ()
            connection.sendall(_answer(request_id, *opened, result=known.get(method, GOOD)))

    return behave


def _answer(request_id: Any, *more: str, status: str = "200 OK", **said: Any) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": request_id, **said}).encode()
    return typed("application/json", body, *more, status=status)


_RESULTS: Mapping[str, Any] = {
    "initialize": {
        "protocolVersion": "2025-11-25", "capabilities": CAPABILITIES,
        "serverInfo": {"name": "s", "version": "1"},
    },
    "server/discover": {
        "supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES, "ttlMs": 0,
        "cacheScope": "private", "resultType": "complete",
    },
    "tools/list": TOOLS,
}  # fmt: skip


def eventful(*events: bytes) -> bytes:
    """Return an answer of these events, each the bytes of its data."""
    said = b"".join(b"data: " + event + b"\n\n" for event in events)
    return head("content-type: text/event-stream", "connection: close") + said


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person with a client of one era at one route."""

    url: str
    issued: str
    modern: bool
    session: str = ""

    def call(self, tool: str, request_id: Any, **capabilities: Any) -> Answer:
        """Call a tool."""
        params = {"name": tool, "arguments": {}}
        return self._post("tools/call", params, request_id, capabilities, Mcp_Name=tool)

    def list_tools(self, request_id: Any) -> Answer:
        return self._post("tools/list", {}, request_id, {})

    def listen(self, request_id: Any) -> Answer:
        """Hear what the server says by itself, until that ends."""
        if self.modern:
            wanted = {"notifications": {"toolsListChanged": True}}
            return self._post("subscriptions/listen", wanted, request_id, {})
        headers = {"Authorization": f"Bearer {self.issued}", "Accept": "text/event-stream"}
        return ask(self.url, headers={**headers, "Mcp-Session-Id": self.session})

    def hear(self, tool: str, request_id: Any, **capabilities: Any) -> Any:
        """Call a tool and leave with the first message that asks something or answers."""
        params = {"name": tool, "arguments": {}}
        message, headers = self._said("tools/call", params, request_id, capabilities, Mcp_Name=tool)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Authorization": f"Bearer {self.issued}", "Content-Type": "application/json"}
        asked = urllib.request.Request(self.url, data=json.dumps(message).encode(), headers=sent)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            lines = (line.removeprefix(b"data: ") for line in answer)
            said = (json.loads(line) for line in lines if line.startswith(b"{"))
            return next(one for one in said if "id" in one)

    def _post(
        self, method: str, params: Mapping[str, Any], request_id: Any, able: Any, **headers: str
    ) -> Answer:
        message, headers = self._said(method, params, request_id, able, **headers)
        return post(self.url, self.issued, message, **headers)

    def _said(
        self, method: str, params: Mapping[str, Any], request_id: Any, able: Any, **headers: str
    ) -> tuple[Any, dict[str, str]]:
        if self.modern:
            params = {**params, "_meta": {**META, _CAPABILITIES: able}}
            headers |= {"MCP_Protocol_Version": "2026-07-28", "Mcp_Method": method}
        else:
            headers = {"Mcp_Session_Id": self.session}
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        return message, headers


def callers(
    gateway: Gateway, era: Era, issued: Mapping[str, str], *, route: str = "files"
) -> dict[str, Caller]:
    """Return the people of `issued` by name, each with a client of this era."""
    url = gateway.url(route)
    return {
        name: Caller(
            url=url, issued=own, modern=era.modern,
            session="" if era.modern else _session(url, own, era),
        )
        for name, own in issued.items()
    }  # fmt: skip


def _session(url: str, issued: str, era: Era) -> str:
    params = {
        "protocolVersion": era.client,
        "capabilities": {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {}},
        "clientInfo": {"name": "t", "version": "1"},
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    return post(url, issued, asked).headers["mcp-session-id"]


def messages(answer: Answer) -> list[Any]:
    """Return the JSON-RPC messages of an answer, whether it is JSON or a stream."""
    if answer.headers["content-type"].startswith("application/json"):
        return [answer.json()]
    lines = answer.body.splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


@dataclass
class _Meanwhile:
    """What another person's calls came to."""

    fine: int = 0
    other: list[Any] = field(default_factory=list)


@contextmanager
def others_go_on(caller: Caller) -> Iterator[None]:
    """Let this person call while the context lasts; each call must be answered as ever."""
    seen, over = _Meanwhile(), threading.Event()

    def go_on() -> None:
        while not over.is_set() or seen.fine == 0:
            answer = messages(caller.call("good", "other"))
            if [one.get("result", {}).get("content") for one in answer] == [GOOD["content"]]:
                seen.fine += 1
            else:
                seen.other.append(answer)
                return

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert seen.other == []


def records_of(gateway: Gateway, request_id: Any) -> list[dict[str, Any]]:
    """Return every record about the call with this JSON-RPC id, once its outcome is there."""

    def found() -> list[dict[str, Any]]:
        records = gateway.records()
        ids = {r["id"] for r in records if r["facts"].get("rpc_id") == request_id}
        return [r for r in records if r["id"] in ids or r["facts"].get("during") in ids]

    until(lambda: any(record["kind"] in ("outcome", "refusal") for record in found()))
    return found()
