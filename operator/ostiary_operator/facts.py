"""What is read of each kind of object: a raw body in, a fact out.

A change that leaves the fact equal dirties nothing: of a status, of managed fields.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pydantic

from ostiary.config.document import SCHEMA
from ostiary.decode.fault import Faulty
from ostiary.decode.yaml_documents import Plain
from ostiary.resources.inputs import ReferenceGrantInput, ServiceInput
from ostiary.resources.manifest import Manifest, read_input, read_manifest, read_resource
from ostiary.resources.meta import SecretKeyRef, SecretRef
from ostiary.translate.digest import digest_of
from ostiary.translate.names import DIGEST, GATEWAY_UID, Names, is_paused
from ostiary.translate.world import Rollout, ServiceFacts
from ostiary_operator.seen import Child, Pod

__all__ = [
    "ChildFact", "NamespaceFact", "Ours", "RolloutFact", "child_fact", "grant_fact",
    "namespace_fact", "our_fact", "pod_fact", "rollout_fact", "service_fact", "spec_mark",
]  # fmt: skip

_READ: Final = ("name", "namespace", "uid", "generation", "creationTimestamp", "labels")
_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
_TELLS_OFTEN: Final = "HorizontalPodAutoscaler"
"""Counts no generation, and its status moves its resourceVersion whenever a load was measured."""
_ENDED: Final = frozenset({"Failed", "Succeeded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """An object of one of the three kinds.

    `secrets` are the names of Secrets, in its own namespace, that it refers to.
    """

    manifest: Manifest
    paused: bool
    secrets: frozenset[str]
    status: Mapping[str, Plain] = field(compare=False)
    version: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceFact:
    """A namespace: its labels, and whether it is going away with everything in it."""

    name: str
    labels: Mapping[str, str]
    terminating: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildFact:
    """A child, and what moves when somebody changes more of it than its status."""

    child: Child = field(compare=False)
    mark: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFact:
    """How the Deployment of the gateway of this key is doing."""

    gateway: str
    rollout: Rollout


def our_fact(body: Mapping[str, Any]) -> Ours | None:
    """Return what is read of an MCPGateway, MCPRoute or MCPPolicy.

    One that is being deleted has gone: whoever holds a finalizer on it must not keep it in force,
    and its children, which are being collected, must not be made again. Raises Faulty.
    """
    meta = body["metadata"]
    if "deletionTimestamp" in meta:
        return None
    annotations = {
        name: value
        for name, value in meta.get("annotations", {}).items()
        if name.startswith("ostiary.dev/")
    }
    # The version is the digest of what is read here, for a resourceVersion moves with statuses.
    head = {name: meta[name] for name in _READ if name in meta}
    manifest = read_manifest(
        {
            "apiVersion": body["apiVersion"],
            "kind": body["kind"],
            "metadata": {**head, "annotations": annotations},
            "spec": body.get("spec"),
        }
    )
    return Ours(
        manifest=manifest,
        paused=is_paused(annotations),
        secrets=_named_secrets(manifest),
        status=body.get("status", {}),
        version=meta["resourceVersion"],
    )


def _named_secrets(manifest: Manifest) -> frozenset[str]:
    try:
        return frozenset(_names(read_resource(manifest)))
    except Faulty:
        return frozenset()


def _names(value: object) -> Iterator[str]:
    if isinstance(value, SecretKeyRef | SecretRef):
        yield value.name
    elif isinstance(value, pydantic.BaseModel):
        for name in type(value).model_fields:
            yield from _names(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _names(item)


def namespace_fact(body: Mapping[str, Any]) -> NamespaceFact:
    """Return what is read of a Namespace."""
    meta = body["metadata"]
    return NamespaceFact(
        name=meta["name"],
        labels=meta.get("labels", {}),
        terminating="deletionTimestamp" in meta,
    )


def service_fact(body: Mapping[str, Any]) -> ServiceFacts:
    """Return what is read of a Service; raises Faulty."""
    found = read_input(dict(body))
    assert isinstance(found, ServiceInput)
    return ServiceFacts.of(found)


def grant_fact(body: Mapping[str, Any]) -> ReferenceGrantInput:
    """Return what is read of a ReferenceGrant; raises Faulty."""
    meta = body["metadata"]
    bare = {"name": meta["name"], "namespace": meta["namespace"]}
    found = read_input({**body, "metadata": bare})
    assert isinstance(found, ReferenceGrantInput)
    return found


def child_fact(body: Mapping[str, Any], api_version: str, kind: str) -> ChildFact:
    """Return what is read of an object of ours; `body` may be no more than its metadata."""
    meta = body["metadata"]
    child = Child(
        api_version=api_version,
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        mark=spec_mark(kind, meta),
        gateway_uid=meta.get("labels", {}).get(GATEWAY_UID, ""),
        digest=meta.get("annotations", {}).get(DIGEST, ""),
    )
    return ChildFact(child=child, mark=(child.uid, child.mark, child.gateway_uid, child.digest))


def spec_mark(kind: str, meta: Mapping[str, Any]) -> str:
    """Return what moves with each change of an object that is not of its status.

    Where nothing counts such changes, every change moves it.
    """
    if generation := meta.get("generation"):
        return f"generation {generation}"
    if kind != _TELLS_OFTEN:
        return str(meta["resourceVersion"])
    writers = meta.get("managedFields", ())
    return digest_of([writer for writer in writers if writer.get("subresource") != "status"])


def _gateway_of(meta: Mapping[str, Any]) -> str:
    return f"{meta['namespace']}/{_instance(meta)}"


def _instance(meta: Mapping[str, Any]) -> str:
    return str(meta.get("labels", {}).get("app.kubernetes.io/instance", ""))


def pod_fact(body: Mapping[str, Any]) -> Pod | None:
    """Return what is read of a pod; None where it has ended for good, as an evicted one has."""
    meta, status = body["metadata"], body.get("status", {})
    if status.get("phase") in _ENDED:
        return None
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        gateway=_gateway_of(meta),
        address=status.get("podIP", ""),
        ready=_condition(status, "Ready").get("status") == "True",
        terminating="deletionTimestamp" in meta,
        trouble=next(_troubles(status), ""),
        schema=next(_schemas(body), SCHEMA),
    )


def _schemas(body: Mapping[str, Any]) -> Iterator[int]:
    """Yield the schemas of the bundles that a pod mounts: what it reads, whoever made it."""
    names = Names(_instance(body["metadata"]))
    for volume in body.get("spec", {}).get("volumes", []):
        for source in volume.get("projected", {}).get("sources", []):
            schema = names.schema_of(source.get("secret", {}).get("name", ""))
            if schema is not None:
                yield schema


def _troubles(status: Mapping[str, Any]) -> Iterator[str]:
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"a pod can't be scheduled: {scheduled.get('message', scheduled.get('reason'))}"
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting", {})
        reason, name = waiting.get("reason", ""), container["name"]
        if reason == "CrashLoopBackOff":
            # The kubelet's own message counts seconds, which would move a status again and again.
            ended = container.get("lastState", {}).get("terminated", {})
            said = f"exit code {ended.get('exitCode')}, {ended.get('reason')}"
            yield f"the container {name} ends again and again ({said}); read its log"
        elif reason and reason not in _STARTING:
            yield f"the container {name} waits: {reason}: {waiting.get('message', '')}"


def _containers(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def rollout_fact(body: Mapping[str, Any]) -> RolloutFact:
    """Return what is read of a Deployment."""
    meta, status = body["metadata"], body.get("status", {})
    current = status.get("observedGeneration", 0) >= meta.get("generation", 0)
    rollout = Rollout(
        replicas=int(body["spec"].get("replicas", 1)),
        updated=int(status.get("updatedReplicas", 0)) if current else 0,
        ready=int(status.get("readyReplicas", 0)),
        message=_held_up(status),
    )
    return RolloutFact(gateway=_gateway_of(meta), rollout=rollout)


def _held_up(status: Mapping[str, Any]) -> str:
    refused = _condition(status, "ReplicaFailure")
    if refused.get("status") == "True":
        return str(refused.get("message", ""))
    progress = _condition(status, "Progressing")
    return str(progress.get("message", "")) if progress.get("status") == "False" else ""


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    found = (item for item in status.get("conditions", []) if item.get("type") == kind)
    return next(found, {})
