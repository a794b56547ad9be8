"""What a gateway outlives: each test takes something away, and shows that nothing is lost."""

import secrets
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from e2e.cluster import lifecycle
from e2e.cluster.layout import ROOT, Layout
from e2e.gateways import ALL, READ, Fleet, gateway, policy, route
from e2e.kubectl import Kubectl, KubectlFailed, eventually
from e2e.load import under_load

pytestmark = pytest.mark.timeout(300)
OPERATOR = "deployment/ostiary-operator"
MAIN = "deployment/ostiary-main"
CALLERS = 4


@pytest.fixture(scope="module")
def fleet(three_proxies: Fleet) -> Fleet:
    three_proxies.obey(READ)
    return three_proxies


def kill(layout: Layout, kubectl: Kubectl, pod: str, container: str) -> None:
    """End the first process of a container as a crash would."""
    statuses = kubectl.get("pod", pod)["status"]["containerStatuses"]
    (of,) = (status for status in statuses if status["name"] == container)
    lifecycle.kill(layout, of["containerID"].removeprefix("containerd://"))


def whole(fleet: Fleet) -> None:
    """Wait until all of the fleet's proxies are there and ready."""
    fleet.kubectl("rollout", "status", MAIN, "--timeout=90s")
    fleet.kubectl.wait_for("mcpgateway/main")


def test_a_leader_that_is_killed_while_it_writes_leaves_nothing_undone(
    fleet: Fleet, installed: Kubectl, own_cluster: Layout
) -> None:
    names = [f"killed-{number}" for number in range(30)]
    leader = installed.get("lease", "ostiary-operator")["spec"]["holderIdentity"]

    fleet.kubectl.apply(*(route(fleet.upstream, name=name) for name in names))
    kill(own_cluster, installed, leader, "operator")
    began = time.monotonic()

    routes = [f"mcproute/{name}" for name in names]
    fleet.kubectl("wait", *routes, "--for=condition=Ready", "--timeout=60s")
    print(f"30 routes Ready {time.monotonic() - began:.1f} s after the leader was killed")
    fleet.kubectl("delete", *routes)


def test_an_api_server_that_restarts_loses_no_edit(
    fleet: Fleet, installed: Kubectl, own_cluster: Layout
) -> None:
    lifecycle.restart(own_cluster, "kube-apiserver")
    eventually(lambda: answers(fleet.kubectl), seconds=60)
    fleet.obey(ALL)
    fleet.obey(READ)
    installed.wait_for(OPERATOR, "condition=Available")


def answers(kubectl: Kubectl) -> bool:
    try:
        kubectl("get", "--raw=/readyz")
    except KubectlFailed:
        return False
    return True


Damage = Callable[[Kubectl], object]
BUNDLE = "secret/ostiary-main-bundle-v1-00"
DAMAGES: dict[str, tuple[str, Damage]] = {
    "a Deployment is scaled": (MAIN, lambda k: k("scale", MAIN, "--replicas=1")),
    "a Deployment's image is changed": (
        MAIN,
        lambda k: k("set", "image", MAIN, "proxy=example.com/other:1"),
    ),
    "a Service is turned elsewhere": (
        "service/ostiary-main",
        lambda k: k(
            "patch", "service/ostiary-main", "--type=merge",
            "--patch", '{"spec": {"selector": {"app": "other"}}}',
        ),
    ),
    "a Service is deleted": (
        "service/ostiary-main",
        lambda k: k("delete", "service/ostiary-main"),
    ),
    "a bundle is garbled": (
        BUNDLE,
        lambda k: k("patch", BUNDLE, "--type=merge", "--patch", '{"data": {"bundle-000": "AAAA"}}'),
    ),
    "a bundle is deleted": (BUNDLE, lambda k: k("delete", BUNDLE)),
    "a Deployment is deleted": (MAIN, lambda k: k("delete", MAIN)),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_somebody_changes_or_deletes_is_put_right_within_seconds(
    fleet: Fleet, damage: str
) -> None:
    what, done = DAMAGES[damage]
    before = content(fleet.kubectl, what)

    done(fleet.kubectl)
    began = time.monotonic()
    eventually(lambda: content(fleet.kubectl, what), lambda now: now == before, seconds=5)

    print(f"put right after {time.monotonic() - began:.2f} s")
    whole(fleet)


def content(kubectl: Kubectl, what: str) -> Any:
    """Return what an object says, without what the cluster assigns; None where it is not there."""
    try:
        found = kubectl.get(*what.split("/"))
    except KubectlFailed:
        return None
    spec = found.get("spec", {})
    return found.get("data") or {name: spec[name] for name in spec.keys() - _ASSIGNED}


_ASSIGNED = {"clusterIP", "clusterIPs"}


def test_another_manager_of_the_same_fields_does_not_win(fleet: Fleet) -> None:
    theirs = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "ostiary-main"},
        "spec": {"replicas": 4},
    }  # fmt: skip
    for _ in range(5):
        fleet.kubectl.apply(theirs, options=("--field-manager=other", "--force-conflicts"))

    spec = eventually(
        lambda: fleet.kubectl.get("deployment", "ostiary-main")["spec"],
        lambda spec: spec["replicas"] == 3,
        seconds=5,
    )
    assert spec["replicas"] == 3
    whole(fleet)


