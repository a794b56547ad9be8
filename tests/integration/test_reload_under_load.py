"""A configuration changes while it is used: nobody is refused and no stream is cut."""

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from gateway_parts import Gateway, dev, policy_yaml, route_yaml, three_files

ALLOW = "[{name: eng, effect: Allow, who: {groups: [eng]}}]"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "progressToken": "t",
}
PROGRESS = {
    "jsonrpc": "2.0",
    "method": "notifications/progress",
    "params": {"progressToken": "t", "progress": 1},
}
RESULT = {"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete", "content": []}}


@dataclass
class Upstream:
    """An MCP server: `slow` streams its progress, and its result once `go` is set."""

    url: str
    go: threading.Event = field(default_factory=threading.Event)


@contextmanager
def upstream() -> Iterator[Upstream]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if body["params"]["name"] == "slow":
                self._stream()
                return
            answer = json.dumps(RESULT).encode()
            self._head("application/json", ("content-length", str(len(answer))))
            self.wfile.write(answer)

        def _stream(self) -> None:
            self._head("text/event-stream", ("connection", "close"))
            self.wfile.write(f"data: {json.dumps(PROGRESS)}\n\n".encode())
            served.go.wait(60)
            self.wfile.write(f"data: {json.dumps(RESULT)}\n\n".encode())

        def _head(self, media: str, header: tuple[str, str]) -> None:
            self.send_response(200)
            self.send_header("content-type", media)
            self.send_header(*header)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Upstream(f"http://127.0.0.1:{server.server_port}/mcp")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        served.go.set()
        server.shutdown()
        server.server_close()
        thread.join()


def connect(gateway: Gateway) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(gateway.url()).netloc, timeout=30)


def ask(
    connection: http.client.HTTPConnection, gateway: Gateway, issued: str, tool: str
) -> http.client.HTTPResponse:
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {}, "_meta": META},
    }
    headers = {
        "Authorization": f"Bearer {issued}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    connection.request("POST", urlsplit(gateway.url()).path, json.dumps(message), headers)
    return connection.getresponse()


def call_until(gateway: Gateway, issued: str, over: threading.Event) -> list[tuple[int, object]]:
    """Call a tool over and over on one connection; return the answers that are no result."""
    wrong: list[tuple[int, object]] = []
    with closing(connect(gateway)) as connection:
        while not over.is_set():
            answer = ask(connection, gateway, issued, "quick")
            said = json.loads(answer.read())
            wrong += [] if (answer.status, said) == (200, RESULT) else [(answer.status, said)]
    return wrong


def test_a_hundred_routes_come_while_calls_run_and_a_stream_is_open(tmp_path: Path) -> None:
    routes = [route_yaml("http://127.0.0.1:9/mcp", name=f"r-{index}") for index in range(100)]
    policies = [policy_yaml(ALLOW, route=f"r-{i % 100}", name=f"p-{i}") for i in range(300)]
    over = threading.Event()
    with (
        upstream() as served,
        dev(tmp_path, three_files(served.url, ALLOW)) as gateway,
        closing(connect(gateway)) as streaming,
        ThreadPoolExecutor() as pool,
    ):
        issued = gateway.log_in()
        stream = ask(streaming, gateway, issued, "slow")
        first = stream.readline()
        calling = [pool.submit(call_until, gateway, issued, over) for _ in range(2)]
        gateway.change("many.yaml", "---\n".join([*routes, *policies]))
        served.go.set()
        rest = stream.read()
        over.set()
        wrong = [answer for one in calling for answer in one.result(30)]

    assert json.loads(first.removeprefix(b"data: ")) == PROGRESS
    assert json.loads(rest.strip().removeprefix(b"data: ")) == RESULT
    assert wrong == []
