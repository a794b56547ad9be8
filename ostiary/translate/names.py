"""What a gateway's objects in the cluster are called, and the labels by which they are known.

One place for everybody: translation plans by these names, the operator writes and watches by them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.config.document import SCHEMA

__all__ = [
    "DEV_CLIENT", "DIGEST", "GATEWAY_UID", "MANAGED_BY", "OPERATOR_NAME", "PROXY",
    "RESTART", "ROTATE_KEYS", "SHARDS", "Names", "is_paused", "labels", "selector", "server_name",
]  # fmt: skip

PROXY: Final = "ostiary-proxy"
MANAGED_BY: Final = "ostiary-operator"
"""Value of app.kubernetes.io/managed-by on all that is ours, and the manager of its fields."""
GATEWAY_UID: Final = "ostiary.dev/gateway-uid"
DIGEST: Final = "ostiary.dev/digest"
"""Annotation of an object: the digest of what was applied last."""
RESTART: Final = "ostiary.dev/restart"
"""Annotation of pods: the digest of what a proxy reads only when it starts."""
ROTATE_KEYS: Final = "ostiary.dev/rotate-keys"
"""Annotation of a gateway: rings whose keys are to be replaced, and a word that tells the times
apart. On the Secret of its keys: the last value that was obeyed.
"""
_RECONCILE: Final = "ostiary.dev/reconcile"
OPERATOR_NAME: Final = "operator.ostiary.internal"
"""Name in the operator's client certificate."""
DEV_CLIENT: Final = "ostiary-dev"
"""Our client id at the development identity provider."""
SHARDS: Final = 8
"""Secrets that a bundle may fill: all are mounted from the start, so a new route restarts none."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the objects of one gateway; they live in its namespace."""

    gateway: str

    @property
    def main(self) -> str:
        """Return the name of the Deployment, the public Service and the PodDisruptionBudget."""
        return f"ostiary-{self.gateway}"

    @property
    def internal(self) -> str:
        """Return the name of the Service of the status port."""
        return f"{self.main}-internal"

    @property
    def state(self) -> str:
        """Return the name of the PersistentVolumeClaim."""
        return f"{self.main}-state"

    @property
    def keys(self) -> str:
        """Return the name of the Secret of generated keys."""
        return f"{self.main}-keys"

    @property
    def admin(self) -> str:
        """Return the name of the Secret with the admin port's certificate."""
        return f"{self.main}-admin"

    @property
    def admin_ca(self) -> str:
        """Return the name of the Secret with the gateway's own CA, which no pod mounts."""
        return f"{self.main}-admin-ca"

    @property
    def dev_identity(self) -> str:
        """Return the name of the development identity provider's Secret."""
        return f"{self.main}-dev-identity"

    def bundle(self, shard: int, schema: int = SCHEMA) -> str:
        """Return the name of the Secret of a shard; each schema of the bundle has its own."""
        return f"{self.main}-bundle-v{schema}-{shard:02}"

    def schema_of(self, secret: str) -> int | None:
        """Return the schema of the bundle of which a Secret is a shard; None where it is none."""
        found = re.fullmatch(rf"{re.escape(self.main)}-bundle-v([0-9]{{1,9}})-[0-9]{{2}}", secret)
        return None if found is None else int(found[1])


def labels(gateway: str, uid: str) -> dict[str, str]:
    """Return the labels of every object of a gateway."""
    return {
        **selector(gateway),
        "app.kubernetes.io/managed-by": MANAGED_BY,
        "ostiary.dev/gateway": gateway,
        GATEWAY_UID: uid,
    }


def selector(gateway: str) -> dict[str, str]:
    """Return the labels that select a gateway's pods; a Deployment can't change its selector."""
    return {"app.kubernetes.io/name": PROXY, "app.kubernetes.io/instance": gateway}


def server_name(uid: str) -> str:
    """Return the name in the certificate of a gateway's proxies, whose addresses change."""
    return f"{uid}.proxy.ostiary.internal"


def is_paused(annotations: Mapping[str, str]) -> bool:
    """Say whether somebody asked for a gateway's objects to be left alone."""
    return annotations.get(_RECONCILE) == "disabled"
