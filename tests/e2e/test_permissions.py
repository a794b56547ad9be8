"""What the operator asks the API server for, by the server's own audit log: all that it may."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e.cluster.layout import Layout
from e2e.gateways import ALL, Fleet, gateway, redis
from e2e.grants import GRANTS_CRD
from e2e.kubectl import Kubectl, eventually
from ostiary_cli.permissions import CLUSTER_ONLY, OWN_NAMESPACE, WORKING, Permission
from ostiary_operator.api import Api
from ostiary_operator.kinds import KINDS

OPERATOR = "system:serviceaccount:ostiary-system:ostiary-operator"
READS = {"get", "list", "watch"}
pytestmark = pytest.mark.timeout(300)
QUIET = timedelta(seconds=30)
Use = tuple[str, str, str]
"""API group, resource and verb."""


def asked(layout: Layout, user: str = OPERATOR) -> Iterator[dict[str, Any]]:
    """Yield what somebody has asked for, oldest first."""
    lines = layout.audit.read_text().splitlines()
    for event in map(json.loads, (line for line in lines if user in line)):
        if event["user"]["username"] == user and "objectRef" in event:
            yield event


def received(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["requestReceivedTimestamp"])


def use(event: dict[str, Any]) -> Use:
    ref = event["objectRef"]
    resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
    return ref.get("apiGroup", ""), resource, event["verb"]


def uses(events: Iterator[dict[str, Any]]) -> set[Use]:
    """Return what was used; an apply that makes an object needs `create` too."""
    used = set()
    for event in events:
        group, resource, verb = use(event)
        used.add((group, resource, verb))
        if verb == "patch" and event["responseStatus"]["code"] == 201:
            used.add((group, resource, "create"))
    return used


def granted(*permissions: Permission) -> set[Use]:
    return {
        (permission.group, resource, verb)
        for permission in permissions
        for resource in permission.resources
        for verb in permission.verbs
    }


def test_nothing_is_written_but_the_lease_while_nothing_changes(
    kubectl: Kubectl, installed: Kubectl, own_cluster: Layout, file_server: str
) -> None:
    Fleet.roll_out(kubectl, file_server, ALL)

    eventually(
        lambda: datetime.now(UTC) - last_write(own_cluster, kubectl.namespace),
        lambda silence: silence > QUIET,
        seconds=2 * QUIET.seconds,
    )


def last_write(layout: Layout, namespace: str) -> datetime:
    """Return when something in a namespace, or in none, was written last."""
    written = [
        received(event)
        for event in asked(layout)
        if event["verb"] not in READS
        and event["objectRef"]["resource"] != "leases"
        and event["objectRef"].get("namespace") in (None, namespace)
    ]
    return max(written)


@pytest.fixture
def with_grants(kubectl: Kubectl) -> Iterator[None]:
    """The kind ReferenceGrant, known to the cluster."""
    kubectl.apply(GRANTS_CRD)
    yield
    kubectl("delete", "crd", GRANTS_CRD["metadata"]["name"])


@pytest.fixture
def on_redis(kubectl: Kubectl, file_server: str, redis_image: str) -> tuple[str, dict[str, Any]]:
    """An MCP server's URL, and the spec of three proxies on Redis, counted by an autoscaler."""
    spec = redis(kubectl, redis_image)
    spec["proxy"]["autoscaling"] = {"minReplicas": 3, "maxReplicas": 3}
    return file_server, spec


@pytest.mark.usefixtures("with_grants")
async def test_each_permission_is_used_and_none_is_missing(
    kubectl: Kubectl,
    installed: Kubectl,
    own_cluster: Layout,
    on_redis: tuple[str, dict[str, Any]],
    api: Api,
) -> None:
    make_default_gateway(installed, kubectl)
    began = datetime.now(UTC)
    upstream, spec = on_redis
    await asyncio.to_thread(Fleet.roll_out, kubectl, upstream, ALL, **spec)
    make_strays(kubectl)

    wanted, used = granted(*WORKING, *CLUSTER_ONLY, *OWN_NAMESPACE), set[Use]()
    async with asyncio.timeout(60):
        while not wanted <= used:
            await change_while_it_writes(api, kubectl.namespace)
            used = await asyncio.to_thread(lambda: uses(asked(own_cluster)))

    # An API server that starts, or roles that are being deleted, refuse too: in other tests.
    events = (event for event in asked(own_cluster) if received(event) > began)
    refused = [use(event) for event in events if event["responseStatus"]["code"] == 403]
    assert (sorted(used - wanted), refused) == ([], [])


def make_default_gateway(installed: Kubectl, kubectl: Kubectl) -> None:
    """Have the operator make its default gateway, which keeps its state on a volume."""
    wanted = gateway(18080, name="first")
    wanted["metadata"]["namespace"] = kubectl.namespace
    given = f"--from-literal=gateway.yaml={json.dumps(wanted)}"
    installed("create", "configmap", "ostiary-default-gateway", given)
    installed("rollout", "restart", "deployment/ostiary-operator")
    kubectl.wait_for("persistentvolumeclaim/ostiary-first-state", "jsonpath={.status.phase}=Bound")


def make_strays(kubectl: Kubectl) -> None:
    """Make objects that say to be the gateway's and were not planned; wait until they are gone."""
    labels = kubectl.get("service", "ostiary-main")["metadata"]["labels"]
    meta = {"name": "stray", "labels": labels}
    selector = {"matchLabels": {"app": "stray"}}
    image = {"name": "stray", "image": "example.com/stray:1"}
    pods = {"metadata": {"labels": {"app": "stray"}}, "spec": {"containers": [image]}}
    specs: dict[tuple[str, str], dict[str, Any]] = {
        ("v1", "Secret"): {},
        ("v1", "Service"): {"spec": {"ports": [{"port": 80}]}},
        ("apps/v1", "Deployment"): {
            "spec": {"replicas": 0, "selector": selector, "template": pods}
        },
        ("policy/v1", "PodDisruptionBudget"): {"spec": {"selector": selector}},
        ("autoscaling/v2", "HorizontalPodAutoscaler"): {
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"},
                "maxReplicas": 1,
            }
        },
    }
    for (api, kind), spec in specs.items():
        kubectl.apply({"apiVersion": api, "kind": kind, "metadata": meta, **spec})
        kubectl("wait", f"{kind}/stray", "--for=delete", "--timeout=30s")


async def change_while_it_writes(api: Api, namespace: str) -> None:
    """Change each object faster than its status can be written."""
    for number in range(60):
        specs = {
            ("MCPGateway", "main"): {"tokens": {"accessTtl": f"{10 + number % 9}m"}},
            ("MCPRoute", "files"): {"name": f"number {number}"},
            ("MCPPolicy", "rules"): {"rules": [{**ALL, "message": f"number {number}"}]},
        }
        await asyncio.gather(
            *(
                api.merge(KINDS[kind], namespace, name, {"spec": spec})
                for (kind, name), spec in specs.items()
            )
        )