def test_an_object_that_is_made_again_at_once_gets_its_own_status(fleet: Fleet) -> None:
    for _ in range(8):
        fleet.kubectl.apply(route(fleet.upstream, name="again"))
        fleet.kubectl("delete", "mcproute/again", "--wait=false")
    fleet.kubectl.apply(route(fleet.upstream, name="again", suspend=True))
    fleet.kubectl("delete", "mcproute/again")
    fleet.kubectl.apply(route(fleet.upstream, name="again"))

    fleet.kubectl.wait_for("mcproute/again")
    fleet.kubectl("delete", "mcproute/again")


def test_a_client_whose_proxy_goes_away_during_a_stream_opens_it_elsewhere(fleet: Fleet) -> None:
    with fleet.doors() as (one, two, three):
        tokens = fleet.log_in(authorize=one, redeem=one)
        known = fleet.session(two, tokens.access)
        with fleet.stream(two, known) as stream:
            ended = threading.Thread(target=stream.read)
            ended.start()
            fleet.kubectl("delete", "pod", fleet.pods()[1], "--wait=false")
            ended.join(30)
            assert not ended.is_alive()
        with fleet.stream(three, known) as stream:
            assert stream.status == 200
    whole(fleet)


def test_an_update_and_the_loss_of_a_pod_under_load_fail_no_request(
    fleet: Fleet, demo_image: str
) -> None:
    with fleet.doors() as (one, *_):
        issued = fleet.log_in(authorize=one, redeem=one).access
    change = '{"spec": {"proxy": {"podTemplate": {"metadata": {"annotations": {"turn": "1"}}}}}}'
    with under_load(fleet, demo_image, issued) as load:
        before = fleet.pods()
        fleet.kubectl("patch", "mcpgateway/main", "--type=merge", "--patch", change)
        eventually(fleet.pods, lambda pods: not set(pods) & set(before), seconds=120)
        whole(fleet)
        fleet.kubectl("delete", "pod", fleet.pods()[0])
        whole(fleet)

    print(f"{load.allowed} calls allowed and {load.refused} refused during the changes")
    assert (load.broken, load.failed, load.wrong) == ([], [], [])
    assert min(load.allowed, load.refused) > 20


def test_proxies_that_are_killed_under_load_break_the_calls_they_had_and_leave_the_rest_as_it_is(
    fleet: Fleet, own_cluster: Layout, demo_image: str
) -> None:
    with fleet.doors() as (one, *_):
        issued = fleet.log_in(authorize=one, redeem=one).access
    with under_load(fleet, demo_image, issued, callers=CALLERS) as load:
        crashed, lost, _ = fleet.pods()
        before = restarts(fleet.kubectl, crashed)
        kill(own_cluster, fleet.kubectl, crashed, "proxy")
        eventually(lambda: restarts(fleet.kubectl, crashed) > before)
        whole(fleet)
        fleet.kubectl("delete", "pod", lost, "--grace-period=0", "--force")
        whole(fleet)

    refused = load.broken.count("ConnectionRefusedError")
    cut = len(load.broken) - refused
    print(f"{load.allowed} calls allowed and {load.refused} refused; {cut} were cut"
          f" ({sorted(set(load.broken))}), {refused} found nobody there")  # fmt: skip
    assert (load.failed, load.wrong) == ([], [])
    assert cut <= 2 * CALLERS
    assert min(load.allowed, load.refused) > 20


def test_without_the_operator_a_proxy_starts_again_with_what_its_volume_holds(
    fleet: Fleet, installed: Kubectl, own_cluster: Layout
) -> None:
    with fleet.doors() as (one, *_):
        issued = fleet.log_in(authorize=one, redeem=one).access
    installed("scale", OPERATOR, "--replicas=0")
    try:
        installed("wait", "pod", "--all", "--for=delete", "--timeout=60s")
        pod = fleet.pods()[0]
        before = restarts(fleet.kubectl, pod)
        kill(own_cluster, fleet.kubectl, pod, "proxy")
        eventually(lambda: restarts(fleet.kubectl, pod) > before)
        fleet.kubectl.wait_for(f"pod/{pod}")

        with fleet.doors() as (one, *_):
            assert fleet.call(one, issued, tool="list_files").status == 200
            refused = fleet.call(one, issued, tool="write_file").json()
            assert "or not permitted" in refused["error"]["message"]
        assert unconfirmed(fleet.kubectl, pod) == "1.0"
    finally:
        installed("scale", OPERATOR, "--replicas=2")
        installed.wait_for(OPERATOR, "condition=Available")
    eventually(lambda: unconfirmed(fleet.kubectl, pod), lambda said: said == "0.0")


