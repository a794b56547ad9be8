"""Which messages a client may send in each revision, and their subjects (table c).

A message that is not in the table is not served: it is never forwarded, whatever a policy's globs
say (policy.md 11).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import UNKNOWN, Deferred, Kind, Subject, Unknown
from ostiary_proxy.mcp.message import Object

__all__ = [
    "BATCHED", "LEGACY", "LISTEN", "MODERN", "NOTIFICATIONS", "REQUESTS", "REVISIONS", "TASKS",
    "TASK_ID", "BadParams", "Method", "client_notifications", "client_requests", "listen_tasks",
    "listen_uris", "subject_of",
]  # fmt: skip

BATCHED: Final = "2025-03-26"
"""The one revision in which a body may be an array of messages."""
LEGACY: Final = (BATCHED, "2025-06-18", "2025-11-25")
"""Revisions with initialize and sessions, oldest first."""
MODERN: Final = "2026-07-28"
REVISIONS: Final = (*LEGACY, MODERN)
LISTEN: Final = "subscriptions/listen"
TASKS: Final = "2025-11-25"
"""The revision that has tasks in both directions; MODERN has an extension for them."""
TASK_ID: Final = "taskId"
"""The member of params that names a task: policy decides on what the task was created by."""


_MOST: Final = 1000
"""URIs, and tasks, that one listen request may name."""


class BadParams(ValueError):  # noqa: N818 - a statement
    """The params lack what the method's subject is read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A request or notification of the client.

    `served` are the revisions that know it. `kind` is what policy decides on; `field` the member of
    params that names the subject; `named` says whether 2026-07-28 mirrors it in Mcp-Name (rule 11),
    `retried` whether it may ask for input there (rule 45).
    """

    name: str
    served: tuple[str, ...] = REVISIONS
    kind: Kind = Kind.HOUSEKEEPING
    field: str = ""
    arguments: bool = False
    named: bool = False
    retried: bool = False


REQUESTS: Final = (
    Method(name="initialize", served=LEGACY),
    Method(name="server/discover", served=(MODERN,)),
    Method(name="ping", served=LEGACY),
    Method(name="tools/list"),
    Method(
        name="tools/call", kind=Kind.TOOL, field="name", arguments=True, named=True, retried=True
    ),
    Method(name="resources/list"),
    Method(name="resources/templates/list"),
    Method(name="resources/read", kind=Kind.RESOURCE, field="uri", named=True, retried=True),
    Method(name="resources/subscribe", served=LEGACY, kind=Kind.RESOURCE, field="uri"),
    Method(name="resources/unsubscribe", served=LEGACY, kind=Kind.RESOURCE, field="uri"),
    Method(name=LISTEN, served=(MODERN,)),
    Method(name="prompts/list"),
    Method(
        name="prompts/get", kind=Kind.PROMPT, field="name", arguments=True, named=True, retried=True
    ),
    Method(name="completion/complete", kind=Kind.PROMPT, field="ref"),
    Method(name="logging/setLevel", served=LEGACY),
    Method(name="tasks/get", served=(TASKS, MODERN), field=TASK_ID, named=True),
    Method(name="tasks/result", served=(TASKS,), field=TASK_ID),
    Method(name="tasks/update", served=(MODERN,), field=TASK_ID, named=True),
    Method(name="tasks/cancel", served=(TASKS, MODERN), field=TASK_ID, named=True),
    Method(name="tasks/list", served=(TASKS,)),
)
NOTIFICATIONS: Final = (
    Method(name="notifications/initialized", served=LEGACY),
    Method(name="notifications/cancelled"),
    Method(name="notifications/progress", served=LEGACY),
    Method(name="notifications/roots/list_changed", served=LEGACY),
    Method(name="notifications/tasks/status", served=(TASKS,), field=TASK_ID),
)


def _by_revision(methods: tuple[Method, ...]) -> Mapping[str, Mapping[str, Method]]:
    return {
        version: {method.name: method for method in methods if version in method.served}
        for version in REVISIONS
    }


_REQUESTS: Final = _by_revision(REQUESTS)
_NOTIFICATIONS: Final = _by_revision(NOTIFICATIONS)


def client_requests(version: str) -> Mapping[str, Method]:
    """Return the requests that a client of `version` may send."""
    return _REQUESTS[version]


def client_notifications(version: str) -> Mapping[str, Method]:
    """Return the notifications that a client of `version` may send."""
    return _NOTIFICATIONS[version]


def subject_of(method: Method, params: Object) -> Subject:
    """Return what policy decides a request or notification on; raises BadParams."""
    if method.field == TASK_ID:
        _text(params, TASK_ID)
    if method.kind is Kind.HOUSEKEEPING:
        return Subject(kind=Kind.HOUSEKEEPING, method=method.name)
    if method.field == "ref":
        return _reference(method, params)
    return Subject(
        kind=method.kind,
        method=method.name,
        name=_text(params, method.field),
        arguments=_arguments(params) if method.arguments else UNKNOWN,
    )


def _text(params: Object, field: str) -> str:
    value = params.get(field)
    if not isinstance(value, str) or not value:
        raise BadParams(f"params.{field} must be a string")
    return value


def _arguments(params: Object) -> Mapping[str, Json] | Deferred | Unknown:
    """Absent arguments are no arguments: peers read both alike."""
    value = params.get("arguments", _EMPTY)
    if not isinstance(value, dict):
        raise BadParams("params.arguments must be an object")
    return value


def _reference(method: Method, params: Object) -> Subject:
    ref = params.get("ref")
    if not isinstance(ref, dict):
        raise BadParams("params.ref must be an object")
    if ref.get("type") == "ref/prompt":
        return Subject(kind=Kind.PROMPT, method=method.name, name=_text(ref, "name"))
    if ref.get("type") == "ref/resource":
        return Subject(kind=Kind.RESOURCE, method=method.name, name=_text(ref, "uri"))
    raise BadParams("params.ref.type must be ref/prompt or ref/resource")


def listen_uris(params: Object) -> tuple[str, ...]:
    """Return the resource URIs that a listen request names; raises BadParams."""
    wanted = params.get("notifications")
    if not isinstance(wanted, dict):
        raise BadParams("params.notifications must be an object")
    return _heard(wanted, "resourceSubscriptions")


def listen_tasks(params: Object) -> tuple[str, ...]:
    """Return the tasks that a listen request names; raises BadParams."""
    wanted = params.get("notifications")
    return _heard(wanted, "taskIds") if isinstance(wanted, dict) else ()


def _heard(wanted: Object, field: str) -> tuple[str, ...]:
    """Return what is named under `field`: each is judged, or looked up."""
    named = wanted.get(field, [])
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise BadParams(f"params.notifications.{field} must be a list of strings")
    if len(named) > _MOST:
        raise BadParams(f"params.notifications.{field} must name at most {_MOST}")
    return tuple(str(one) for one in named)


_EMPTY: Final[dict[str, Json]] = {}
