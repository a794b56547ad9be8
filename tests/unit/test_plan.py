"""Parts of translation that golden cases leave out.

Times, digests, revisions, filling in values.
"""

from dataclasses import replace

import pytest

from ostiary.config.document import Closed, OAuth2Auth
from ostiary.crypto.secret import Secret
from ostiary.resources.manifest import Kind, read_manifest
from ostiary.translate.fill import fill
from ostiary.translate.plan import plan
from ostiary.translate.world import Observed, Reported, SecretFacts, World

NOW = 1_795_000_000.0


def manifest(kind, name, spec, *, generation=1, labels=None):
    meta = {"name": name, "namespace": "team", "generation": generation, "labels": labels or {}}
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
        "listeners": [{"name": "apps", "hostname": "*.example.com"}],
    },
)
OAUTH2 = {
    "clientIdRef": {"name": "gh", "key": "id"},
    "clientSecretRef": {"name": "gh", "key": "secret"},
    "provider": "GitHub",
}
PLAIN = manifest("MCPRoute", "plain", {"to": "https://a.example.net/mcp"})
GITHUB = manifest(
    "MCPRoute", "github", {"to": "http://gh:80/mcp", "mcp": {"upstreamOAuth2": OAUTH2}}
)
SECRET = SecretFacts(namespace="team", name="gh", keys={"id": "1", "secret": "1"})
POLICY = {
    "targetRefs": [{"kind": "MCPRoute", "name": "plain"}],
    "rules": [{"name": "a", "effect": "Allow", "who": {"groups": ["eng"]}}],
}
WORLD = World(
    manifests=(GATEWAY, PLAIN, GITHUB, manifest("MCPPolicy", "p", POLICY)), secrets=(SECRET,)
)


def planned(world, observed=None, now=NOW):
    return plan(world, observed or Observed(), now)


def bundle(world, observed=None):
    return planned(world, observed).bundles["team/main"]


def part(world, name):
    routes = {route.key: route.digest for route in bundle(world).config.routes}
    policies = {policy.key: policy.digest for policy in bundle(world).config.policies}
    return {**routes, **policies}[f"team/{name}"]


def with_manifest(new):
    return replace(
        WORLD,
        manifests=tuple(
            new if (item.kind, item.key) == (new.kind, new.key) else item
            for item in WORLD.manifests
        ),
    )


def test_values_are_filled_in_where_the_plan_names_them():
    values = {("team", "gh", "id"): Secret("our-id\n"), ("team", "gh", "secret"): Secret("hush")}

    config, credentials = fill(bundle(WORLD), values)

    github = next(route for route in config.routes if route.name == "github")
    assert isinstance(github.auth, OAuth2Auth)
    assert (github.auth.client_id, github.auth.client_secret) == ("our-id", "team/gh/secret")
    assert credentials == {"team/gh/secret": Secret("hush")}


@pytest.mark.parametrize("gone", ["id", "secret"])
def test_a_route_whose_value_has_gone_since_is_closed_and_no_other(gone):
    values = {("team", "gh", key): Secret("x") for key in ("id", "secret") if key != gone}

    config, _ = fill(bundle(WORLD), values)

    closed = {route.name: route.closed for route in config.routes}
    reason = Closed(reason="SecretNotFound", message="a Secret has gone")
    assert closed == {"github": reason, "plain": None}


def test_a_plan_shows_no_value_of_a_secret():
    assert "our-id" not in repr(planned(WORLD))


def test_a_condition_keeps_its_time_until_its_status_changes():
    first = planned(WORLD)
    reported = (Reported(proxy="a", ready=True, revision=1),)

    observed = Observed(
        history=first.history, statuses=first.statuses, proxies={"team/main": reported}
    )
    later = planned(WORLD, observed, NOW + 60)

    times = {
        item["type"]: item["lastTransitionTime"]
        for item in later.statuses["MCPRoute/team/plain"]["conditions"]
    }
    assert times == {
        "Accepted": "2026-11-18T11:06:40Z",
        "ResolvedRefs": "2026-11-18T11:06:40Z",
        "PolicyAttached": "2026-11-18T11:06:40Z",
        "Programmed": "2026-11-18T11:07:40Z",
        "UpstreamReachable": "2026-11-18T11:07:40Z",
        "Ready": "2026-11-18T11:07:40Z",
    }


def test_a_proxy_more_or_less_writes_no_status_of_a_route_or_policy():
    first = planned(WORLD)
    proxies = tuple(Reported(proxy=name, ready=True, revision=1) for name in "abc")

    several = [
        planned(WORLD, Observed(history=first.history, proxies={"team/main": proxies[:count]}))
        for count in (1, 3)
    ]

    assert several[0].statuses == several[1].statuses


def test_the_revision_grows_exactly_where_behaviour_changes():
    first = planned(WORLD)
    observed = Observed(history=first.history)
    changed = with_manifest(manifest("MCPRoute", "plain", {"to": "https://b.example.net/mcp"}))

    assert bundle(WORLD, observed).revision == first.bundles["team/main"].revision == 1
    assert bundle(changed, observed).revision == 2


def test_an_unchanged_part_stays_programmed_while_another_is_on_its_way():
    first = planned(WORLD)
    changed = with_manifest(manifest("MCPRoute", "github", {"to": "https://b.example.net/mcp"}))
    reported = (Reported(proxy="a", ready=True, revision=1),)

    second = planned(changed, Observed(history=first.history, proxies={"team/main": reported}))

    programmed = {
        key: next(item["status"] for item in status["conditions"] if item["type"] == "Programmed")
        for key, status in second.statuses.items()
    }
    assert programmed == {
        "MCPGateway/team/main": "True",
        "MCPPolicy/team/p": "True",
        "MCPRoute/team/github": "False",
        "MCPRoute/team/plain": "True",
    }


def test_a_rotated_secret_changes_its_route_and_no_other():
    rotated = replace(WORLD, secrets=(replace(SECRET, keys={"id": "1", "secret": "2"}),))

    assert part(rotated, "github") != part(WORLD, "github")
    assert part(rotated, "plain") == part(WORLD, "plain")


def test_a_generation_alone_changes_no_digest_of_a_part():
    again = with_manifest(manifest("MCPPolicy", "p", POLICY, generation=9))

    assert part(again, "p") == part(WORLD, "p")


def test_a_label_of_a_route_is_behaviour_because_rules_may_match_it():
    spec = {"to": "https://a.example.net/mcp"}
    labelled = with_manifest(manifest("MCPRoute", "plain", spec, labels={"tier": "gold"}))

    assert part(labelled, "plain") != part(WORLD, "plain")


def test_every_object_gets_a_status():
    assert set(planned(WORLD).statuses) == {f"{item.kind}/{item.key}" for item in WORLD.manifests}
    assert {item.kind for item in WORLD.manifests} == set(Kind)
