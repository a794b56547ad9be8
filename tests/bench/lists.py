"""One list of tools, many times: asked for each time, and used again as its server says.

Run as `python tests/bench/lists.py`. The servers are nginx, which answers at once: what is saved of
a server that has to think, and of the way to it, comes on top.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from calls import cpu_of, fast_upstream, timed

from gateway_parts import Gateway, dev, gateway_yaml, policy_yaml, route_yaml

ROUNDS = 6
CALLS = 400
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
ASKED = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
).encode()
RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"


def main() -> None:
    """Measure a short and a long list."""
    for tools in (5, 50):
        with tempfile.TemporaryDirectory() as name:
            _measure(Path(name), tools)


def _measure(folder: Path, tools: int) -> None:
    with (
        fast_upstream(folder / "asked", _answer(tools, 0)) as asked,
        fast_upstream(folder / "kept", _answer(tools, 3_600_000)) as kept,
    ):
        files = {"gateway.yaml": gateway_yaml()}
        for route, upstream in (("asked", asked), ("kept", kept)):
            files[f"{route}.yaml"] = route_yaml(upstream, name=route)
            files[f"policy-{route}.yaml"] = policy_yaml(RULES, route=route, name=route)
        with dev(folder, files) as gateway:
            _compare(gateway, tools)


def _compare(gateway: Gateway, tools: int) -> None:
    proxy = int(json.loads((gateway.state / "proxy-ready.json").read_text())["pid"])
    ways = {route: gateway.log_in(route) for route in ("asked", "kept")}
    times: dict[str, list[float]] = {route: [] for route in ways}
    spent: dict[str, list[float]] = {route: [] for route in ways}
    for round_ in range(ROUNDS):
        for route, issued in ways.items():
            before = cpu_of(proxy)
            taken = uvloop.run(timed(gateway.url(route), issued, 1, CALLS, ASKED))
            if round_:  # the first warms up
                times[route] += taken
                spent[route].append((cpu_of(proxy) - before) / CALLS * 1e6)
    size = len(_answer(tools, 0))
    for route in ways:
        print(f"list of {tools} tools ({size:,} bytes), {route:5}"
              f" p50 {statistics.median(times[route]) * 1e6:5.0f} µs,"
              f" CPU {statistics.median(spent[route]):4.0f} µs")  # fmt: skip


def _answer(tools: int, ttl: int) -> str:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    listed = [
        {"name": f"tool_{i}", "description": "Read a file of the team.", "inputSchema": schema}
        for i in range(tools)
    ]
    fields = {"resultType": "complete", "ttlMs": ttl, "cacheScope": "private"}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {**fields, "tools": listed}})


if __name__ == "__main__":
    main()
