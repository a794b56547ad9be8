"""Measures what the product promises; prints medians of interleaved rounds, asserts nothing.

Needs nginx (Debian: nginx-light), which serves as the fast upstream and as the yardstick.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ostiary.decode.yaml_documents import Plain

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from calls import fast_upstream, measure, mebibytes, while_called
from pushes import push
from verdicts import judge

from gateway_parts import Gateway, dev, policy_yaml, route_yaml, three_files
from ostiary.resources.manifest import read_manifest
from ostiary.translate.parsed import Cache
from ostiary.translate.plan import plan
from ostiary.translate.world import Observed, Platform, World
from real_parts import running


def main() -> int:
    """Run every measurement; return 1 where nginx is missing."""
    if shutil.which("nginx") is None:
        print("nginx is missing; install it with: apt-get install nginx-light")
        return 1
    judge()
    _plan()
    push()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            fast_upstream(folder / "upstream") as upstream,
            dev(folder, _files(upstream)) as gateway,
        ):
            measure(gateway, upstream, folder)
            _start(gateway)
            _reload(gateway, upstream)
    return 0


def _files(upstream: str) -> dict[str, str]:
    return three_files(upstream, "[{name: eng, effect: Allow, who: {groups: [eng]}}]")


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
    meta: dict[str, Plain] = {"name": name, "namespace": "default", "uid": f"{kind}-{name}"}
    return read_manifest(
        {"apiVersion": "ostiary.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


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
    code = "import ostiary_proxy.process; print(open('/proc/self/status').read())"
    bare = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    print(
        f"start to ready: {statistics.median(times):.2f} s; bare imports: {mebibytes(bare):.0f} MiB"
    )


def _reload(gateway: Gateway, upstream: str) -> None:
    """Give the gateway 100 routes and 300 policies while it is called."""
    routes = "---\n".join(route_yaml(upstream, name=f"r-{i}") for i in range(100))
    rule = "[{name: eng, effect: Allow, who: {groups: [eng]}}]"
    policies = "---\n".join(
        policy_yaml(rule, route=f"r-{i % 100}", name=f"p-{i}") for i in range(300)
    )
    change = lambda: gateway.change("many.yaml", f"{routes}---\n{policies}")  # noqa: E731
    worst = max(while_called(gateway, change))
    log = gateway.state / "proxy.log"
    loaded = [json.loads(line) for line in log.read_text().splitlines() if '"seconds"' in line]
    print(f"reload of 100 routes and 300 policies: {loaded[-1]['seconds'] * 1e3:.0f} ms;"
          f" no call was refused, the longest took {worst * 1e3:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