def restarts(kubectl: Kubectl, pod: str) -> int:
    statuses = kubectl.get("pod", pod)["status"]["containerStatuses"]
    return sum(int(status["restartCount"]) for status in statuses if status["name"] == "proxy")


def unconfirmed(kubectl: Kubectl, pod: str) -> str:
    """Return whether a proxy says that nobody confirms what it serves."""
    with kubectl.port_forward(f"pod/{pod}", 8081) as port:
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    (line,) = (line for line in lines if line.startswith("ostiary_config_unconfirmed "))
    return str(line.split()[1])


def test_a_namespace_goes_with_all_that_is_in_it(
    kubectl: Kubectl, fleet: Fleet, installed: Kubectl, file_server: str
) -> None:
    Fleet.roll_out(kubectl, file_server, ALL)

    kubectl("delete", "namespace", kubectl.namespace, "--timeout=80s")

    said = installed("logs", "--selector=app.kubernetes.io/name=ostiary-operator", "--since=80s")
    assert "Traceback" not in said
    fleet.kubectl.wait_for("mcpgateway/main")


def test_a_quota_that_refuses_pods_is_told_in_the_gateways_status(
    kubectl: Kubectl, installed: Kubectl, file_server: str
) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
    kubectl.apply({**quota, "spec": {"hard": {"pods": "1"}}})
    eventually(lambda: kubectl.get("resourcequota", "small").get("status", {}).get("used"))

    kubectl.apply(gateway(18080))
    kubectl.wait_for(
        "mcpgateway/main",
        "jsonpath={.status.conditions[?(@.type=='Available')].reason}=RolloutBlocked",
    )
    told = [
        c for c in kubectl.get("mcpgateway", "main")["status"]["conditions"] if c["type"] == "Ready"
    ]
    assert told[0]["status"] == "False"
    assert "exceeded quota: small" in told[0]["message"]

    kubectl("delete", "resourcequota/small")
    kubectl.wait_for("mcpgateway/main", seconds=80)


def test_a_bundle_of_more_than_a_mebibyte_is_served(
    kubectl: Kubectl, installed: Kubectl, file_server: str
) -> None:
    fleet = Fleet.roll_out(kubectl, file_server, ALL)
    names = [f"more-{number}" for number in range(30)]
    for name in names:
        denied = [deny_at_random(f"deny-{number}") for number in range(8)]
        kubectl.apply(route(file_server, name=name), policy(READ, *denied, name=name, target=name))

    objects = [f"{kind}/{name}" for kind in ("mcproute", "mcppolicy") for name in names]
    kubectl("wait", *objects, "--for=condition=Ready", "--timeout=80s")
    sizes = [
        sum(len(value) * 3 // 4 for value in secret["data"].values())
        for secret in kubectl.get("secrets")
        if "-bundle-v1-" in secret["metadata"]["name"]
    ]
    print(f"the bundle's Secrets hold {sizes} bytes")
    assert sum(sizes) > 1 << 20
    with fleet.doors() as (door,):
        issued = fleet.log_in(authorize=door, redeem=door).access
        assert fleet.call(door, issued, tool="list_files").status == 200


def deny_at_random(name: str) -> dict[str, Any]:
    """Return a rule of 6 kB that no compression makes smaller."""
    tools = [secrets.token_hex(100) for _ in range(60)]
    return {**ALL, "name": name, "effect": "Deny", "match": {"tools": tools}}


def test_kinds_that_are_deleted_and_made_again_close_and_open_again(
    fleet: Fleet, installed: Kubectl
) -> None:
    with fleet.doors() as (one, *_):
        issued = fleet.log_in(authorize=one, redeem=one).access
        fleet.kubectl("delete", "crd", "mcppolicies.ostiary.dev")
        eventually(lambda: "error" in fleet.call(one, issued, tool="list_files").json())

        fleet.kubectl.apply(*(path.read_text() for path in (ROOT / "crds").glob("*.yaml")))
        fleet.kubectl.wait_for("crd/mcppolicies.ostiary.dev", "condition=Established")
        fleet.kubectl.apply(policy(READ))
        fleet.kubectl.wait_for("mcppolicy/rules")
        assert "error" not in fleet.call(one, issued, tool="list_files").json()
    installed.wait_for(OPERATOR, "condition=Available")
