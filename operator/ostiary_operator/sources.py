"""Which objects are watched, and how much of each.

Whole objects come through kopf. Of what we own, and of Secrets, only metadata is asked for: a value
that never arrives can't leak, and a thousand of them weigh nothing.
"""

from dataclasses import dataclass
from typing import Final

from ostiary.resources.manifest import Kind
from ostiary.translate.names import MANAGED_BY, PROXY
from ostiary_operator.kinds import KINDS, ApiKind

__all__ = [
    "CHILDREN", "CREDENTIALS", "DEPLOYMENTS", "GRANTS", "NAMESPACES", "OURS", "PODS", "SERVICES",
    "WHOLE", "Scope", "Source",
]  # fmt: skip

Scope = tuple[str, ...]
"""The namespaces that are served; ('',) stands for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A kind, or the objects of it with these labels.

    A `required` kind must exist before anything is planned; where another does not exist, there are
    no objects of it.
    """

    kind: ApiKind
    labels: str = ""
    required: bool = True

    def __str__(self) -> str:
        """Return the plural, with the group where there is one: the name of a CRD."""
        return ".".join(filter(None, (self.kind.plural, self.kind.group)))


_OURS: Final = f"app.kubernetes.io/managed-by={MANAGED_BY}"
_PROXIES: Final = f"app.kubernetes.io/name={PROXY}"

OURS: Final = tuple(Source(kind=KINDS[kind]) for kind in Kind)
NAMESPACES: Final = Source(kind=KINDS["Namespace"])
SERVICES: Final = Source(kind=KINDS["Service"])
GRANTS: Final = Source(kind=KINDS["ReferenceGrant"], required=False)
PODS: Final = Source(kind=KINDS["Pod"], labels=_PROXIES)
DEPLOYMENTS: Final = Source(kind=KINDS["Deployment"], labels=_PROXIES)
WHOLE: Final = (*OURS, NAMESPACES, SERVICES, GRANTS, PODS, DEPLOYMENTS)
CHILDREN: Final = tuple(
    Source(kind=KINDS[kind], labels=_OURS)
    for kind in (
        "Deployment",
        "Service",
        "Secret",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "PersistentVolumeClaim",
    )
)
CREDENTIALS: Final = Source(kind=KINDS["Secret"], labels="ostiary.dev/credential=true")
