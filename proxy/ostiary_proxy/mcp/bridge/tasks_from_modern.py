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
from ostiary_proxy.mcp.eras import META_CAPABILITIES
from ostiary_proxy.mcp.message import Id, Notification, Object, Request, Response
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import CAPABILITY, RELATED, declares, id_of, is_plain

__all__ = [
    "able", "brought", "created", "extended", "only_runs_as_task", "over_at_once", "pause", "shown",
    "told_of_task",
]  # fmt: skip

_STATUS: Final = "notifications/tasks/status"
_INTERNAL: Final = -32603
_LACKING: Final = -32021
_SHORTEST: Final = 250
_LONGEST: Final = 15_000
_USUAL: Final = 1_000
"""Milliseconds between two looks at a task; a server's own wish counts within these bounds."""


def extended(declared: Declared) -> Declared:
    """Return what a client declares that can have tasks."""
    return replace(declared, capabilities={**declared.capabilities, **CAPABILITY})


def able(request: Request) -> Request:
    """Return a request that declares the extension too."""
    meta = request.params["_meta"]
    assert isinstance(meta, dict)  # each stands alone
    said = meta[META_CAPABILITIES]
    assert isinstance(said, dict)
    meta = {**meta, META_CAPABILITIES: {**said, **CAPABILITY}}
    params: Object = {**request.params, "_meta": meta}
    return replace(request, params=params, whole={**request.whole, "params": dict(params)})


def only_runs_as_task(response: Response) -> bool:
    """Say whether a call was refused for want of the extension; it did not run."""
    error = response.error or {}
    data = error.get("data")
    needed = data.get("requiredCapabilities") if isinstance(data, dict) else None
    return error.get("code") == _LACKING and isinstance(needed, dict) and declares(needed)


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


def brought(task: Object, request: Request, client_id: Id, *, related: bool = True) -> Object:
    """Return the answer that a task came to; raises BadResult, CallEnds for one cancelled.

    `request` is the one that the client waits for under `client_id`, about the task, or not
    `related` to any: a call for whose answer it waits.
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
    if related:
        meta = plain.get("_meta")
        mark: Json = {"taskId": id_of(task)}
        plain = {**plain, "_meta": {**(meta if isinstance(meta, dict) else {}), RELATED: mark}}
    return {"jsonrpc": "2.0", "id": client_id, "result": {**plain}}


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
