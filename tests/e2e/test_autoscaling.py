"""A count that is handed to an autoscaler and taken back, on a real API server."""

import os
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.gateways import READ, Fleet, three_on_redis
from e2e.kubectl import Kubectl, eventually
from ostiary_operator.api import Object
from ostiary_operator.handover import HEIR
from ostiary_operator.kinds import KINDS
from stage_parts import GATEWAY, Recording, Stage

pytestmark = [pytest.mark.usefixtures("kinds"), pytest.mark.timeout(300)]
MAIN = "ostiary-main"
SCALED = {"autoscaling": {"minReplicas": 2, "maxReplicas": 6}}
OPERATOR = "ostiary-operator"
CONTROLLER = "kube-controller-manager"
"""The field manager of autoscalers."""


@pytest.fixture
async def stage(namespace: str) -> AsyncIterator[Stage]:
    """A gateway of three proxies on Redis, carried out."""
    api = await Recording.connect(Path(os.environ["KUBECONFIG"]))
    assert isinstance(api, Recording)
    api.writes = []
    stage = Stage(api, namespace)
    redis = {"apiVersion": "v1", "kind": "Secret", "stringData": {"url": "redis://r:6379"}}
    await api.create({**redis, "metadata": {"name": "r", "namespace": namespace}})
    await stage.put("MCPGateway", "main", on_redis(replicas=3))
    await stage.settle()
    yield stage
    await stage.hands.close()
    await api.close()


def on_redis(**proxy: Any) -> Mapping[str, Any]:
    storage = {"type": "Redis", "urlSecretRef": {"name": "r", "key": "url"}}
    return {**GATEWAY, "storage": storage, "audit": {"sinks": ["Stdout"]}, "proxy": proxy}


@contextmanager
def counts_of(namespace: str) -> Iterator[list[int]]:
    """Yield every count that the Deployment ever has, as it comes to have them."""
    template = r'jsonpath={.spec.replicas}{"\n"}'
    command = ["kubectl", f"--namespace={namespace}", "get", "deployment", MAIN, "--watch", "-o"]
    counts: list[int] = []
    with subprocess.Popen([*command, template], stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        counts.append(int(watch.stdout.readline()))

        def read(lines: Iterator[str]) -> None:
            for line in lines:
                if int(line) != counts[-1]:
                    counts.append(int(line))

        reader = threading.Thread(target=read, args=(watch.stdout,))
        reader.start()
        try:
            yield counts
        finally:
            watch.terminate()
            reader.join(10)
    print(f"counts of the Deployment: {counts}")


def managers(deployment: Object) -> set[str]:
    """Return who manages the count."""
    return {
        entry["manager"]
        for entry in deployment["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }


async def test_a_count_is_handed_over_as_it_is_and_taken_back(stage: Stage) -> None:
    with counts_of(stage.namespace) as counts:
        await stage.put("MCPGateway", "main", on_redis(replicas=3, **SCALED))
        await stage.settle()
        handed = await stage.get("Deployment", MAIN)
        autoscaler = await stage.get("HorizontalPodAutoscaler", MAIN)

        await stage.put("MCPGateway", "main", on_redis(replicas=3))
        await stage.settle()
        taken = await stage.get("Deployment", MAIN)

    assert counts == [3]
    assert managers(handed) == {HEIR}
    assert (autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]) == (2, 6)
    assert OPERATOR in managers(taken)
    kinds = {child.kind for child in (await stage.look()).children.values()}
    assert "HorizontalPodAutoscaler" not in kinds


async def test_a_count_that_somebody_sets_while_it_is_handed_over_stays(stage: Stage) -> None:
    async def scale() -> None:
        await stage.merge("Deployment", MAIN, {"spec": {"replicas": 5}})

    await stage.put("MCPGateway", "main", on_redis(replicas=3, **SCALED))
    with counts_of(stage.namespace) as counts:
        await stage.turn(between=scale)
        await stage.settle()

    assert (counts, (await stage.get("Deployment", MAIN))["spec"]["replicas"]) == ([3, 5], 5)


async def test_the_count_of_a_deployment_that_lost_its_labels_is_handed_over_too(
    stage: Stage,
) -> None:
    gone = dict.fromkeys(("app.kubernetes.io/managed-by", "ostiary.dev/gateway-uid"))
    await stage.merge("Deployment", MAIN, {"metadata": {"labels": gone}})
    await stage.put("MCPGateway", "main", on_redis(replicas=3, **SCALED))

    with counts_of(stage.namespace) as counts:
        await stage.settle()

    assert counts == [3]


async def test_what_an_autoscaler_measures_writes_nothing_and_what_somebody_edits_is_put_right(
    stage: Stage,
) -> None:
    await stage.put("MCPGateway", "main", on_redis(**SCALED))
    await stage.settle()
    measured = {"status": {"currentReplicas": 3, "desiredReplicas": 3, "conditions": []}}
    path = KINDS["HorizontalPodAutoscaler"].path(stage.namespace, MAIN, "status")
    merge = "application/merge-patch+json"
    await stage.api._write("PATCH", path, measured, query={}, content=merge)
    await stage.turn()
    after_status = list(stage.api.writes)

    await stage.merge("HorizontalPodAutoscaler", MAIN, {"spec": {"maxReplicas": 99}})
    await stage.turn()

    assert after_status == []
    assert stage.api.writes == [f"PATCH horizontalpodautoscalers/{MAIN}"]
    assert (await stage.get("HorizontalPodAutoscaler", MAIN))["spec"]["maxReplicas"] == 6


@pytest.fixture
def fleet(installed: Kubectl, demo_image: str, redis_image: str) -> Iterator[Fleet]:
    with three_on_redis(demo_image, redis_image, READ) as fleet:
        yield fleet


def configure(fleet: Fleet, proxy: str) -> None:
    change = f'{{"spec": {{"proxy": {proxy}}}}}'
    fleet.kubectl("patch", "mcpgateway/main", "--type=merge", "--patch", change)


def test_an_autoscaler_goes_on_from_the_count_that_stands(fleet: Fleet) -> None:
    kubectl = fleet.kubectl
    autoscaler = f"horizontalpodautoscaler/{MAIN}"
    with counts_of(kubectl.namespace) as counts:
        configure(fleet, '{"autoscaling": {"minReplicas": 2, "maxReplicas": 6}}')
        kubectl.wait_for(autoscaler, "condition=AbleToScale")
        kept = list(counts)
        configure(fleet, '{"autoscaling": {"minReplicas": 4, "maxReplicas": 6}}')
        eventually(lambda: counts[-1], lambda count: count == 4, seconds=60)
        scaled = managers(kubectl.get("deployment", MAIN, "--show-managed-fields"))
        fleet.kubectl.wait_for("mcpgateway/main", "jsonpath={.status.replicas.ready}=4")

        configure(fleet, '{"autoscaling": null}')
        kubectl("wait", autoscaler, "--for=delete", "--timeout=30s")
        eventually(lambda: counts[-1], lambda count: count == 3)
        taken = managers(kubectl.get("deployment", MAIN, "--show-managed-fields"))
        kubectl.wait_for("mcpgateway/main")

    assert (kept, counts) == ([3], [3, 4, 3])
    assert scaled == {CONTROLLER}
    assert taken == {OPERATOR}
