"""Several servers behind one URL: a list takes as long as the slowest, a call as with one server.

Run by itself: `PYTHONPATH=tests python tests/bench/joined.py`. Prints medians, asserts nothing.
"""

import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway_parts import API, dev, gateway_yaml, policy_yaml, route_yaml

DELAYS = {"quick": 0.05, "middle": 0.1, "slow": 0.15}
"""Seconds that each server takes for a list; calls are answered at once."""
LISTS, CALLS = 20, 400
VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
TOOL = {"name": "read", "inputSchema": {"type": "object"}}


@contextmanager
def server(delay: float) -> Iterator[str]:
    """Run a server with one tool; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            result: dict[str, Any] = {"resultType": "complete", "content": []}
            if message["method"] == "tools/list":
                time.sleep(delay)
                result |= {"tools": [TOOL], "ttlMs": 0, "cacheScope": "private"}
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}/mcp"
    listening.shutdown()


def timed(url: str, issued: str, method: str, **params: str) -> float:
    """Return the milliseconds that one request takes on a connection of its own."""
    parts = urlsplit(url)
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
    headers = {
        "authorization": f"Bearer {issued}", "content-type": "application/json",
        "accept": "application/json, text/event-stream", "mcp-protocol-version": VERSION,
        "mcp-method": method, **({"mcp-name": params["name"]} if params else {}),
    }  # fmt: skip
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    started = time.perf_counter()
    connection.request("POST", parts.path, json.dumps(body), headers)
    answer = connection.getresponse()
    said = answer.read()
    spent = (time.perf_counter() - started) * 1000
    if answer.status != 200 or b"result" not in said:
        raise RuntimeError(f"{answer.status} {said[:300]!r}")
    connection.close()
    return spent


def main() -> None:
    """Run both measurements against one gateway."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        urls = {name: stack.enter_context(server(delay)) for name, delay in DELAYS.items()}
        listed = "".join(f"    - {{name: {one}, to: {url}}}\n" for one, url in urls.items())
        joined = f"""apiVersion: {API}
kind: MCPRoute
metadata: {{name: joined, namespace: default}}
spec:
  backends:
{listed}"""
        allow = "[{name: all, effect: Allow, who: {everyone: true}}]"
        files = {
            "gateway.yaml": gateway_yaml(),
            "joined.yaml": joined,
            "alone.yaml": route_yaml(urls["quick"], name="alone"),
            "one.yaml": policy_yaml(allow, route="joined", name="one"),
            "other.yaml": policy_yaml(allow, route="alone", name="other"),
        }
        gateway = stack.enter_context(dev(Path(name), files))
        one, other = ((gateway.url(route), gateway.log_in(route)) for route in ("joined", "alone"))
        lists = [timed(*one, "tools/list") for _ in range(LISTS)]
        calls: dict[str, list[float]] = {"joined": [], "alone": []}
        for _ in range(CALLS):
            calls["joined"].append(timed(*one, "tools/call", name="quick_read"))
            calls["alone"].append(timed(*other, "tools/call", name="read"))
    waits = ", ".join(f"{delay * 1000:.0f}" for delay in DELAYS.values())
    print(f"list of three servers that take {waits} ms: p50 {statistics.median(lists):.0f} ms")
    for way, times in calls.items():
        print(f"tool call, {way:6} p50 {statistics.median(times):.2f} ms")


if __name__ == "__main__":
    main()
