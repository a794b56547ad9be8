"""What kubectl, Argo CD, Flux and kstatus say of real objects at each moment of their life."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.gateways import ALL, Fleet, gateway, policy, route
from e2e.kubectl import Kubectl, KubectlFailed, eventually, new_namespace
from e2e.pods import serve_files
from readers_parts import Verdicts, verdicts_on

HEALTHY = Verdicts("Healthy", "Current", "Current")
ON_ITS_WAY = Verdicts("Progressing", "InProgress", "InProgress")
STUCK = Verdicts("Degraded", "Failed", "Failed")
DEGRADED = Verdicts("Degraded", "Failed", "InProgress")
SUSPENDED = Verdicts("Suspended", "Current", "InProgress")
BROKEN = {**ALL, "condition": "args.path.startsWith("}


@pytest.fixture(scope="module")
def fleet(installed: Kubectl, demo_image: str) -> Iterator[Fleet]:
    with new_namespace() as kubectl:
        yield Fleet.roll_out(kubectl, serve_files(kubectl, demo_image), ALL)


def applied(kubectl: Kubectl, item: dict[str, Any]) -> dict[str, Any]:
    """Apply an object, and return it as it stood that moment."""
    stood: dict[str, Any] = json.loads(kubectl.apply(item, options=("-o", "json")))
    return stood


def store_unseen(kubectl: Kubectl, item: dict[str, Any]) -> None:
    """Apply an object that the webhook would refuse, before the operator brings it back."""
    name = "validatingwebhookconfiguration/ostiary-operator"

    def stored() -> bool:
        kubectl("patch", name, "--type=merge", "--patch", '{"webhooks": []}')
        try:
            kubectl.apply(item)
        except KubectlFailed:
            return False
        return True

    eventually(stored)


def verdict(kubectl: Kubectl, what: str) -> Verdicts:
    (said,) = verdicts_on([kubectl.get(*what.split("/"))])
    return said


def becomes(kubectl: Kubectl, what: str, wanted: Verdicts) -> None:
    """Wait until every reader says so."""
    eventually(lambda: verdict(kubectl, what), lambda said: said == wanted)


def condition(kubectl: Kubectl, what: str, name: str = "Ready") -> tuple[str, str]:
    """Return status and reason of a condition, empty before anybody has said it."""
    conditions = kubectl.get(*what.split("/"))["status"].get("conditions", ())
    said = ((each["status"], each["reason"]) for each in conditions if each["type"] == name)
    return next(said, ("", ""))


@pytest.mark.usefixtures("installed")
def test_a_rollout_is_on_its_way_until_it_is_ready(kubectl: Kubectl, file_server: str) -> None:
    items = [gateway(18080), route(file_server), policy(ALL)]
    first = [applied(kubectl, item) for item in items]
    assert verdicts_on(first) == [ON_ITS_WAY] * 3
    assert verdict(kubectl, "mcpgateway/main") == ON_ITS_WAY

    for what in ("mcpgateway/main", "mcproute/files", "mcppolicy/rules"):
        kubectl.wait_for(what)
        assert verdict(kubectl, what) == HEALTHY


def test_an_edit_is_on_its_way_until_it_is_served(fleet: Fleet) -> None:
    edited = applied(fleet.kubectl, policy(ALL, {**ALL, "name": "more"}))

    assert verdicts_on([edited]) == [ON_ITS_WAY]
    fleet.kubectl.wait_for("mcppolicy/rules")
    assert verdict(fleet.kubectl, "mcppolicy/rules") == HEALTHY


def test_a_spec_that_only_a_person_can_mend_is_stuck_and_what_runs_goes_on(fleet: Fleet) -> None:
    bad = {"podTemplate": {"spec": {"hostNetwork": True}}}
    before = fleet.pods()

    store_unseen(fleet.kubectl, gateway(fleet.port, proxy=bad))
    becomes(fleet.kubectl, "mcpgateway/main", STUCK)
    said = fleet.kubectl.get("mcpgateway", "main")["status"]["lastError"]

    assert said["field"] == "spec.proxy.podTemplate.spec.hostNetwork"
    assert fleet.pods() == before
    fleet.kubectl.apply(gateway(fleet.port))
    becomes(fleet.kubectl, "mcpgateway/main", HEALTHY)


def test_a_bad_policy_closes_its_own_route_and_no_other(fleet: Fleet) -> None:
    kubectl = fleet.kubectl
    kubectl.apply(route(fleet.upstream, name="closed"), policy(ALL, name="good", target="closed"))
    becomes(kubectl, "mcproute/closed", HEALTHY)

    store_unseen(kubectl, policy(BROKEN, name="bad", target="closed"))

    becomes(kubectl, "mcppolicy/bad", STUCK)
    becomes(kubectl, "mcproute/closed", DEGRADED)
    assert condition(kubectl, "mcproute/closed") == ("False", "PolicyInvalid")
    assert verdict(kubectl, "mcproute/files") == HEALTHY
    with fleet.doors() as (door,):
        issued = fleet.log_in(authorize=door, redeem=door).access
        assert "error" not in fleet.call(door, issued, tool="list_files").json()
    kubectl("delete", "mcppolicy/bad")
    becomes(kubectl, "mcproute/closed", HEALTHY)


def test_a_bad_policy_that_only_audits_closes_nothing(fleet: Fleet) -> None:
    store_unseen(fleet.kubectl, policy(BROKEN, name="audits", mode="Audit"))

    becomes(fleet.kubectl, "mcppolicy/audits", STUCK)
    assert verdict(fleet.kubectl, "mcproute/files") == HEALTHY
    fleet.kubectl("delete", "mcppolicy/audits")


def test_a_route_waits_for_its_secret_and_is_ready_when_it_comes(fleet: Fleet) -> None:
    header = {"name": "X-Key", "valueRef": {"name": "later", "key": "k"}}
    auth = {"upstreamAuth": {"type": "Header", "header": header}}
    fleet.kubectl.apply(route(fleet.upstream, name="waits", mcp=auth))
    eventually(
        lambda: condition(fleet.kubectl, "mcproute/waits", "ResolvedRefs"),
        lambda said: said == ("False", "SecretNotFound"),
    )
    assert verdict(fleet.kubectl, "mcproute/waits") == ON_ITS_WAY

    fleet.kubectl("create", "secret", "generic", "later", "--from-literal=k=v")

    fleet.kubectl.wait_for("mcproute/waits")
    assert verdict(fleet.kubectl, "mcproute/waits") == HEALTHY


def test_a_suspended_route_says_so_and_resumes(fleet: Fleet) -> None:
    fleet.kubectl.apply(route(fleet.upstream, suspend=True))
    becomes(fleet.kubectl, "mcproute/files", SUSPENDED)

    fleet.kubectl.apply(route(fleet.upstream))
    becomes(fleet.kubectl, "mcproute/files", HEALTHY)


def test_a_paused_gateway_is_left_alone_until_it_is_resumed(fleet: Fleet) -> None:
    kubectl = fleet.kubectl
    kubectl("annotate", "mcpgateway/main", "ostiary.dev/reconcile=disabled")
    eventually(lambda: condition(kubectl, "mcpgateway/main"), lambda said: said[1] == "Suspended")
    kubectl("delete", "service/ostiary-main")
    kubectl.apply(route(fleet.upstream, name="meanwhile"))
    eventually(lambda: condition(kubectl, "mcproute/meanwhile")[0] != "True")

    assert "ostiary-main" not in {item["metadata"]["name"] for item in kubectl.get("services")}

    kubectl("annotate", "mcpgateway/main", "ostiary.dev/reconcile-")
    kubectl.wait_for("mcproute/meanwhile")
    kubectl.wait_for("service/ostiary-main", "jsonpath={.spec.type}=ClusterIP", seconds=10)
    kubectl("delete", "mcproute/meanwhile")


def test_a_route_that_is_deleted_is_gone_at_once(fleet: Fleet) -> None:
    fleet.kubectl.apply(route(fleet.upstream, name="goes"), policy(ALL, name="goes", target="goes"))
    fleet.kubectl.wait_for("mcproute/goes")
    gone = fleet.url.replace("/files", "/goes")
    with fleet.doors() as (door,):
        fleet.kubectl("delete", "mcproute/goes")
        status = eventually(
            lambda: door.send(gone.removeprefix(door.origin)).status, lambda s: s == 404
        )
    assert status == 404
