"""Tasks of 2025-11-25, as clients of the extension of 2026-07-28 know them.

There a task is shown with what it brought and what it asks for. Here the former is fetched by a
request of its own, the latter comes while that waits.
"""

from collections.abc import Mapping
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_legacy import completed, failed
from ostiary_proxy.mcp.bridge.task_state import modern_state
from ostiary_proxy.mcp.eras import META_SUBSCRIPTION
from ostiary_proxy.mcp.message import Id, Object, Request, Response
from ostiary_proxy.mcp.tasks import RELATED

__all__ = ["created", "detailed", "is_created", "meant", "supports", "telling"]

_INTERNAL: Final = -32603


def supports(tool: Object) -> str | None:
    """Return whether a tool may or must be called as a task: `optional`, `required`, or None."""
    execution = tool.get("execution")
    said = execution.get("taskSupport") if isinstance(execution, dict) else None
    return said if said in ("optional", "required") and isinstance(said, str) else None


def meant(request: Request, *, as_task: bool) -> Request:
    """Return a call as it is meant, as a task or not; whether it is one is not its client's say."""
    params = {name: value for name, value in request.params.items() if name != "task"}
    if as_task:
        params["task"] = {}
    whole: Object = {**request.whole, "params": params}
    return Request(id=request.id, method=request.method, params=params, whole=whole)


def is_created(result: Object) -> bool:
    """Say whether the result of a call is a task in place of an answer."""
    return isinstance(result.get("task"), dict) and "content" not in result


def created(result: Object, initialized: Object) -> dict[str, Json]:
    """Return the result that creates a task; raises BadResult."""
    task = result["task"]
    assert isinstance(task, dict)  # `is_created` saw to it
    meta = {name: value for name, value in result.items() if name == "_meta"}
    return {**completed("", meta, initialized), **modern_state(task), "resultType": "task"}


def detailed(
    state: Object, brought: Response | None, asked: Mapping[str, Json], initialized: Object
) -> dict[str, Json]:
    """Return a task whole: its state with what it brought once it is over, or what it asks for.

    Servers say that a task works as soon as one of its questions is answered, and that it needs
    input before they ask for any.
    """
    if asked:
        return {**state, "status": "input_required", "inputRequests": {**asked}}
    if brought is None:
        needs = state["status"] == "input_required"
        return {**state, "status": "working"} if needs else dict(state)
    if brought.error is not None:
        return {**state, "status": "failed", "error": failed(brought.error, None)}
    if state["status"] == "failed" and "content" not in (brought.result or {}):
        # So do real servers whose tool raised: what it raised stands nowhere else.
        error: Json = {"code": _INTERNAL, "message": state.get("statusMessage", "the task failed")}
        return {**state, "status": "failed", "error": error}
    result = completed("tools/call", brought.result or {}, initialized)
    meta = result["_meta"]
    assert isinstance(meta, dict)  # made by `completed`
    result["_meta"] = {name: value for name, value in meta.items() if name != RELATED}
    return {**state, "status": "completed", "result": result}


def telling(task: Object, listen_id: Id) -> dict[str, Json]:
    """Return the notification that tells a listen stream of a task."""
    state = {name: value for name, value in task.items() if name != "resultType"}
    params: Json = {**state, "_meta": {META_SUBSCRIPTION: listen_id}}
    return {"jsonrpc": "2.0", "method": "notifications/tasks", "params": params}
