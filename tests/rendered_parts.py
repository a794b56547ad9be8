"""What a cluster really gets of the samples' gateway and of the operator, for samples beside them.

Pods are shown as network policies see them; `lets_in` judges by policies as a cluster's network
does that enforces them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ostiary.decode.yaml_documents import read_documents
from ostiary.resources.manifest import read_manifest
from ostiary.translate.plan import plan
from ostiary.translate.world import Cluster, Observed, Platform, SecretFacts, World
from ostiary_cli.installation import Installation
from real_parts import ROOT
from sample_parts import GATEWAY

__all__ = ["NETWORKING", "Pod", "documents", "lets_in", "operator_pod", "proxy_pod", "rendered"]

NETWORKING = ROOT / "manifests" / "networking"
_CLUSTER = Cluster(image="ostiary-proxy:1", operator_url="http://operator:8082")
Object = Mapping[str, Any]


def documents(path: Path) -> list[Any]:
    """Return the objects in a file."""
    return [item.value for item in read_documents(path.read_bytes(), path.name)]


@cache
def rendered() -> Mapping[str, Object]:
    """Return the objects of the gateway of the samples by `Kind/name`."""
    (gateway,) = (item for item in GATEWAY.objects() if item["kind"] == "MCPGateway")
    world = World(
        manifests=(read_manifest(gateway),),
        secrets=(SecretFacts(namespace="mcp", name="oidc-client", keys={"secret": "1"}),),
        platform=Platform(cluster=_CLUSTER),
    )
    bodies = [item.body for item in plan(world, Observed(), 0).objects["mcp/main"]]
    return {f"{body['kind']}/{body['metadata']['name']}": body for body in bodies}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod of a namespace, its labels, and its ports by name."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)


def proxy_pod() -> Pod:
    """Return a proxy."""
    return _pod(rendered()["Deployment/ostiary-main"])


def operator_pod() -> Pod:
    """Return an operator."""
    (deployment,) = (each for each in Installation().objects() if each["kind"] == "Deployment")
    return _pod(deployment)


def _pod(deployment: Object) -> Pod:
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    return Pod(
        namespace=deployment["metadata"]["namespace"],
        labels=template["metadata"]["labels"],
        ports={port["name"]: port["containerPort"] for port in container["ports"]},
    )


def lets_in(policies: Iterable[Object], to: Pod, port: str, source: Pod) -> bool:
    """Say whether a connection from one pod to a port of another gets through."""
    asked = [policy["spec"] for policy in policies if _covers(policy, to)]
    rules = [rule for spec in asked for rule in spec.get("ingress", ())]
    return not asked or any(_allows(rule, to, port, source) for rule in rules)


def _covers(policy: Object, pod: Pod) -> bool:
    here = policy["metadata"]["namespace"] == pod.namespace
    return here and _selects(policy["spec"]["podSelector"], pod.labels)


def _allows(rule: Object, to: Pod, port: str, source: Pod) -> bool:
    ports = [_number(each["port"], to) for each in rule["ports"]]
    return to.ports[port] in ports and any(_is_peer(peer, source) for peer in rule["from"])


def _number(port: int | str, of: Pod) -> int | None:
    return port if isinstance(port, int) else of.ports.get(port)


def _is_peer(peer: Object, pod: Pod) -> bool:
    """Say whether a pod is meant; each peer of the samples names its namespaces."""
    named = {"kubernetes.io/metadata.name": pod.namespace}
    inside = _selects(peer["namespaceSelector"], named)
    return inside and _selects(peer.get("podSelector", {}), pod.labels)


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(
        expression["operator"] == "In" and labels.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", ())
    )
