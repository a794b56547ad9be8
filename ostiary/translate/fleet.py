"""The proxies of one gateway in a cluster: what every object of theirs is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ostiary.resources.gateway import MCPGateway
from ostiary.resources.manifest import API_VERSION, Kind
from ostiary.translate.digest import digest_of
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.names import Names, labels, selector
from ostiary.translate.ports import Ports
from ostiary.translate.problem import Condition
from ostiary.translate.references import References
from ostiary.translate.world import Cluster, Platform

__all__ = ["Fleet", "fleet_of"]

_HINDERING: Final = frozenset({Condition.ACCEPTED, Condition.RESOLVED_REFS})

_API_VERSIONS: Final = {
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PersistentVolumeClaim": "v1",
    "PodDisruptionBudget": "policy/v1",
    "Service": "v1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """One gateway, where it runs; `restart` is the digest of what proxies read only at start."""

    gateway: MCPGateway
    cluster: Cluster
    ports: Ports
    restart: str

    @property
    def names(self) -> Names:
        """Return the names of its objects."""
        return Names(self.gateway.metadata.name)

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of its objects."""
        return labels(self.gateway.metadata.name, self.gateway.metadata.uid)

    @property
    def selector(self) -> dict[str, str]:
        """Return the labels that select its pods."""
        return selector(self.gateway.metadata.name)

    @property
    def image(self) -> str:
        """Return the image of its proxies."""
        return self.gateway.spec.proxy.image or self.cluster.image

    @property
    def scheme(self) -> str:
        """Return what the public port speaks."""
        return "https" if self.gateway.spec.tls else "http"

    @property
    def keeps_volume(self) -> bool:
        """Say whether its state is on a volume that outlives pods, which only one may write."""
        return self.gateway.spec.storage.type == "SQLite"

    def body(
        self, kind: str, name: str, spec: Mapping[str, Any], *, owned: bool = True
    ) -> dict[str, Any]:
        """Return an object of the gateway; it goes with the gateway where it is `owned`."""
        meta = self.gateway.metadata
        owner = {
            "apiVersion": API_VERSION,
            "kind": Kind.GATEWAY.value,
            "name": meta.name,
            "uid": meta.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
        return {
            "apiVersion": _API_VERSIONS[kind],
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": meta.namespace,
                "labels": self.labels,
                **({"ownerReferences": [owner]} if owned else {}),
            },
            "spec": spec,
        }


def fleet_of(gateway: ResolvedGateway, platform: Platform, references: References) -> Fleet | None:
    """Return the fleet to roll out; None where the one that runs is to be left as it is.

    A gateway that nothing runs for yet waits so until its Secrets are there.
    """
    broken = any(problem.condition in _HINDERING for problem in gateway.problems)
    if platform.cluster is None or gateway.gateway is None or gateway.paused or broken:
        return None
    return Fleet(
        gateway=gateway.gateway,
        cluster=platform.cluster,
        ports=gateway.ports,
        restart=_restart(gateway, references),
    )


def _restart(gateway: ResolvedGateway, references: References) -> str:
    """Return the digest of what proxies read only when they start."""
    assert gateway.config is not None
    storage = gateway.config.storage
    named = {storage.url, storage.ca_bundle}
    read = {ref for ref in gateway.credentials if ref.credential in named}
    versions = {ref.credential: references.version(ref) for ref in read}
    return digest_of({"storage": storage.plain(), "versions": versions})
