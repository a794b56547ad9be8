"""Measures three proxies on Redis under 1,000 routes and 300 policies, on a cluster of its own.

Prints, and asserts nothing but that everything becomes Ready.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from e2e.cluster.layout import ROOT
from e2e.edits import edits_obeyed, figures
from e2e.gateways import ALL, READ, Fleet, policy, route, three_on_redis
from e2e.images import IMAGES, reference
from e2e.kubectl import Kubectl, eventually
from e2e.pods import PYTHON
from e2e.provider import choose

ROUTES, POLICIES, EDITS, NEW, REST = 1000, 300, 20, 10, 30
_PART = 100
CONDITION = "!args.path.startsWith('private/%d/')"
_USED = """
import json, os
fields = open("/proc/1/stat").read().rpartition(")")[2].split()
status = open("/proc/1/status").read()
rss = int(status.partition("VmRSS:")[2].split()[0]) / 1024
print(json.dumps([rss, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")]))
"""


def main() -> None:
    """Roll out, fill, edit, add, rest."""
    images = (reference("demo"), reference("redis"))
    with _cluster() as operator, three_on_redis(*images, ALL) as fleet:
        _fill(fleet)
        _edit(fleet, operator)
        print(f"one more route Ready: {figures([_added(fleet, n) for n in range(NEW)])}")
        _rest(operator)
        print(f"load of the machine: {os.getloadavg()}")


@contextmanager
def _cluster() -> Iterator[Kubectl]:
    """Start a cluster with the operator in it; yields kubectl in its namespace."""
    provider = choose("scale")
    provider.prepare()
    provider.start()
    try:
        for name in IMAGES:
            provider.load(name)
        kubectl = Kubectl(namespace="ostiary-system")
        kubectl("apply", "--server-side", "-f", str(ROOT / "manifests" / "install.yaml"))
        kubectl.wait_for("deployment/ostiary-operator", "condition=Available")
        yield kubectl
    finally:
        provider.stop()


def _fill(fleet: Fleet) -> None:
    """Apply everything at once, and wait until each object is Ready."""
    items = [route(fleet.upstream, name=f"r-{number}") for number in range(ROUTES)]
    items += [_policy(number) for number in range(POLICIES)]
    began = time.monotonic()
    for start in range(0, len(items), _PART):
        part = items[start : start + _PART]
        fleet.kubectl.apply({"apiVersion": "v1", "kind": "List", "items": part})
    applied = time.monotonic() - began
    eventually(lambda: _ready(fleet, "mcproutes"), lambda ready: ready > ROUTES, seconds=300)
    eventually(lambda: _ready(fleet, "mcppolicies"), lambda ready: ready > POLICIES, seconds=60)
    print(f"{ROUTES} routes and {POLICIES} policies: applied in {applied:.1f} s,"
          f" all Ready {time.monotonic() - began:.1f} s after the first")  # fmt: skip


def _policy(number: int) -> dict[str, Any]:
    """Return a policy of two rules and a condition, unlike every other."""
    rules = ({**READ, "condition": CONDITION % number}, {**ALL, "name": "deny", "effect": "Deny"})
    return policy(*rules, name=f"p-{number}", target=f"r-{number}")


def _ready(fleet: Fleet, plural: str) -> int:
    """Return how many say that they are Ready of what their spec says now."""
    shown = (
        "{range .items[*]}{.metadata.generation}={.status.observedGeneration}="
        "{.status.conditions[?(@.type=='Ready')].status}{'\\n'}{end}"
    )
    lines = fleet.kubectl("get", plural, f"-o=jsonpath={shown}").split()
    told = (line.split("=") for line in lines)
    return sum(now == seen and status == "True" for now, seen, status in told)


def _edit(fleet: Fleet, operator: Kubectl) -> None:
    """Edit a policy again and again; what each edit costs doesn't depend on who else is busy."""

    def used() -> list[float]:
        proxies = [_used(fleet.kubectl, name)[1] for name in fleet.pods()]
        return [_used(operator, _leader(operator))[1], *proxies]

    before = used()
    taken = edits_obeyed(fleet, EDITS)
    cost = [(now - then) / EDITS for now, then in zip(used(), before, strict=True)]
    print(f"edit obeyed by all of 3 proxies: {figures(taken)}; CPU of each: operator"
          f" {cost[0] * 1e3:.0f} ms, a proxy {max(cost[1:]) * 1e3:.0f} ms")  # fmt: skip


def _added(fleet: Fleet, number: int) -> float:
    fleet.kubectl.apply(route(fleet.upstream, name=f"more-{number}"))
    began = time.monotonic()
    fleet.kubectl.wait_for(f"mcproute/more-{number}")
    return time.monotonic() - began


def _rest(operator: Kubectl) -> None:
    """Say what each replica of the operator takes while nothing changes."""
    leader = _leader(operator)
    for pod in operator.get("pods"):
        name = pod["metadata"]["name"]
        before = _used(operator, name)
        time.sleep(REST)
        rss, cpu = _used(operator, name)
        print(f"operator at rest ({'acts' if name == leader else 'stands by'}):"
              f" {rss:.0f} MiB, {(cpu - before[1]) / REST:.3f} cores")  # fmt: skip


def _leader(operator: Kubectl) -> str:
    return str(operator.get("lease", "ostiary-operator")["spec"]["holderIdentity"])


def _used(kubectl: Kubectl, pod: str) -> list[float]:
    """Return the memory in MiB and the CPU seconds of the first process of a pod."""
    used: list[float] = json.loads(kubectl("exec", pod, "--", PYTHON, "-c", _USED))
    return used


if __name__ == "__main__":
    main()
