"""What translation promises of every World, broken objects included (design, section 2)."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ostiary.config.document import Config
from ostiary.decode.yaml_documents import Plain
from ostiary.resources.manifest import Kind, Manifest, read_manifest
from ostiary.translate.parsed import Cache
from ostiary.translate.plan import Plan, plan
from ostiary.translate.world import (
    Cluster,
    Observed,
    Platform,
    Reported,
    Rollout,
    SecretFacts,
    World,
)

NOW = 1_795_000_000.0
NAMESPACES = ("team", "other")
names = st.sampled_from(["a", "b", "c"])
namespaces = st.sampled_from(NAMESPACES)
garbage: st.SearchStrategy[Plain] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "MCPRoute", "a"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "name"]), inner)
    ),
    max_leaves=4,
)

gateway_specs = st.fixed_dictionaries(
    {
        "publicUrl": st.sampled_from(["https://mcp.example.com", "http://127.0.0.1:8080"]),
        "default": st.booleans(),
        "identityProvider": st.just({"oidc": {"issuer": "https://l.example.com", "clientId": "x"}}),
        "listeners": st.sampled_from(
            [
                [],
                [
                    {
                        "name": "a",
                        "hostname": "*.example.com",
                        "allowedRoutes": {"namespaces": "All"},
                    }
                ],
            ]
        ),
        "authorization": st.sampled_from([{"ceiling": "None"}, {"ceiling": "Required"}]),
        "proxy": st.sampled_from([{}, {"podTemplate": {"spec": {"hostNetwork": True}}}]),
    }
)
auths = st.sampled_from(
    [
        {"type": "None"},
        {"type": "InternalToken"},
        {"type": "Header", "header": {"name": "X-Key", "valueRef": {"name": "s", "key": "k"}}},
        {"type": "Header", "header": {"name": "X-Key", "valueRef": {"name": "gone", "key": "k"}}},
    ]
)
servers = {
    "to": st.sampled_from(
        ["https://a.example.net/mcp", "http://svc:80/mcp", "http://svc.other.svc/mcp"]
    ),
    "mcp": st.fixed_dictionaries({"upstreamAuth": auths}),
}
backends = st.fixed_dictionaries({"name": names, **servers})
around: Mapping[str, st.SearchStrategy[Plain]] = {
    "from": st.sampled_from(
        ["https://x.example.com", "https://x.example.com/y", "http://127.0.0.1:8080/z"]
    ),
    "suspend": st.booleans(),
    "gatewayRef": st.sampled_from([{"name": "a"}, {"name": "a", "namespace": "other"}]),
}
route_specs = st.fixed_dictionaries(servers, optional=around) | st.fixed_dictionaries(
    {"backends": st.lists(backends, min_size=1, max_size=3)}, optional=around
)
rules = st.fixed_dictionaries(
    {"effect": st.sampled_from(["Allow", "Deny"])},
    optional={
        "who": st.just({"groups": ["eng"]}),
        "match": st.sampled_from([{"tools": ["x"]}, {"tools": []}]),
        "mode": st.sampled_from(["Enforce", "Audit"]),
        "condition": st.sampled_from(["1 +", "args.x == 'y'"]),
    },
)
policy_specs = st.fixed_dictionaries(
    {
        "targetRefs": st.lists(
            st.fixed_dictionaries(
                {"kind": st.sampled_from(["MCPRoute", "MCPGateway"]), "name": names}
            ),
            min_size=1,
            max_size=2,
        ),
        "mode": st.sampled_from(["Enforce", "Audit"]),
        "rules": st.lists(rules, min_size=1, max_size=2).map(
            lambda listed: [{"name": f"r{n}", **rule} for n, rule in enumerate(listed)]
        ),
    }
)
SPECS: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.GATEWAY: gateway_specs,
    Kind.ROUTE: route_specs,
    Kind.POLICY: policy_specs,
}


@st.composite
def spoiled(draw: st.DrawFn, spec: st.SearchStrategy[dict[str, Plain]]) -> Plain:
    """Draw a spec with one field that is missing, odd or unknown, or no spec at all."""
    value = dict(draw(spec))
    field = draw(st.sampled_from([*value, "surprise"]))
    match draw(st.integers(0, 2)):
        case 0:
            value.pop(field, None)
            value["surprise"] = 1
        case 1:
            value[field] = draw(garbage)
        case _:
            return draw(garbage)
    return value


@st.composite
def manifests(draw: st.DrawFn, *, broken: bool | None = None) -> Manifest:
    kind = draw(st.sampled_from(list(Kind)))
    faulty = draw(st.booleans()) if broken is None else broken
    spec = draw(spoiled(SPECS[kind]) if faulty else SPECS[kind])
    name, namespace = draw(names), draw(namespaces)
    age = draw(st.integers(1, 9))
    return made(kind, namespace, name, spec, f"2026-01-0{age}T00:00:00Z")


def made(kind: Kind, namespace: str, name: str, spec: Plain, created: str) -> Manifest:
    head = {"name": name, "namespace": namespace, "uid": f"{kind}/{namespace}/{name}"}
    return read_manifest(
        {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": kind.value,
            "metadata": {**head, "creationTimestamp": created, "labels": {}},
            "spec": spec,
        }
    )


platforms = st.sampled_from(
    [Platform(), Platform(cluster=Cluster(image="proxy:1", operator_url="http://operator:8082"))]
)
several_manifests = st.lists(
    manifests(), max_size=9, unique_by=lambda item: (item.kind, item.meta.namespace, item.meta.name)
)
worlds = st.builds(
    lambda listed, platform: World(
        manifests=tuple(listed),
        secrets=(SecretFacts(namespace="team", name="s", keys={"k": "1"}),),
        namespaces={name: {} for name in NAMESPACES},
        platform=platform,
    ),
    several_manifests,
    platforms,
)
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def planned(of: World, observed: Observed | None = None, cache: Cache | None = None) -> Plan:
    return plan(of, observed or Observed(), NOW, cache=cache)


def configs(of: World) -> dict[str, Config]:
    return {key: bundle.config for key, bundle in planned(of).bundles.items()}


@few
@given(worlds, st.randoms(use_true_random=False))
def test_the_order_of_objects_is_irrelevant(of, random):
    shuffled = list(of.manifests)
    random.shuffle(shuffled)

    assert planned(replace(of, manifests=tuple(shuffled))) == planned(of)


reports = st.fixed_dictionaries(
    {
        "ready": st.booleans(),
        "revision": st.just(1),
        "would": st.dictionaries(
            st.sampled_from(["team/a", "other/b"]), st.integers(0, 99), max_size=2
        ),
        "upstreams": st.dictionaries(
            st.sampled_from(["team/a", "other/b"]), st.sampled_from(["", "refused"]), max_size=2
        ),
    }
)
rollouts = st.builds(
    Rollout,
    replicas=st.integers(1, 3),
    updated=st.integers(0, 3),
    ready=st.integers(0, 3),
    message=st.sampled_from(["", "quota"]),
)


@few
@given(worlds, st.lists(reports, max_size=3), rollouts)
def test_planning_twice_changes_nothing(of, reported, rollout):
    keys = [item.key for item in of.manifests if item.kind is Kind.GATEWAY]
    proxies = tuple(Reported(proxy=str(n), **said) for n, said in enumerate(reported))
    seen = Observed(
        history=planned(of).history,
        proxies=dict.fromkeys(keys, proxies),
        rollouts=dict.fromkeys(keys, rollout),
    )
    first = planned(of, seen)

    again = planned(of, replace(seen, statuses=first.statuses))
    later = plan(of, replace(seen, statuses=first.statuses), NOW + 60)

    assert again == first
    assert later == first


@few
@given(st.lists(worlds, min_size=1, max_size=4))
def test_a_plan_with_a_cache_equals_one_without(several):
    cache = Cache()

    for of in [*several, several[0], several[0]]:
        assert planned(of, cache=cache) == planned(of)


@few
@given(worlds)
def test_adding_a_route_leaves_the_others_as_they_are(of):
    spec: dict[str, Plain] = {
        "to": "https://new.example.net/mcp",
        "from": "https://new.example.com",
    }
    new = made(Kind.ROUTE, "fresh", "new", spec, "2026-02-01T00:00:00Z")
    after = configs(replace(of, manifests=(*of.manifests, new)))

    for key, config in configs(of).items():
        others = tuple(route for route in after[key].routes if route.key != "fresh/new")
        assert (after[key].gateway, others, after[key].policies) == (
            config.gateway,
            config.routes,
            config.policies,
        )


@few
@given(worlds, st.sampled_from([Kind.ROUTE, Kind.POLICY]), st.data())
def test_no_route_or_policy_changes_an_object_so_none_restarts_a_proxy(of, kind, data):
    new = made(kind, "fresh", "new", data.draw(SPECS[kind]), "2026-02-01T00:00:00Z")

    assert planned(replace(of, manifests=(*of.manifests, new))).objects == planned(of).objects


@settings(few, max_examples=200)
@given(worlds, manifests(broken=True) | manifests())
def test_adding_an_object_that_is_broken_never_widens(of, new):
    if any((new.kind, new.key) == (item.kind, item.key) for item in of.manifests):
        return
    result = planned(replace(of, manifests=(*of.manifests, new)))
    if not is_broken(new, result):
        return  # the garbage happened to be fine
    before = configs(of)
    for bundle in result.bundles.values():
        for route in bundle.config.routes:
            if route.closed is None and (new.kind, new.key) != (Kind.ROUTE, route.key):
                assert_no_wider(route, bundle.config, before)


def is_broken(new, result):
    """Say that an object is refused as a whole.

    Broken Audit rules only leave the policy out; a refused podTemplate stops the gateway's pods and
    not its routes.
    """
    kept = {policy.key for bundle in result.bundles.values() for policy in bundle.config.policies}
    kept = {Kind.POLICY: kept, Kind.GATEWAY: set(result.bundles)}.get(new.kind, set())
    reasons = {problem.reason for problem in result.problems[f"{new.kind}/{new.key}"]}
    return "Invalid" in reasons and new.key not in kept


def assert_no_wider(route, config, before):
    """The route was open at the same place before, and no rule that may allow is new."""
    (was,) = [
        (known, old) for old in before.values() for known in old.routes if known.key == route.key
    ]
    known, old = was
    assert (route.url, route.upstream, route.auth) == (known.url, known.upstream, known.auth)
    assert route.backends == known.backends
    assert known.closed is None
    assert set(allows(route, config)) <= set(allows(known, old))
    assert set(denies(known, old)) <= set(denies(route, config))
    assert config.gateway == old.gateway


def allows(route, config):
    return enforced(route, config, "Allow")


def denies(route, config):
    return enforced(route, config, "Deny")


def enforced(route, config, effect):
    return [
        (policy.key, json.dumps(rule.plain(), sort_keys=True))
        for policy in config.policies
        if policy.key in route.policies
        for rule in policy.rules
        if rule.effect == effect and (rule.mode or policy.mode) == "Enforce"
    ]


@few
@given(worlds)
def test_every_object_has_a_status_of_its_generation(of):
    result = planned(of)

    assert set(result.statuses) == {f"{item.kind}/{item.key}" for item in of.manifests}
    for status in result.statuses.values():
        assert status["observedGeneration"] == 1
        assert {item["observedGeneration"] for item in status["conditions"]} == {1}


@few
@given(worlds)
def test_a_closed_route_has_no_upstream_and_no_credential(of):
    for bundle in planned(of).bundles.values():
        named = set()
        for route in bundle.config.routes:
            if route.closed is not None:
                assert (route.upstream, route.auth.type, route.backends) == (None, "None", None)
            auths = [route.auth, *(backend.auth for backend in route.backends or ())]
            named |= {getattr(auth, "value", None) for auth in auths} - {None}
        assert set(bundle.credentials) == named
