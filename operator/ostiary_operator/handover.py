"""Handing the count of a Deployment over to an autoscaler, as it is.

A field that its only manager no longer applies falls back to its default, and that of replicas is
one. So another manager takes the count that stands, before we leave it out.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from ostiary.translate.objects import PlannedObject
from ostiary_operator.api import FIELD_MANAGER, Api
from ostiary_operator.failures import Conflict, NotFound
from ostiary_operator.kinds import KINDS

__all__ = ["HEIR", "hand_over", "leaves_count"]

HEIR: Final = "ostiary-handover"
"""Field manager that keeps the count until an autoscaler sets another."""
_ATTEMPTS: Final = 5


def leaves_count(planned: PlannedObject) -> bool:
    """Say whether an object is a Deployment that leaves its count to others."""
    return planned.key[0] == "Deployment" and "replicas" not in planned.body["spec"]


async def hand_over(api: Api, planned: PlannedObject) -> None:
    """Have the count outlive the next apply of a Deployment that leaves it; raises ApiFailed."""
    kind, namespace, name = planned.key
    for _ in range(_ATTEMPTS):
        try:
            found = await api.get(KINDS[kind], namespace, name)
        except NotFound:
            return
        if not _is_ours(found["metadata"]):
            return
        body = {
            "apiVersion": planned.body["apiVersion"],
            "kind": kind,
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"replicas": found["spec"]["replicas"]},
        }
        # Where somebody sets another count meanwhile, that one is to be kept.
        with contextlib.suppress(Conflict):
            await api.apply(body, manager=HEIR, force=False)
            return
    raise Conflict("its count changes faster than it can be handed over")


def _is_ours(meta: Mapping[str, Any]) -> bool:
    """Say whether the count stands because we applied it."""
    return any(
        entry["manager"] == FIELD_MANAGER
        and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in meta.get("managedFields", ())
    )
