"""What the operator knows, for people who ask why: JSON without a single secret.

Specs are shown as their models write them, which mask what is secret; one that no model reads is
not shown, because nobody can say what is secret in it.
"""

import dataclasses
from typing import Any

from ostiary.decode.fault import Faulty
from ostiary.resources.manifest import Manifest, read_resource
from ostiary_operator.seen import Seen

__all__ = ["masked"]


def masked(seen: Seen) -> dict[str, Any]:
    """Return `seen` as JSON can hold it."""
    world = seen.world
    return {
        "manifests": [_manifest(manifest) for manifest in world.manifests],
        "secrets": [dataclasses.asdict(secret) for secret in world.secrets],
        "namespaces": world.namespaces,
        "services": [dataclasses.asdict(service) for service in world.services],
        "grants": [grant.model_dump(mode="json", by_alias=True) for grant in world.grants],
        "children": [dataclasses.asdict(child) for child in seen.children.values()],
        "pods": [dataclasses.asdict(pod) for pod in seen.pods],
        "rollouts": {key: dataclasses.asdict(item) for key, item in seen.rollouts.items()},
        "paused": sorted(seen.paused),
    }


def _manifest(manifest: Manifest) -> dict[str, Any]:
    head = {"kind": manifest.kind, "key": manifest.key, "uid": manifest.meta.uid}
    try:
        return {**head, "spec": read_resource(manifest).spec.plain()}
    except Faulty as faulty:
        return {**head, "faults": [str(fault) for fault in faulty.faults]}
