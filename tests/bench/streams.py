"""Streams: what idle ones hold and cost, how late a first event comes, what a message costs.

Run as `python tests/bench/streams.py`. Each figure is taken beside its yardstick in the same run:
bare connections, the server itself, the same answer as JSON.
"""

import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from calls import mebibytes

from gateway_parts import Gateway, dev, free_port, post, three_files
from real_parts import _until_answers, running

STREAMS = 2_000
GRANTS = 20
ROUNDS = 5
CALLS = 400
TOOLS = ("json", "sse", "two")
RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"
_SAID = {
    "json": "a whole answer of 10 kB",
    "sse": "the same as an event",
    "two": "the first event, 20 ms before the answer",
    "way": "the same, from the moment the server wrote it",
}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "progressToken": "p",
}


def main() -> None:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        script = str(Path(__file__).with_name("stream_server.py"))
        with running([sys.executable, script, str(port)], log=folder / "server.log") as server:
            upstream = f"http://127.0.0.1:{port}/mcp"
            _until_answers(upstream, server)
            with dev(folder, three_files(upstream, RULES)) as gateway:
                measure(gateway, upstream)


def measure(gateway: Gateway, upstream: str) -> None:
    """Print a line for each figure."""
    proxy = int(json.loads((gateway.state / "proxy-ready.json").read_text())["pid"])
    issued = [gateway.log_in() for _ in range(GRANTS)]
    _messages(gateway, issued[0], proxy)
    _first_events(gateway, upstream, issued[0])
    _idle(gateway, issued, proxy)


def _idle(gateway: Gateway, issued: Sequence[str], proxy: int) -> None:
    """Open as many bare connections as streams, and then the streams, in the same process."""
    sessions = [session_of(gateway, one) for one in issued]
    at = urlsplit(gateway.url())
    top = f"GET {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nAccept: text/event-stream\r\n"
    own = [
        f"{top}Authorization: Bearer {bearer}\r\nMcp-Session-Id: {session}\r\n\r\n"
        for bearer, session in zip(issued, sessions, strict=True)
    ]
    streams = own * (STREAMS // GRANTS)
    held = uvloop.run(_hold(gateway, streams, b"HTTP/1.1 200", proxy, "idle streams"))
    bare = [f"OPTIONS {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n"] * STREAMS
    empty = uvloop.run(_hold(gateway, bare, b"HTTP/1.1 204", proxy, "bare connections"))
    print(f"a stream takes {held - empty:.1f} KiB above its bare connection")


async def _hold(
    gateway: Gateway, requests: Sequence[str], until_said: bytes, proxy: int, name: str
) -> float:
    """Return the KiB that each of these requests takes while its answer is open."""
    at = urlsplit(gateway.url())
    before, opened = _memory(proxy), []
    for request in requests:
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        writer.write(request.encode())
        await reader.readuntil(until_said)
        opened.append((reader, writer))
    each = (_memory(proxy) - before) * 1024 / len(opened)
    start, spent = time.perf_counter(), cpu(proxy)
    await asyncio.sleep(12)
    share = (cpu(proxy) - spent) / (time.perf_counter() - start)
    print(f"{len(opened):,} {name}: {each:.1f} KiB each, {share * 100:.1f} % of a core while idle")
    if name == "idle streams":
        start = time.perf_counter()
        told = {"user": "alice@example.com"}
        revoking = asyncio.create_task(asyncio.to_thread(gateway.admin, "/grants/revoke", told))
        ends = await asyncio.gather(*(_end(reader) for reader, _ in opened))
        await revoking
        took = sorted(end - start for end in ends)
        print(f"revoked, all of them: p50 {took[len(took) // 2]:.2f} s, the last {took[-1]:.2f} s")
    for _, writer in opened:
        writer.close()
    await asyncio.sleep(2)
    return each


async def _end(reader: asyncio.StreamReader) -> float:
    await reader.readuntil(b"0\r\n\r\n")
    return time.perf_counter()


def session_of(gateway: Gateway, issued: str) -> str:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "b", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    return post(gateway.url(), issued, message).headers["mcp-session-id"]


def _first_events(gateway: Gateway, upstream: str, issued: str) -> None:
    """Compare with whole JSON answers: what is added to those is no affair of streams.

    A machine that has other work lets a proxy wait that slept, as it does before the first event.
    """
    ways = (("direct", upstream), ("ostiary", gateway.url()))
    times: defaultdict[str, list[float]] = defaultdict(list)
    for round_ in range(ROUNDS):
        for tool in TOOLS:
            for name, url in ways:
                taken, on_the_way = uvloop.run(_calls(url, issued, tool, 100))
                if round_:  # the first warms up
                    times[f"{tool} {name}"] += taken
                    times[f"way {name}"] += on_the_way
    for tool, said in _SAID.items():
        direct, through = (statistics.median(times[f"{tool} {n}"]) * 1e6 for n, _ in ways)
        worst = statistics.quantiles(times[f"{tool} ostiary"], n=100)[98] * 1e6
        print(f"{said}: p50 {direct:.0f} µs direct, {through:.0f} µs through Ostiary"
              f" (p99 {worst:.0f}), {through - direct:.0f} added")  # fmt: skip


def _messages(gateway: Gateway, issued: str, proxy: int) -> None:
    costs: dict[str, list[float]] = {"json": [], "sse": []}
    for round_ in range(ROUNDS):
        for tool, spent in costs.items():
            before = cpu(proxy)
            uvloop.run(_calls(gateway.url(), issued, tool, CALLS))
            if round_:  # the first warms up
                spent.append((cpu(proxy) - before) / CALLS * 1e6)
    for tool, spent in costs.items():
        print(f"a call with 10 kB of result as {tool}: CPU {statistics.median(spent):.0f} µs")


async def _calls(url: str, issued: str, tool: str, calls: int) -> tuple[list[float], list[float]]:
    """Call the tool; return the seconds until the first event or the whole JSON was there.

    And those that an event was on the way which says when it left.
    """
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    sent = _call(at.netloc, at.path, issued, tool)
    times: list[float] = []
    on_the_way: list[float] = []
    for _ in range(calls):
        start = time.perf_counter()
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(head)
        if found := re.search(rb"content-length: (\d+)", head):
            await reader.readexactly(int(found[1]))
            times.append(time.perf_counter() - start)
            continue
        event = await reader.readuntil(b"\n\n")
        times.append(time.perf_counter() - start)
        if found := re.search(rb'"progress": ([\d.]+)', event):
            on_the_way.append(time.perf_counter() - float(found[1]))
        await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    return times, on_the_way


def _call(host: str, path: str, issued: str, tool: str) -> bytes:
    params = {"name": tool, "arguments": {}, "_meta": META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    lines = (
        f"POST {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {issued}",
        "Content-Type: application/json", "Accept: application/json, text/event-stream",
        "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", f"Mcp-Name: {tool}",
        f"Content-Length: {len(body)}",
    )  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def _memory(pid: int) -> float:
    return mebibytes(Path(f"/proc/{pid}/status").read_text())


def cpu(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


if __name__ == "__main__":
    main()
