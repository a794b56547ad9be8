"""A gateway as the owner of objects, and Secrets as the objects that only the operator makes."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ostiary.crypto.seal import SealRing
from ostiary.decode.json_text import canonical_json
from ostiary.resources.manifest import API_VERSION, Kind
from ostiary.translate.names import DIGEST, Names, labels
from ostiary.translate.objects import PlannedObject

__all__ = ["Owner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The gateway that objects belong to."""

    namespace: str
    name: str
    uid: str

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def names(self) -> Names:
        """Return the names of its objects."""
        return Names(self.name)

    def is_mine(self, meta: Mapping[str, Any]) -> bool:
        """Say whether an object is this gateway's, by its labels or its owner."""
        ours = labels(self.name, "").items() - {("ostiary.dev/gateway-uid", "")}
        owners = meta.get("ownerReferences") or ()
        return ours <= (meta.get("labels") or {}).items() or any(
            owner.get("uid") == self.uid for owner in owners
        )

    def schema_of(self, key: tuple[str, str, str]) -> int | None:
        """Return the schema of its bundle of which an object is a shard; None where it is none."""
        kind, namespace, name = key
        if (kind, namespace) != ("Secret", self.namespace):
            return None
        return self.names.schema_of(name)

    def secret(self, name: str, data: Mapping[str, bytes], seal: SealRing) -> PlannedObject:
        """Return a Secret that goes with the gateway.

        Its digest is keyed: an annotation is read by people who may not read the values.
        """
        body = self.lasting_secret(name, data)
        reference = {
            "apiVersion": API_VERSION,
            "kind": Kind.GATEWAY.value,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
        meta = {**body["metadata"], "ownerReferences": [reference]}
        digest = seal.keyed_hash("applied", canonical_json({**body, "metadata": meta}).decode())
        meta["annotations"] = {DIGEST: digest}
        return PlannedObject(body={**body, "metadata": meta}, digest=digest)

    def lasting_secret(self, name: str, data: Mapping[str, bytes]) -> dict[str, Any]:
        """Return a Secret that outlives the gateway."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {
                "namespace": self.namespace,
                "name": name,
                "labels": labels(self.name, self.uid),
            },
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
