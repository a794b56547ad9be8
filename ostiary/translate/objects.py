"""The objects that a cluster is to hold for each gateway, as server-side apply takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PlannedObject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedObject:
    """One object, complete; `digest` is in its annotation `ostiary.dev/digest` too."""

    body: Mapping[str, Any]
    digest: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return kind, namespace and name."""
        meta = self.body["metadata"]
        return (self.body["kind"], meta["namespace"], meta["name"])
