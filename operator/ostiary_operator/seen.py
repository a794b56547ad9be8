"""What the operator has seen of the cluster, as values: the seam between watching and acting.

The feed makes one `Seen` after the other; the loop plans on it and hands both to the hands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ostiary.config.document import SCHEMA
from ostiary.decode.yaml_documents import Plain
from ostiary.translate.world import Rollout, World

__all__ = ["Child", "ChildKey", "Pod", "Seen"]

ChildKey = tuple[str, str, str]
"""Kind, namespace and name of an object that we own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """An object that carries our labels, by its metadata: all that is needed to leave it alone.

    `gateway_uid` is its label `ostiary.dev/gateway-uid`; `digest` its annotation
    `ostiary.dev/digest`, which says what was applied last ('' where somebody took it off).
    `mark` moves with each change that is not of its status.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    mark: str
    gateway_uid: str
    digest: str

    @property
    def key(self) -> ChildKey:
        """Return what identifies it."""
        return (self.kind, self.namespace, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A proxy's pod. `gateway` is `namespace/name`, `address` its IP ('' before it has one).

    `trouble` says what keeps it from running, '' where nothing does. `schema` is that of the bundle
    whose Secrets it mounts.
    """

    namespace: str
    name: str
    uid: str
    gateway: str
    address: str
    ready: bool
    terminating: bool
    trouble: str = ""
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything at one moment; nothing that exists is missing, for each kind was listed.

    `statuses` (by `Kind/namespace/name`) are those that stand in the cluster, `uids` identify the
    objects that they stand on. `rollouts` (by gateway key) say how the Deployments are doing.
    `versions` are the resourceVersions at which they were seen, with the same keys.
    `paused` are the gateways, by key, that carry the annotation `ostiary.dev/reconcile: disabled`.
    """

    world: World
    statuses: Mapping[str, Mapping[str, Plain]] = field(default_factory=dict)
    uids: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    children: Mapping[ChildKey, Child] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    rollouts: Mapping[str, Rollout] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
