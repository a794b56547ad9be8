"""One tool call, many times: what each way to the same upstream takes, in turn, in one run.

A shared machine makes absolute figures drift; ratios within a run hold. The ways are nothing at
all, nginx passing bytes, `passthrough` (the floor of our stack), and the whole of Ostiary.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from gateway_parts import Gateway, free_port, until
from real_parts import running

ROUNDS = 6
LOADS = ((1, 600), (16, 2400))
"""Connections at once, and calls in a round."""
CALL = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "read_file",
            "arguments": {"path": "a.txt"},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }
).encode()
ANSWER = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"resultType": "complete", "content": [{"type": "text", "text": "x" * 200}]},
    }
)
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {inside}
}}
"""
UPSTREAM = """server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json;
  {answer} }} }}"""
PROXY = """upstream up {{ server 127.0.0.1:{up}; keepalive 32; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://up; proxy_http_version 1.1;
    proxy_set_header Connection ""; }} }}"""


@dataclass(slots=True)
class Way:
    """One way to the upstream: a URL, and the process whose CPU counts."""

    name: str
    url: str
    pid: int
    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@contextmanager
def fast_upstream(folder: Path, answer: str = ANSWER) -> Iterator[str]:
    """Run nginx as an MCP server that always gives one answer; yields its URL."""
    port = free_port()
    with _nginx(folder, UPSTREAM.format(port=port, answer=_returned(answer))):
        yield f"http://127.0.0.1:{port}/mcp"


def measure(gateway: Gateway, upstream: str, folder: Path) -> None:
    """Call the tool each way under each load, and print a line for each."""
    issued = gateway.log_in()
    proxy = int(json.loads((gateway.state / "proxy-ready.json").read_text())["pid"])
    status = Path(f"/proc/{proxy}/status")
    print(f"memory of the proxy before load: {mebibytes(status.read_text()):.0f} MiB")
    with ExitStack() as stack:
        ways = [
            Way("direct", upstream, os.getpid()),
            stack.enter_context(_through_nginx(folder / "proxy", upstream)),
            stack.enter_context(_through_aiohttp(folder, upstream)),
            Way("ostiary", gateway.url(), proxy),
        ]
        for connections, calls in LOADS:
            _load(ways, issued, connections, calls)
    print(f"memory of the proxy after load: {mebibytes(status.read_text()):.0f} MiB")


def while_called(gateway: Gateway, work: Callable[[], None]) -> Sequence[float]:
    """Do `work` while the tool is called; return what the calls took. A refusal raises."""
    issued, over = gateway.log_in(), asyncio.Event()

    async def both() -> Sequence[float]:
        calling = asyncio.create_task(_until(over, gateway.url(), issued))
        await asyncio.to_thread(work)
        over.set()
        return await calling

    return uvloop.run(both())


def mebibytes(status: str) -> float:
    """Return the resident memory that `/proc/<pid>/status` tells of, in MiB."""
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@contextmanager
def _nginx(folder: Path, inside: str) -> Iterator[int]:
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, inside=inside))
    command = ["nginx", "-c", str(config), "-p", str(folder)]
    with running(command, log=folder / "log") as process:
        until((folder / "pid").exists)
        yield process.pid


def _returned(answer: str) -> str:
    """Return directives that give this answer: a word of nginx's holds 4,096 bytes at most."""
    parts = [answer[at : at + 4000] for at in range(0, len(answer), 4000)]
    words = "".join(f"set $p{i} '{part}'; " for i, part in enumerate(parts))
    return f"{words}return 200 '{''.join(f'${{p{i}}}' for i in range(len(parts)))}';"


@contextmanager
def _through_nginx(folder: Path, upstream: str) -> Iterator[Way]:
    port = free_port()
    with _nginx(folder, PROXY.format(port=port, up=urlsplit(upstream).port)) as pid:
        yield Way("nginx", f"http://127.0.0.1:{port}/mcp", pid)


@contextmanager
def _through_aiohttp(folder: Path, upstream: str) -> Iterator[Way]:
    ready, script = folder / "passthrough.port", Path(__file__).with_name("passthrough.py")
    command = [sys.executable, str(script), upstream, str(ready)]
    with running(command, log=folder / "passthrough.log") as process:
        until(ready.exists)
        yield Way("aiohttp", f"http://127.0.0.1:{ready.read_text()}/mcp", process.pid)


def _load(ways: Sequence[Way], issued: str, connections: int, calls: int) -> None:
    for way in ways:
        way.times, way.cpu = [], []
    for round_ in range(ROUNDS):
        for way in ways:
            before = cpu_of(way.pid)
            times = uvloop.run(timed(way.url, issued, connections, calls // connections))
            if round_:  # the first warms up
                way.cpu.append((cpu_of(way.pid) - before) / calls * 1e6)
                way.times += times
    floor = statistics.median(next(way for way in ways if way.name == "aiohttp").cpu)
    for way in ways:
        middle, cpu = statistics.median(way.times) * 1e6, statistics.median(way.cpu)
        worst = statistics.quantiles(way.times, n=100)[98] * 1e6
        spent = "" if way.name == "direct" else f", CPU {cpu:4.0f} µs = {cpu / floor:.1f} x aiohttp"
        print(f"tool call, {connections:2} at once, {way.name:8}"
              f" p50 {middle:5.0f} µs, p99 {worst:5.0f} µs{spent}")  # fmt: skip


async def _until(over: asyncio.Event, url: str, issued: str) -> Sequence[float]:
    times: list[float] = []
    while not over.is_set():
        times += await timed(url, issued, 4, 20)
    return times


async def timed(
    url: str, issued: str, connections: int, calls: int, body: bytes = CALL
) -> Sequence[float]:
    """Return the seconds that each of so many calls took, on so many connections at once."""
    parts = urlsplit(url)
    sent = _request(parts.netloc, parts.path, issued, body)
    done = await asyncio.gather(
        *(_call(parts.hostname, parts.port, sent, calls) for _ in range(connections))
    )
    return [one for times in done for one in times]


async def _call(host: str | None, port: int | None, sent: bytes, calls: int) -> list[float]:
    reader, writer = await asyncio.open_connection(host, port)
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        times.append(time.perf_counter() - start)
        if not head.startswith(b"http/1.1 200 ") or b"result" not in body:
            raise RuntimeError(f"{head!r} {body[:300]!r}")
    writer.close()
    return times


def _request(host: str, path: str, issued: str, body: bytes) -> bytes:
    message = json.loads(body)
    name = message["params"].get("name")
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {issued}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        "MCP-Protocol-Version: 2026-07-28",
        f"Mcp-Method: {message['method']}",
        *([f"Mcp-Name: {name}"] if name else []),
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of all threads so far; `stat` counts in ticks of 10 ms."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
