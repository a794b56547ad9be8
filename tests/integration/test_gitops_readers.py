"""A rollout in every state, read by the code of Argo CD, Flux and kstatus."""

import re
from dataclasses import replace

import pytest

from ostiary.resources.manifest import Kind, Manifest, read_manifest
from ostiary.translate.plan import Plan, plan
from ostiary.translate.problem import Reason
from ostiary.translate.world import Observed, ProxyFault, Reported, Rollout, World
from readers_parts import GITOPS, Verdicts, flux_checks, verdicts_on

HEALTHY = Verdicts("Healthy", "Current", "Current")
ON_ITS_WAY = Verdicts("Progressing", "InProgress", "InProgress")
STUCK = Verdicts("Degraded", "Failed", "Failed")
BROKEN = Verdicts("Degraded", "Failed", "InProgress")
"""Ours know reasons that kstatus does not."""
TERMINAL = ["AudienceConflict", "PolicyInvalid", "ProxyFault", "UpstreamNotAllowed"]


def manifest(kind, name, spec, generation=1):
    meta = {"name": name, "namespace": "team", "generation": generation, "uid": name}
    return read_manifest(
        {"apiVersion": "ostiary.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
    )


GATEWAY = manifest(
    "MCPGateway",
    "main",
    {
        "publicUrl": "https://mcp.example.com",
        "default": True,
        "identityProvider": {"oidc": {"issuer": "https://login.example.com", "clientId": "x"}},
    },
)
ROUTE_SPEC = {"from": "https://mcp.example.com/files", "to": "https://files.example.net/mcp"}
ROUTE = manifest("MCPRoute", "files", ROUTE_SPEC)
POLICY_SPEC = {
    "targetRefs": [{"kind": "MCPRoute", "name": "files"}],
    "rules": [{"name": "all", "effect": "Allow", "who": {"everyone": True}}],
}
POLICY = manifest("MCPPolicy", "p", POLICY_SPEC)
WORLD = World(manifests=(GATEWAY, ROUTE, POLICY))


def planned(world: World, *proxies: Reported, last: Plan | None = None, ready: int = 2) -> Plan:
    observed = Observed(
        proxies={"team/main": proxies},
        rollouts={"team/main": Rollout(replicas=2, updated=2, ready=ready)},
        history=last.history if last else {},
        statuses=last.statuses if last else {},
    )
    return plan(world, observed, 1_795_000_000.0)


def written(item: Manifest, done: Plan) -> dict:
    """Return the object with the status that the plan writes on it."""
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": item.kind,
        "metadata": {"name": item.meta.name, "generation": item.meta.generation},
        "status": done.statuses[f"{item.kind}/{item.key}"],
    }


def verdicts(done: Plan, *items: Manifest) -> list[Verdicts]:
    return verdicts_on([written(item, done) for item in items])


def proxy(name: str, revision: int, **more) -> Reported:
    return Reported(proxy=name, ready=True, revision=revision, **more)


def test_a_rollout_is_on_its_way_until_the_last_proxy_serves_it():
    first = planned(WORLD)
    revision = first.bundles["team/main"].revision
    half = planned(WORLD, proxy("a", revision), proxy("b", revision - 1), last=first)
    whole = planned(WORLD, proxy("a", revision), proxy("b", revision), last=half)
    items = (GATEWAY, ROUTE, POLICY)

    assert verdicts(first, *items) == [ON_ITS_WAY] * 3
    assert verdicts(half, *items) == [ON_ITS_WAY] * 3
    assert verdicts(whole, *items) == [HEALTHY] * 3


def test_a_gateway_that_lacks_a_proxy_is_on_its_way_and_what_it_serves_is_healthy():
    first = planned(WORLD)
    revision = first.bundles["team/main"].revision
    short = planned(WORLD, proxy("a", revision), last=first, ready=1)

    assert verdicts(short, GATEWAY, ROUTE, POLICY) == [ON_ITS_WAY, HEALTHY, HEALTHY]


