"""Laying a gateway's `podTemplate` over the pods that we make, list items by their keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from ostiary.resources.pod_template import KEYS

__all__ = ["merge"]


def merge(ours: Any, overlay: Any, field: str = "") -> Any:
    """Return `ours` with `overlay` laid over it; what is null there is as if it weren't."""
    if overlay is None:
        return ours
    if isinstance(ours, Mapping) and isinstance(overlay, Mapping):
        laid = {name: merge(ours.get(name), value, name) for name, value in overlay.items()}
        return {**ours, **{name: value for name, value in laid.items() if value is not None}}
    if field in KEYS and isinstance(ours, Sequence):
        return _by_key(ours, overlay, KEYS[field])
    return overlay


def _by_key(
    ours: Sequence[Mapping[str, Any]], overlay: Sequence[Mapping[str, Any]], key: str
) -> list[Any]:
    """Return our items in their order, what is laid over each, and then the new ones."""
    laid = {item[key]: item for item in overlay}
    kept = [merge(item, laid.pop(item[key], None)) for item in ours]
    return [*kept, *laid.values()]
