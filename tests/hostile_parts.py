"""An MCP server that behaves as it is told, and requests byte by byte, for tests of bad input."""

import http.client
import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from select import select
from typing import Any
from urllib.parse import urlsplit

from gateway_parts import Answer, Gateway, post, until

__all__ = ["META", "RawServer", "call", "head", "modern", "raw_server", "refusal", "send", "typed"]

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
Behaviour = Callable[[socket.socket, bytes], None]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class RawServer(socketserver.ThreadingTCPServer):
    """Answers each connection as `behave` does with the body it got; `bodies` are all of them."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.behave: Behaviour = answers()
        self.bodies: list[bytes] = []
        self.methods: list[str] = []
        self.gone = 0
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/mcp"

    def hangs(self, first: bytes = b"") -> Behaviour:
        """Say `first` and then nothing more until the test ends, or until the caller goes away."""

        def behave(connection: socket.socket, body: bytes) -> None:
            connection.sendall(first)
            connection.settimeout(0.05)
            while not self.released.is_set():
                try:
                    if not connection.recv(1):
                        break
                except TimeoutError:
                    continue
            self.gone += 1

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
        self.server.methods.append(top.split(b" ", 1)[0].decode())
        self.server.bodies.append(body)
        self.server.behave(self.request, body)


def typed(media: str, body: bytes = b"", *, status: str = "200 OK", length: int = -1) -> bytes:
    """Return an answer that says it is `length` bytes long (as long as it is, unless said)."""
    long = len(body) if length < 0 else length
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {long}\r\n"
        "connection: close\r\n\r\n"
    ).encode() + body


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


def call(gateway: Gateway, issued: str | None, body: object = None, **headers: str) -> Answer:
    """Post a tool call, good unless something is given instead."""
    mirrored = {
        "MCP_Protocol_Version": "2026-07-28",
        "Mcp_Method": "tools/call",
        "Mcp_Name": "read_file",
    }
    message = modern(path="a.txt") if body is None else body
    return post(gateway.url(), issued, message, **{**mirrored, **headers})


def send(gateway: Gateway, lines: Sequence[str], body: bytes | Iterable[bytes] = b"") -> Answer:
    """Send a POST with exactly these header lines, and the body in pieces until it is refused."""
    at = urlsplit(gateway.url())
    with socket.create_connection((at.hostname, at.port), timeout=30) as connection:
        host = () if any(line.startswith("Host:") for line in lines) else (f"Host: {at.netloc}",)
        start = f"POST {at.path} HTTP/1.1\r\n"
        connection.sendall(
            (start + "".join(f"{line}\r\n" for line in (*host, *lines)) + "\r\n").encode("latin-1")
        )
        for piece in (body,) if isinstance(body, bytes) else body:
            if select([connection], [], [], 0)[0]:
                break  # answered before its end
            connection.sendall(piece)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        read = answer.read()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(status=answer.status, headers=headers, body=read)


def refusal(gateway: Gateway, answer: Answer) -> Mapping[str, Any]:
    """Return the record of a refusal, found by the decision id that the caller was told."""
    decision = answer.json()["error"]["data"]["decision"]
    until(lambda: any(record["id"] == decision for record in gateway.records()))
    records = [record for record in gateway.records() if record["id"] == decision]
    return {**records[-1]["facts"], "kind": records[0]["kind"]}
