"""Ids of the tasks that one of several servers made, for clients and back."""

from collections.abc import Callable
from dataclasses import replace

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.joined.names import joined_id, split_id
from ostiary_proxy.mcp.message import Object, Response
from ostiary_proxy.mcp.methods import TASK_ID
from ostiary_proxy.mcp.tasks import RELATED

__all__ = ["own_answer", "own_params", "related_named", "tasks_named"]


def tasks_named(part: dict[str, Json], server: str) -> dict[str, Json]:
    """Return a result, or what is told, with the ids of its tasks as clients know them."""
    part = _named(related_named(part, server), server)
    if isinstance(task := part.get("task"), dict):
        part = {**part, "task": _named(task, server)}
    if isinstance(tasks := part.get("tasks"), list):
        named = [_named(task, server) if isinstance(task, dict) else task for task in tasks]
        part = {**part, "tasks": named}
    return part


def related_named(part: dict[str, Json], server: str) -> dict[str, Json]:
    """Return a part of a server's message that may say to belong to a task of its own."""
    return _related(part, lambda own: joined_id(server, own))


def own_params(params: Object) -> Object:
    """Return params that may say to belong to a task, by the id that its server gave it."""
    return _related({**params}, _own)


def own_answer(answer: Response) -> Response:
    """Return the answer to a server that may say to belong to a task of that server's."""
    result = answer.result
    changed = _related({**result}, _own) if result is not None else None
    if changed is None or changed == result:
        return answer
    return replace(answer, result=changed, whole={**answer.whole, "result": changed})


def _named(task: dict[str, Json], server: str) -> dict[str, Json]:
    own = task.get(TASK_ID)
    return {**task, TASK_ID: joined_id(server, own)} if isinstance(own, str) else task


def _own(joined: str) -> str:
    """Return a server's own id; one that is none of ours is the client's own and stays."""
    found = split_id(joined)
    return str(found[1]) if found is not None else joined


def _related(part: dict[str, Json], turn: Callable[[str], str]) -> dict[str, Json]:
    meta = part.get("_meta")
    task = meta.get(RELATED) if isinstance(meta, dict) else None
    if not isinstance(meta, dict) or not isinstance(task, dict):
        return part
    named = task.get(TASK_ID)
    if not isinstance(named, str):
        return part
    return {**part, "_meta": {**meta, RELATED: {**task, TASK_ID: turn(named)}}}
