"""Tasks of the extension of 2026-07-28, as clients of 2025-11-25 know them.

There a call is made as a task because its client wants one, what it brings is fetched by a request
of its own, and a tool's own error makes a task a failed one.
"""

from dataclasses import replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.declared import Declared
from ostiary_proxy.mcp.bridge.from_modern import error_of, result_of
from ostiary_proxy.mcp.bridge.task_state import legacy_state
from ostiary_proxy.mcp.bridge.to_modern import CallEnds
from ostiary_proxy.mcp.message import Id, Notification, Object, Request
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import CAPABILITY, RELATED, id_of, is_plain

__all__ = ["brought", "created", "extended", "over_at_once", "pause", "shown", "told_of_task"]

_STATUS: Final = "notifications/tasks/status"
_INTERNAL: Final = -32603
_SHORTEST: Final = 250
_LONGEST: Final = 15_000
_USUAL: Final = 1_000
"""Milliseconds between two looks at a task; a server's own wish counts within these bounds."""


def extended(declared: Declared) -> Declared:
    """Return what a client declares that can have tasks."""
    return replace(declared, capabilities={**declared.capabilities, **CAPABILITY})


def shown(task: Object) -> dict[str, Json]:
    """Return the state of a task without what it brought or asks for; raises BadResult."""
    state, result = legacy_state(task), task.get("result")
    failed = isinstance(result, dict) and result.get("isError") is True
    return {**state, "status": "failed"} if state["status"] == "completed" and failed else state


def created(result: Object) -> dict[str, Json]:
    """Return the result that creates a task; raises BadResult."""
    meta = {name: value for name, value in result.items() if name == "_meta"}
    return {**result_of("tasks/get", meta), "task": shown(result)}


def over_at_once(task_id: str, result: Object, *, ttl_ms: int, at: str) -> dict[str, Json]:
    """Return the task that a call is which was answered at once, at the ISO time `at`."""
    return {
        "taskId": task_id,
        "status": "completed",
        "createdAt": at,
        "lastUpdatedAt": at,
        "ttlMs": ttl_ms,
        "result": {**result},
    }


def brought(task: Object, request: Request, client_id: Id) -> Object:
    """Return the answer that a task came to; raises BadResult, CallEnds for one cancelled.

    `request` is the one about the task, that the client waits for under `client_id`.
    """
    status, result, error = task.get("status"), task.get("result"), task.get("error")
    if status == "cancelled":
        raise CallEnds(_INTERNAL, "the task was cancelled")
    if status == "failed":
        if not isinstance(error, dict) or not isinstance(error.get("code"), int):
            raise BadResult("a task failed without an error that can be read")
        return {"jsonrpc": "2.0", "id": client_id, "error": {**error_of(request, error)}}
    if not isinstance(result, dict) or not is_plain(result):
        raise BadResult("a task is complete without a result that is")
    plain = result_of("tools/call", result)
    meta = plain.get("_meta")
    related: Json = {"taskId": id_of(task)}
    marked = {**(meta if isinstance(meta, dict) else {}), RELATED: related}
    return {"jsonrpc": "2.0", "id": client_id, "result": {**plain, "_meta": marked}}


def told_of_task(note: Notification) -> Notification:
    """Return what is told of a task; what can't be read stays what no legacy revision knows."""
    try:
        params = shown(note.params)
    except BadResult:
        return note
    whole: Object = {"jsonrpc": "2.0", "method": _STATUS, "params": params}
    return Notification(method=_STATUS, params=params, whole=whole)


def pause(task: Object) -> float:
    """Return the seconds until a task is looked at again."""
    wanted = task.get("pollIntervalMs")
    if not isinstance(wanted, int | float) or isinstance(wanted, bool):
        wanted = _USUAL
    return min(max(wanted, _SHORTEST), _LONGEST) / 1000
