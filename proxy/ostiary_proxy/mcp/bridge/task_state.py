"""The state of a task, as a revision shows it without what the task brought or asks for."""

from collections.abc import Mapping
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import id_of

__all__ = ["OVER", "legacy_state", "modern_state"]

OVER: Final = frozenset(("completed", "failed", "cancelled"))
"""Statuses after which nothing changes any more."""
_STATUSES: Final = frozenset((*OVER, "working", "input_required"))
_SAME: Final = ("taskId", "status", "statusMessage", "createdAt", "lastUpdatedAt")
_NEWER: Final[Mapping[str, str]] = {"ttl": "ttlMs", "pollInterval": "pollIntervalMs"}
"""What a task has in 2025-11-25, and what that is called in 2026-07-28."""
_TO_MODERN: Final = {**{name: name for name in _SAME}, **_NEWER}
_TO_LEGACY: Final = {new: old for old, new in _TO_MODERN.items()}


def modern_state(task: Object) -> dict[str, Json]:
    """Return a task of 2025-11-25 as 2026-07-28 has it; raises BadResult."""
    return {"ttlMs": None, **_renamed(task, _TO_MODERN)}


def legacy_state(task: Object) -> dict[str, Json]:
    """Return a task of 2026-07-28 as 2025-11-25 has it; raises BadResult."""
    return {"ttl": None, **_renamed(task, _TO_LEGACY)}


def _renamed(task: Object, names: Mapping[str, str]) -> dict[str, Json]:
    id_of(task)
    if task.get("status") not in _STATUSES:
        raise BadResult("a task has no status that is known")
    return {names[name]: value for name, value in task.items() if name in names}
