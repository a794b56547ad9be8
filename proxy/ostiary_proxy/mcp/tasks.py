"""Tasks, work that outlives its call: of 2025-11-25, and of the extension of 2026-07-28.

A task is named by an id that the server makes up; whoever knows it may read what the call brings.
"""

from collections.abc import Mapping
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.keys import TASK
from ostiary_proxy.mcp.message import Message, Object, Request, Response
from ostiary_proxy.mcp.methods import MODERN, TASK_ID, TASKS
from ostiary_proxy.mcp.results import BadResult

__all__ = [
    "CAPABILITY", "EXTENSION", "OFFER", "RELATED", "created", "declared", "declares", "hold_to",
    "id_of", "is_plain", "listed", "named", "offers", "related", "seconds",
]  # fmt: skip

EXTENSION: Final = "io.modelcontextprotocol/tasks"
CAPABILITY: Final[dict[str, Json]] = {"extensions": {EXTENSION: {}}}
"""What a client of 2026-07-28 has to declare with a request about tasks."""
OFFER: Final[Json] = {"cancel": {}, "list": {}, "requests": {"tools": {"call": {}}}}
"""What a server of 2025-11-25 declares that has all there is of tasks."""
RELATED: Final = "io.modelcontextprotocol/related-task"
_LONGEST: Final = 1024
"""Characters of a task's id."""
_FOREVER: Final = 10**15
"""Milliseconds: a larger integer may be none that a float can hold."""


def declares(capabilities: Object) -> bool:
    """Say whether these capabilities of a 2026-07-28 request have the extension."""
    extensions = capabilities.get("extensions")
    return isinstance(extensions, Mapping) and EXTENSION in extensions


def offers(initialized: Object) -> bool:
    """Say whether a legacy server makes tasks of calls, by what it said to initialize."""
    found: Json = initialized.get("capabilities")
    for name in ("tasks", "requests", "tools", "call"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found is not None and initialized.get("protocolVersion") == TASKS


def declared(capabilities: Object, version: str) -> Object:
    """Return a server's capabilities less tasks in a form that the revision does not know."""
    kept = {n: value for n, value in capabilities.items() if n != "tasks" or version == TASKS}
    extensions = kept.get("extensions")
    if version != MODERN and isinstance(extensions, dict) and EXTENSION in extensions:
        kept["extensions"] = {n: value for n, value in extensions.items() if n != EXTENSION}
    return kept


def created(result: Object, version: str) -> Object | None:
    """Return the task that a result brings in place of an answer, or None; raises BadResult."""
    if version == MODERN:
        return named(result) if result.get("resultType") == "task" else None
    task = result.get("task") if version == TASKS else None
    return named(task) if isinstance(task, dict) else None


def named(task: Object) -> Object:
    """Return a task that has an id; raises BadResult."""
    id_of(task)
    return task


def id_of(task: Object) -> str:
    """Return the id of a task; raises BadResult."""
    found = task.get(TASK_ID)
    if not isinstance(found, str) or not 0 < len(found) <= _LONGEST or TASK.odd(task) is not None:
        raise BadResult("a task has no id that can be read")
    return found


def hold_to(result: Object, request: Request | None) -> None:
    """Raise BadResult where a result is about another task than the one that was asked for."""
    asked = request.params.get(TASK_ID) if request is not None else None
    if TASK_ID in result and id_of(result) != asked:
        raise BadResult("the result is about another task")


def is_plain(result: Object) -> bool:
    """Say whether a result is whole, and asks for nothing more."""
    return result.get("resultType", "complete") == "complete" and "inputRequests" not in result


def listed(result: Object) -> list[dict[str, Json]]:
    """Return the tasks of a list; raises BadResult."""
    tasks = result.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise BadResult("the result has no list 'tasks'")
    return [task for task in tasks if isinstance(task, dict) and named(task)]


def seconds(task: Object) -> float | None:
    """Return for how long a task is kept, None where nobody says."""
    said = task.get("ttl", task.get("ttlMs"))
    if not isinstance(said, int | float) or isinstance(said, bool):
        return None
    return max(0, min(said, _FOREVER)) / 1000


def related(message: Message) -> str | None:
    """Return the id of the task that a message says to belong to; raises BadResult."""
    holder = message.result if isinstance(message, Response) else message.params
    meta = holder.get("_meta") if holder is not None else None
    if not isinstance(meta, dict) or RELATED not in meta:
        return None
    task = meta[RELATED]
    if not isinstance(task, dict):
        raise BadResult("a task has no id that can be read")
    return id_of(task)
