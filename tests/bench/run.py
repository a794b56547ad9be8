"""Measures what the product promises; prints medians of interleaved rounds, asserts nothing.

Needs nginx (Debian: nginx-light), which serves as the fast upstream and as the yardstick.
"""

import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gateway_parts import Gateway, dev, free_port, policy_yaml, route_yaml, three_files
from ostiary.resources.manifest import read_manifest
from ostiary.translate.parsed import Cache
from ostiary.translate.plan import plan
from ostiary.translate.world import Observed, Platform, World
from real_parts import running

ROUNDS, CALLS = 5, 400
TICKS = os.sysconf("SC_CLK_TCK")
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
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream up {{ server 127.0.0.1:{up}; keepalive 16; }}
  server {{ listen 127.0.0.1:{up}; location / {{ default_type application/json; return 200 '{answer}'; }} }}
  server {{ listen 127.0.0.1:{proxy}; location / {{ proxy_pass http://up; proxy_http_version 1.1;
    proxy_set_header Connection ""; }} }}
}}
"""  # noqa: E501 - nginx's own form


def main() -> int:
    """Run every measurement; return 1 where nginx is missing."""
    if shutil.which("nginx") is None:
        print("nginx is missing; install it with: apt-get install nginx-light")
        return 1
    _plan()
    with tempfile.TemporaryDirectory() as folder, _nginx(Path(folder)) as (upstream, proxied):
        files = three_files(upstream, "[{name: eng, effect: Allow, who: {groups: [eng]}}]")
        with dev(Path(folder), files) as gateway:
            _calls(gateway, upstream, proxied)
            _start(gateway)
            _reload(gateway, upstream)
    return 0


@contextmanager
def _nginx(folder: Path) -> Iterator[tuple[str, str]]:
    up, proxy = free_port(), free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, up=up, proxy=proxy, answer=ANSWER))
    with running(["nginx", "-c", str(config), "-p", str(folder)], log=folder / "nginx.log"):
        time.sleep(0.5)
        yield f"http://127.0.0.1:{up}/mcp", f"http://127.0.0.1:{proxy}/mcp"


def _plan() -> None:
    """Plan 1,000 routes and 300 policies, cold, and again with one policy changed."""
    world = _world(1000, 300)
    cache = Cache()
    cold = _timed(lambda: plan(world, Observed(), 0.0, cache=cache))
    changed = World(
        manifests=(*world.manifests[:-1], _manifest("MCPPolicy", "p-299", _policy("deny", 299))),
        platform=world.platform,
    )
    warm = _timed(lambda: plan(changed, Observed(), 0.0, cache=cache))
    print(f"plan, 1,000 routes and 300 policies: {cold * 1e3:.0f} ms cold,"
          f" {warm * 1e3:.0f} ms with one policy changed")  # fmt: skip


def _world(routes: int, policies: int) -> World:
    gateway = {
        "default": True,
        "publicUrl": "http://localhost:8080",
        "identityProvider": {"oidc": {"issuer": "https://login.example.com", "clientId": "x"}},
    }
    manifests = [_manifest("MCPGateway", "gw", gateway)]
    for index in range(routes):
        spec = {"to": f"https://mcp-{index}.example.com/mcp", "mcp": {}}
        manifests.append(_manifest("MCPRoute", f"r-{index}", spec))
    manifests += [
        _manifest("MCPPolicy", f"p-{index}", _policy("allow", index)) for index in range(policies)
    ]
    return World(manifests=tuple(manifests), platform=Platform())


def _policy(name: str, index: int) -> dict:
    target = {"group": "ostiary.dev", "kind": "MCPRoute", "name": f"r-{index}"}
    condition = "user.sub != 'nobody'"
    rule = {"name": name, "effect": "Allow", "who": {"groups": ["eng"]}, "condition": condition}
    return {"targetRefs": [target], "rules": [rule]}


def _manifest(kind: str, name: str, spec: dict):
    meta = {"name": name, "namespace": "default", "uid": f"{kind}-{name}"}
    return read_manifest(
        {"apiVersion": "ostiary.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _calls(gateway: Gateway, upstream: str, proxied: str) -> None:
    """Call a tool directly, through nginx and through the whole pipeline, in turn."""
    pid = _proxy_pid(gateway)
    issued = gateway.log_in()
    targets = {"direct": upstream, "nginx": proxied, "ostiary": gateway.url()}
    latency: dict[str, list[float]] = {name: [] for name in targets}
    cpu = []
    print(f"memory of the proxy before load: {_rss(pid):.0f} MiB")
    for round_ in range(ROUNDS):
        for name, url in targets.items():
            before = _cpu(pid)
            times = _loop(url, issued, CALLS)
            if round_ and name == "ostiary":
                cpu.append((_cpu(pid) - before) / CALLS * 1e6)
            latency[name] += times if round_ else []
    middle = {name: statistics.median(times) * 1e6 for name, times in latency.items()}
    print(f"tool call, p50: direct {middle['direct']:.0f} µs, nginx adds"
          f" {middle['nginx'] - middle['direct']:.0f} µs, Ostiary adds"
          f" {middle['ostiary'] - middle['direct']:.0f} µs")  # fmt: skip
    print(f"CPU of the proxy per call: {statistics.median(cpu):.0f} µs")


def _loop(url: str, issued: str, count: int) -> list[float]:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host)
    headers = {
        "Authorization": f"Bearer {issued}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "read_file",
    }
    times = []
    for _ in range(count):
        start = time.perf_counter()
        connection.request("POST", f"/{path}", CALL, headers)
        answer = connection.getresponse()
        body = answer.read()
        times.append(time.perf_counter() - start)
        if answer.status != 200 or b"result" not in body:
            raise RuntimeError(f"{url} answered {answer.status}: {body[:300]!r}")
    connection.close()
    return times


def _start(gateway: Gateway) -> None:
    """Start a second proxy on a copy of the state, and say what bare imports cost."""
    state, keys = gateway.state, gateway.keys
    times = []
    for index in range(3):
        folder = state / f"bench-{index}"
        folder.mkdir()
        ready = folder / "ready.json"
        command = [
            *(sys.executable, "-m", "ostiary_proxy.main", "--bundle", str(state / "bundle")),
            *("--keys", str(keys / "keys.json"), "--state", str(folder / "store")),
            *("--audit", str(folder / "audit"), "--checkpoints", str(folder / "checkpoints")),
            *("--listen", "127.0.0.1:0", "--admin-token", str(folder / "token")),
            *("--ready-file", str(ready)),
        ]
        (folder / "audit").mkdir()
        (folder / "checkpoints").mkdir()
        start = time.perf_counter()
        with running(command, log=folder / "log"):
            while not ready.exists():
                time.sleep(0.005)
            times.append(time.perf_counter() - start)
    code = "import ostiary_proxy.process, resource as r; print(r.getrusage(0).ru_maxrss // 1024)"
    bare = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    print(f"start to ready: {statistics.median(times):.2f} s; bare imports: {bare} MiB")


def _reload(gateway: Gateway, upstream: str) -> None:
    """Give the gateway 100 routes and 300 policies while it is called."""
    routes = "---\n".join(route_yaml(upstream, name=f"r-{i}") for i in range(100))
    rule = "[{name: eng, effect: Allow, who: {groups: [eng]}}]"
    policies = "---\n".join(
        policy_yaml(rule, route=f"r-{i % 100}", name=f"p-{i}") for i in range(300)
    )
    log = gateway.state / "proxy.log"
    gateway.change("many.yaml", f"{routes}---\n{policies}")
    taken = [
        json.loads(line)
        for line in log.read_text().splitlines()
        if '"configuration loaded"' in line
    ]
    print(f"reload of 100 routes and 300 policies: {taken[-1]['seconds'] * 1e3:.0f} ms")


def _proxy_pid(gateway: Gateway) -> int:
    return int(json.loads((gateway.state / "proxy-ready.json").read_text())["pid"])


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _rss(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