@pytest.mark.parametrize("kind", list(Kind))
def test_an_object_that_nobody_has_looked_at_is_on_its_way(kind):
    fresh = {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "x", "generation": 1},
        "status": {"observedGeneration": -1},
    }

    assert verdicts_on([fresh]) == [ON_ITS_WAY]


def test_an_edit_is_on_its_way_before_the_operator_has_looked():
    first = planned(WORLD)
    ready = planned(WORLD, proxy("a", first.bundles["team/main"].revision), last=first)
    edited = written(ROUTE, ready)
    edited["metadata"]["generation"] = 2

    assert verdicts_on([edited]) == [ON_ITS_WAY]


def test_an_object_that_only_a_person_can_mend_is_stuck():
    bad = [
        manifest("MCPGateway", "main", {"publicUrl": "nonsense"}),
        manifest("MCPRoute", "files", {"to": "http://files.example.net/mcp", "from": "?"}),
        manifest("MCPPolicy", "p", {**POLICY_SPEC, "rules": []}),
    ]
    done = [planned(replace(WORLD, manifests=(item,))) for item in bad]

    assert [verdicts(one, item)[0] for one, item in zip(done, bad, strict=True)] == [STUCK] * 3


def test_a_route_whose_policy_is_broken_or_whose_proxy_faults_is_degraded():
    broken = manifest("MCPPolicy", "p", {**POLICY_SPEC, "rules": [{"name": "x", "effect": "No"}]})
    world = replace(WORLD, manifests=(GATEWAY, ROUTE, broken))
    first = planned(world)
    closed = planned(world, proxy("a", first.bundles["team/main"].revision), last=first)
    start = planned(WORLD)
    fault = ProxyFault(kind=Kind.ROUTE, key="team/files", message="it can't be built")
    revision = start.bundles["team/main"].revision
    faulty = planned(WORLD, proxy("a", revision, faults=(fault,)), last=start)

    assert verdicts(closed, ROUTE) == [BROKEN]
    assert verdicts(faulty, ROUTE, GATEWAY) == [BROKEN, HEALTHY]


def test_a_route_that_waits_for_a_secret_is_on_its_way():
    header = {"name": "X-Key", "valueRef": {"name": "later", "key": "k"}}
    waiting = manifest(
        "MCPRoute",
        "files",
        {**ROUTE_SPEC, "mcp": {"upstreamAuth": {"type": "Header", "header": header}}},
    )
    world = replace(WORLD, manifests=(GATEWAY, waiting, POLICY))
    first = planned(world)
    done = planned(world, proxy("a", first.bundles["team/main"].revision), last=first)

    assert done.statuses["MCPRoute/team/files"]["conditions"][1]["reason"] == "SecretNotFound"
    assert verdicts(done, waiting) == [ON_ITS_WAY]


def test_a_suspended_route_is_suspended_and_holds_up_no_rollout():
    suspended = manifest("MCPRoute", "files", {**ROUTE_SPEC, "suspend": True})
    world = replace(WORLD, manifests=(GATEWAY, suspended, POLICY))
    first = planned(world)
    done = planned(world, proxy("a", first.bundles["team/main"].revision), last=first)

    assert verdicts(done, suspended) == [Verdicts("Suspended", "Current", "InProgress")]


def test_an_object_that_is_being_deleted_is_going_by_kstatus():
    first = planned(WORLD)
    going = written(ROUTE, first)
    going["metadata"]["deletionTimestamp"] = "2026-11-28T00:00:00Z"

    assert verdicts_on([going])[0].kstatus == "Terminating"


def test_both_checks_name_the_same_reasons_and_only_documented_ones():
    script = (GITOPS / "argocd" / "health.lua").read_text()
    lua = [line.split()[0] for line in script.splitlines() if line.endswith(" = true,")]
    flux = [re.findall(r"c.reason in \['(.*)'\]", item["failed"])[0] for item in flux_checks()]

    assert lua == TERMINAL
    assert [named.split("', '") for named in flux] == [TERMINAL] * 3
    assert set(TERMINAL) < set(Reason)
