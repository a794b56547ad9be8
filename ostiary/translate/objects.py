"""The objects that a cluster is to hold for each gateway, as server-side apply takes them.

Secrets are not among them: nothing here knows a value. The operator makes those itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary.resources.storage import VolumeClaim
from ostiary.translate.digest import digest_of
from ostiary.translate.fleet import Fleet
from ostiary.translate.names import DIGEST
from ostiary.translate.pods import pod_template
from ostiary.translate.scaling import autoscalers, most_replicas, replicas

__all__ = ["PlannedObject", "planned_objects"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedObject:
    """One object, complete; `digest` is in its annotation `ostiary.dev/digest` too.

    The operator makes Secrets of this type, so it does not show what it holds.
    """

    body: Mapping[str, Any] = field(repr=False)
    digest: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return kind, namespace and name."""
        meta = self.body["metadata"]
        return (self.body["kind"], meta["namespace"], meta["name"])


def planned_objects(fleet: Fleet) -> tuple[PlannedObject, ...]:
    """Return a gateway's objects in the order in which they are needed."""
    bodies = [
        *([_volume_claim(fleet)] if fleet.keeps_volume else ()),
        _public_service(fleet),
        _internal_service(fleet),
        *([_disruption_budget(fleet)] if most_replicas(fleet) > 1 else ()),
        _deployment(fleet),
        *autoscalers(fleet),
    ]
    return tuple(_digested(body) for body in bodies)


def _digested(body: Mapping[str, Any]) -> PlannedObject:
    digest = digest_of(body)
    metadata = {**body["metadata"], "annotations": {DIGEST: digest}}
    return PlannedObject(body={**body, "metadata": metadata}, digest=digest)


def _volume_claim(fleet: Fleet) -> dict[str, Any]:
    """Return the volume of SQLite; nobody owns it: what people granted outlives their gateway."""
    claim = fleet.gateway.spec.storage.volume_claim or VolumeClaim()
    storage_class = claim.storage_class_name
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": claim.size}},
        **({} if storage_class is None else {"storageClassName": storage_class}),
    }
    return fleet.body("PersistentVolumeClaim", fleet.names.state, spec, owned=False)


def _public_service(fleet: Fleet) -> dict[str, Any]:
    """Return the Service of the public port.

    In development it has the numbers of the URLs, so that `kubectl port-forward` is given them as
    they are.
    """
    issuer = fleet.ports.issuer
    if issuer is None:
        ports = [_port(fleet.scheme, 443 if fleet.gateway.spec.tls else 80)]
    else:
        ports = [_port("http", fleet.ports.public), _port("issuer", issuer)]
    return _service(fleet, fleet.names.main, ports)


def _internal_service(fleet: Fleet) -> dict[str, Any]:
    return _service(fleet, fleet.names.internal, [_port("status", 8081)])


def _service(fleet: Fleet, name: str, ports: list[dict[str, Any]]) -> dict[str, Any]:
    spec = {
        "type": "ClusterIP",
        "ipFamilyPolicy": "PreferDualStack",
        "selector": fleet.selector,
        "ports": ports,
    }
    return fleet.body("Service", name, spec)


def _port(name: str, number: int) -> dict[str, Any]:
    return {
        "name": name,
        "port": number,
        "targetPort": name,
        "protocol": "TCP",
        "appProtocol": "https" if name == "https" else "http",
    }


def _disruption_budget(fleet: Fleet) -> dict[str, Any]:
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": fleet.selector},
    }
    return fleet.body("PodDisruptionBudget", fleet.names.main, spec)


def _deployment(fleet: Fleet) -> dict[str, Any]:
    """Return the Deployment; pods that share a volume may not overlap."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    spec = {
        **replicas(fleet),
        "revisionHistoryLimit": 3,
        "strategy": {"type": "Recreate"} if fleet.keeps_volume else rolling,
        "selector": {"matchLabels": fleet.selector},
        "template": pod_template(fleet),
    }
    return fleet.body("Deployment", fleet.names.main, spec)
