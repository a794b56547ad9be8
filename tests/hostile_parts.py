"""An MCP server that behaves as it is told, and requests byte by byte, for tests of bad input."""

import http.client
import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from select import select
from typing import Any
from urllib.parse import urlsplit

from gateway_parts import Answer, Gateway, post, until

__all__ = [
    "RawServer", "answers", "begun", "call", "head", "lines_of", "listening", "modern", "peak",
    "proxy_pid",
    "raw_server", "refusal", "send", "typed",
]  # fmt: skip

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "progressToken": "p",
}
MIRRORED = {
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "read_file",
}
TYPED = ("Content-Type: application/json", "Accept: application/json, text/event-stream")
Behaviour = Callable[[socket.socket, bytes], None]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class RawServer(socketserver.ThreadingTCPServer):
    """Answers each connection as `behave` does with the body it got; it keeps heads and bodies."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.behave: Behaviour = answers()
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.methods: list[str] = []
        self.gone = 0
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/mcp"

    def hangs(self, first: bytes = b"", last: bytes = b"") -> Behaviour:
        """Say `first`, and `last` when it is released, unless the caller goes away before."""

        def behave(connection: socket.socket, _: bytes) -> None:
            connection.sendall(first)
            connection.settimeout(0.05)
            while not self.released.is_set():
                try:
                    if not connection.recv(1):
                        self.gone += 1
                        return
                except TimeoutError:
                    continue
            connection.sendall(last)

        return behave

    def handle_error(self, *_: object) -> None:
        """Keep quiet: callers that break off are part of the tests."""


class _Connection(socketserver.BaseRequestHandler):
    server: RawServer

    def handle(self) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := self.request.recv(65536)):
                return
            data += more
        top, _, body = data.partition(b"\r\n\r\n")
        found = _LENGTH.search(top)
        while found and len(body) < int(found[1]):
            body += self.request.recv(65536)
        behave = self.server.behave  # as it is before anybody can know of the request
        self.server.heads.append(top.decode("latin-1"))
        self.server.methods.append(top.split(b" ", 1)[0].decode())
        self.server.bodies.append(body)
        behave(self.request, body)


def typed(
    media: str, body: bytes = b"", *more: str, status: str = "200 OK", length: int | None = None
) -> bytes:
    """Return an answer that says it is `length` bytes long (as long as it is, unless said)."""
    long = f"content-length: {len(body) if length is None else length}"
    top = head(f"content-type: {media}", long, "connection: close", *more, status=status)
    return top + body


def head(*lines: str, status: str = "200 OK") -> bytes:
    """Return the head of an answer."""
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode()


def answers(*pieces: bytes) -> Behaviour:
    """Say `pieces`, or what a well-behaved server says to a call, and close."""

    def behave(connection: socket.socket, body: bytes) -> None:
        connection.sendall(b"".join(pieces) or typed("application/json", _result(body)))

    return behave


def _result(body: bytes) -> bytes:
    asked = json.loads(body) if body else {}
    content = [{"type": "text", "text": "fine"}]
    return json.dumps(
        {"jsonrpc": "2.0", "id": asked.get("id"), "result": {"content": content}}
    ).encode()


@contextmanager
def raw_server() -> Iterator[RawServer]:
    """Run the server while the context lasts."""
    with RawServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


def modern(tool: str = "read_file", *, request_id: Any = 7, **arguments: Any) -> dict[str, Any]:
    """Return a tool call of 2026-07-28."""
    params = {"name": tool, "arguments": arguments, "_meta": META}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def call(gateway: Gateway, issued: str, *, route: str = "files", **headers: str) -> Answer:
    """Post a good tool call, under other headers where they are given."""
    mirrored = {name.replace("-", "_"): value for name, value in MIRRORED.items()}
    return post(gateway.url(route), issued, modern(path="a.txt"), **{**mirrored, **headers})


def listening(**wanted: Any) -> tuple[bytes, tuple[str, ...]]:
    """Return a listen request of 2026-07-28, and the header lines that belong to it alone."""
    params = {"notifications": wanted, "_meta": META}
    message = {"jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": params}
    body = json.dumps(message).encode()
    mirrored = ("MCP-Protocol-Version: 2026-07-28", "Mcp-Method: subscriptions/listen")
    return body, (*TYPED, *mirrored, f"Content-Length: {len(body)}")


def lines_of(issued: str, *more: str) -> tuple[str, ...]:
    """Return the header lines of a good tool call without its length, and `more`."""
    mirrored = (f"{name}: {value}" for name, value in MIRRORED.items())
    return (*TYPED, *mirrored, f"Authorization: Bearer {issued}", *more)


def send(
    gateway: Gateway,
    lines: Sequence[str],
    body: bytes | Iterable[bytes] = b"",
    *,
    seconds: float = 30,
) -> Answer:
    """Send a POST with exactly these header lines, and the body in pieces until it is refused."""
    with (
        begun(gateway, lines, body, seconds=seconds) as connection,
        closing(http.client.HTTPResponse(connection)) as answer,
    ):
        answer.begin()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(status=answer.status, headers=headers, body=answer.read())


@contextmanager
def begun(
    gateway: Gateway,
    lines: Sequence[str],
    body: bytes | Iterable[bytes] = b"",
    *,
    seconds: float = 30,
) -> Iterator[socket.socket]:
    """Send a POST like `send`; yields the connection before anything is read."""
    at = urlsplit(gateway.url())
    host = () if any(line.startswith("Host:") for line in lines) else (f"Host: {at.netloc}",)
    top = "\r\n".join((f"POST {at.path} HTTP/1.1", *host, *lines, "", ""))
    with socket.create_connection((at.hostname, at.port), timeout=seconds) as connection:
        connection.sendall(top.encode("latin-1"))
        with suppress(ConnectionError):  # answered before its end
            for piece in (body,) if isinstance(body, bytes) else body:
                if select([connection], [], [], 0)[0]:
                    break
                connection.sendall(piece)
        yield connection


def refusal(gateway: Gateway, answer: Answer) -> Mapping[str, Any]:
    """Return the record of a refusal, found by the decision id that the caller was told."""
    decision = answer.json()["error"]["data"]["decision"]
    until(lambda: any(record["id"] == decision for record in gateway.records()))
    records = [record for record in gateway.records() if record["id"] == decision]
    return {**records[-1]["facts"], "kind": records[0]["kind"]}


def proxy_pid(gateway: Gateway) -> int:
    """Return the process id of the proxy itself."""
    return int(json.loads((gateway.state / "proxy-ready.json").read_text())["pid"])


def peak(pid: int, *, reset: bool = False) -> int:
    """Return the most memory (kB) that a process held since the last reset."""
    if reset:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
