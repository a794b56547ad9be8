"""What the operator reads of objects, and what of their changes it passes over."""

import copy
from typing import Any

import pytest

from operator_parts import body, gateway, policy, route
from ostiary.translate.world import Rollout
from ostiary_operator.facts import (
    child_fact,
    namespace_fact,
    our_fact,
    pod_fact,
    rollout_fact,
)
from ostiary_operator.seen import Pod


def changed(found: dict[str, Any], **meta: Any) -> dict[str, Any]:
    copied = copy.deepcopy(found)
    copied["metadata"].update(meta)
    return copied


def test_a_status_a_version_and_managed_fields_change_no_fact() -> None:
    before = policy()
    after = changed(policy(), resourceVersion="9", managedFields=[{"manager": "us"}])
    after["status"] = {"observedGeneration": 1}

    first, second = our_fact(before), our_fact(after)

    assert first == second
    assert second is not None
    assert second.status == {"observedGeneration": 1}


@pytest.mark.parametrize(
    "meta",
    [
        {"generation": 2},
        {"uid": "other"},
        {"labels": {"tier": "gold"}},
        {"annotations": {"ostiary.dev/reconcile": "disabled"}},
    ],
)
def test_what_a_plan_looks_at_changes_the_fact(meta: dict[str, Any]) -> None:
    assert our_fact(changed(gateway(), **meta)) != our_fact(gateway())


def test_an_annotation_of_somebody_else_changes_no_fact() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}

    assert our_fact(changed(route(), annotations=annotations)) == our_fact(route())


def test_the_annotation_reconcile_disabled_pauses() -> None:
    found = our_fact(changed(gateway(), annotations={"ostiary.dev/reconcile": "disabled"}))

    assert found is not None
    assert found.paused


def test_an_object_that_is_being_deleted_has_gone() -> None:
    assert our_fact(changed(policy(), deletionTimestamp="2026-01-01T00:00:00Z")) is None


def test_every_secret_that_is_referred_to_is_found() -> None:
    oauth2 = {
        "clientIdRef": {"name": "app", "key": "id"},
        "clientSecretRef": {"name": "app-secret", "key": "secret"},
        "provider": "GitHub",
    }
    found = our_fact(route(spec={"mcp": {"upstreamOAuth2": oauth2}}))

    assert found is not None
    assert found.secrets == {"app", "app-secret"}


def test_an_object_that_no_model_reads_refers_to_nothing() -> None:
    found = our_fact(route(spec={"mcp": {"upstreamAuth": {"type": "Magic"}}}))

    assert found is not None
    assert found.secrets == frozenset()


def test_a_namespace_tells_its_labels_and_whether_it_goes_away() -> None:
    found = namespace_fact(
        body("v1", "Namespace", "team", namespace="", deletionTimestamp="now", labels={"a": "b"})
    )

    assert (found.name, found.labels, found.terminating) == ("team", {"a": "b"}, True)


def pod(status: dict[str, Any], **meta: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": "gw"}
    return {**body("v1", "Pod", "gw-1", labels=labels, **meta), "status": status}


def test_a_ready_pod_has_its_gateway_and_address() -> None:
    ready: dict[str, Any] = {"phase": "Running", "podIP": "10.1.2.3"}
    ready |= {"conditions": [{"type": "Ready", "status": "True"}]}

    assert pod_fact(pod(ready)) == Pod(
        namespace="team",
        name="gw-1",
        uid="uid-gw-1",
        gateway="team/gw",
        address="10.1.2.3",
        ready=True,
        terminating=False,
    )


def test_a_pod_reads_the_schema_of_the_bundle_that_it_mounts() -> None:
    names = ("ostiary-other-bundle-v7-00", "ostiary-gw-bundle-v3-00", "ostiary-gw-bundle-v3-01")
    sources = [{"secret": {"name": name, "optional": True}} for name in names]
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "b", "projected": {"sources": sources}}]

    found = pod_fact({**pod({}), "spec": {"volumes": volumes}})

    assert found is not None
    assert found.schema == 3


def test_an_evicted_pod_does_not_count() -> None:
    assert pod_fact(pod({"phase": "Failed", "reason": "Evicted"})) is None


def waiting(reason: str, message: str = "", **last: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [{"name": "proxy", "state": state, "lastState": last}]}


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (waiting("ContainerCreating"), ""),
        (waiting("ErrImagePull", "no x"), "the container proxy waits: ErrImagePull: no x"),
        (
            waiting("CrashLoopBackOff", "40s", terminated={"exitCode": 2, "reason": "Error"}),
            "the container proxy ends again and again (exit code 2, Error); read its log",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node"}]},
            "a pod can't be scheduled: no node",
        ),
    ],
)
def test_a_pod_says_what_keeps_it_from_running(status: dict[str, Any], trouble: str) -> None:
    found = pod_fact(pod(status))

    assert found is not None
    assert found.trouble == trouble


def deployment(status: dict[str, Any], generation: int = 1) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": "gw"}
    head = body("apps/v1", "Deployment", "ostiary-gw", labels=labels, generation=generation)
    return {**head, "spec": {"replicas": 3}, "status": status}


def test_a_rollout_tells_its_counts() -> None:
    status = {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": 3}

    found = rollout_fact(deployment(status))

    assert found.gateway == "team/gw"
    assert found.rollout == Rollout(replicas=3, updated=2, ready=3)


def test_nothing_is_updated_before_the_controller_has_looked() -> None:
    status = {"observedGeneration": 1, "updatedReplicas": 3, "readyReplicas": 3}

    assert rollout_fact(deployment(status, generation=2)).rollout == Rollout(
        replicas=3, updated=0, ready=3
    )


@pytest.mark.parametrize(
    "condition",
    [
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
        {"type": "Progressing", "status": "False", "message": "exceeded quota"},
    ],
)
def test_a_rollout_says_what_holds_it_up(condition: dict[str, Any]) -> None:
    found = rollout_fact(deployment({"conditions": [condition]}))

    assert found.rollout.message == "exceeded quota"


def test_a_child_moves_with_its_generation_and_not_with_its_status() -> None:
    def child(version: int, generation: int = 1) -> object:
        head = body("apps/v1", "Deployment", "x", version=version, generation=generation)
        return child_fact(head, "apps/v1", "Deployment")

    assert child(2) == child(1)
    assert child(2, generation=2) != child(1)


def test_an_autoscaler_that_measured_a_load_does_not_move() -> None:
    def child(version: int, most: str, *measured: str) -> object:
        ours = {"manager": "ostiary-operator", "operation": "Apply", "fieldsV1": {"f:spec": most}}
        theirs = [{"manager": "k", "subresource": "status", "time": time} for time in measured]
        head = body(
            "autoscaling/v2", "HorizontalPodAutoscaler", "x",
            version=version, managedFields=[ours, *theirs],
        )  # fmt: skip
        return child_fact(head, "autoscaling/v2", "HorizontalPodAutoscaler")

    assert child(3, "a", "12:00:15") == child(2, "a", "12:00:00") == child(1, "a")
    assert child(2, "b") != child(1, "a")


def test_a_child_without_generations_moves_with_its_version() -> None:
    def child(version: int) -> object:
        return child_fact(body("v1", "Secret", "x", version=version), "v1", "Secret")

    assert child(2) != child(1)
