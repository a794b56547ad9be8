"""What it costs where client and server are of different eras: the same calls, bridged and not.

Run as `python tests/bench/bridged.py`. The four ways are taken in turn, in one run.
"""

import json
import re
import statistics
import sys
import tempfile
import time
from asyncio import open_connection
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from streams import CALLS, META, ROUNDS, RULES, cpu, session_of

from gateway_parts import Gateway, dev, free_port, three_files
from real_parts import running

MODERN = "2026-07-28"


@dataclass(slots=True)
class Way:
    """Calls of a client of one era to a server of one era, through a gateway of their own."""

    client: str
    server: str
    gateway: Gateway
    issued: str
    session: str
    times: dict[str, list[float]] = field(default_factory=lambda: {"json": [], "sse": []})
    spent: dict[str, list[float]] = field(default_factory=lambda: {"json": [], "sse": []})

    @property
    def proxy(self) -> int:
        ready = (self.gateway.state / "proxy-ready.json").read_text()
        return int(json.loads(ready)["pid"])


def main() -> None:
    """Measure the four ways."""
    with (
        tempfile.TemporaryDirectory() as name,
        _gateway(Path(name) / "2025", "2025") as legacy,
        _gateway(Path(name) / "2026", "2026") as modern,
    ):
        ways = [
            _way("2025", "2025", legacy), _way("2025", "2026", modern),
            _way("2026", "2026", modern), _way("2026", "2025", legacy),
        ]  # fmt: skip
        for round_ in range(ROUNDS):
            for way in ways:
                for tool in ("json", "sse"):
                    _measure(way, tool, warm=round_ > 0)
    for way in ways:
        _print(way)


@contextmanager
def _gateway(folder: Path, era: str) -> Iterator[Gateway]:
    folder.mkdir()
    port, script = free_port(), str(Path(__file__).with_name("stream_server.py"))
    command = [sys.executable, script, str(port), era]
    with (
        running(command, log=folder / "server.log"),
        dev(folder, three_files(f"http://127.0.0.1:{port}/mcp", RULES)) as gateway,
    ):
        yield gateway


def _way(client: str, server: str, gateway: Gateway) -> Way:
    issued = gateway.log_in()
    session = session_of(gateway, issued) if client == "2025" else ""
    return Way(client=client, server=server, gateway=gateway, issued=issued, session=session)


def _measure(way: Way, tool: str, *, warm: bool) -> None:
    before = cpu(way.proxy)
    taken = uvloop.run(_calls(way.gateway.url(), _request(way, tool)))
    if warm:
        way.times[tool] += taken
        way.spent[tool].append((cpu(way.proxy) - before) / CALLS * 1e6)


def _print(way: Way) -> None:
    for tool, times in way.times.items():
        middle, worst = statistics.median(times), statistics.quantiles(times, n=100)[98]
        print(f"client of {way.client}, server of {way.server}, 10 kB as {tool:4}: "
              f"p50 {middle * 1e6:.0f} µs, p99 {worst * 1e6:.0f} µs, "
              f"CPU {statistics.median(way.spent[tool]):.0f} µs")  # fmt: skip


async def _calls(url: str, sent: bytes) -> Sequence[float]:
    """Say it again and again; return the seconds until each answer was there as a whole."""
    at = urlsplit(url)
    reader, writer = await open_connection(at.hostname, at.port)
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        found = re.search(rb"content-length: (\d+)", head)
        body = await (
            reader.readexactly(int(found[1])) if found else reader.readuntil(b"\r\n0\r\n\r\n")
        )
        times.append(time.perf_counter() - start)
        if not head.startswith(b"http/1.1 200 ") or b"xxx" not in body:
            raise RuntimeError(f"{head!r} {body[:300]!r}")
    writer.close()
    return times


def _request(way: Way, tool: str) -> bytes:
    at = urlsplit(way.gateway.url())
    params: dict[str, object] = {"name": tool, "arguments": {}}
    own = [f"Mcp-Session-Id: {way.session}"]
    if way.client == "2026":
        params["_meta"] = META
        own = [f"MCP-Protocol-Version: {MODERN}", "Mcp-Method: tools/call", f"Mcp-Name: {tool}"]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    lines = (
        f"POST {at.path} HTTP/1.1", f"Host: {at.netloc}", f"Authorization: Bearer {way.issued}",
        "Content-Type: application/json", "Accept: application/json, text/event-stream",
        *own, f"Content-Length: {len(body)}",
    )  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


if __name__ == "__main__":
    main()
