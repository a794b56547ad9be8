"""Which messages a server may send in each revision, and their subjects (table c).

What is not in the table is dropped (policy.md 13). For 2026-07-28 the requests are entries of
`inputRequests`, never messages on a stream (rule 26).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.policy.facts import Kind, Subject
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.methods import LEGACY, MODERN, REVISIONS, TASK_ID, TASKS

__all__ = [
    "ASKED", "TOLD", "Asking", "Told", "asks_of_task", "server_notification", "server_request",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request of a server: the revisions that know it, by the subject that policy decides on.

    Where that depends on `params.mode`, each mode has an entry of its own. No subject: it needs no
    rule, or, with a `field` that names a task, the rule of what created that.
    """

    name: str
    subject: ServerRequest | None = None
    mode: str | None = None
    served: tuple[str, ...] = REVISIONS
    field: str = ""


ASKED: Final = (
    Asking(name="ping", served=LEGACY),
    Asking(name="roots/list", subject=ServerRequest.ROOTS),
    Asking(name="sampling/createMessage", subject=ServerRequest.SAMPLING),
    Asking(
        name="elicitation/create",
        mode="form",
        subject=ServerRequest.ELICITATION_FORM,
        served=REVISIONS[1:],
    ),
    Asking(
        name="elicitation/create",
        mode="url",
        subject=ServerRequest.ELICITATION_URL,
        served=REVISIONS[2:],
    ),
    Asking(name="tasks/get", served=(TASKS,), field=TASK_ID),
    Asking(name="tasks/result", served=(TASKS,), field=TASK_ID),
    Asking(name="tasks/cancel", served=(TASKS,), field=TASK_ID),
    Asking(name="tasks/list", served=(TASKS,)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A notification of a server.

    `field` names the URI that the client must be let read, or the task that must be its own.
    """

    name: str
    served: tuple[str, ...] = REVISIONS
    field: str = ""


TOLD: Final = (
    Told(name="notifications/cancelled"),
    Told(name="notifications/progress"),
    Told(name="notifications/message"),
    Told(name="notifications/tools/list_changed"),
    Told(name="notifications/prompts/list_changed"),
    Told(name="notifications/resources/list_changed"),
    Told(name="notifications/resources/updated", field="uri"),
    Told(name="notifications/elicitation/complete", served=("2025-11-25",)),
    Told(name="notifications/tasks/status", served=(TASKS,), field=TASK_ID),
    Told(name="notifications/tasks", served=(MODERN,), field=TASK_ID),
    Told(name="notifications/subscriptions/acknowledged", served=(MODERN,)),
)


def asks_of_task(method: str) -> bool:
    """Say whether a server's request is about a task of the client's, whose subject it has."""
    return method in _OF_TASKS


def server_request(version: str, method: str, params: Object) -> Subject | None:
    """Return the subject of a server's request, or None where the revision does not know it."""
    asking = _ASKED.get((version, method, _mode(method, params)))
    if asking is None:
        return None
    if asking.subject is None:
        return Subject(kind=Kind.HOUSEKEEPING, method=method)
    return Subject(kind=Kind.SERVER, method=method, name=asking.subject.value)


def _mode(method: str, params: Object) -> str | None:
    """Return the mode of an elicitation; one that is no text is none that a revision knows."""
    if method != "elicitation/create":
        return None
    mode = params.get("mode", "form")
    return mode if isinstance(mode, str) else ""


def server_notification(version: str, method: str) -> Told | None:
    """Return how a server's notification passes, or None where the revision does not know it."""
    return _TOLD.get((version, method))


_ASKED: Final[Mapping[tuple[str, str, str | None], Asking]] = {
    (version, asking.name, asking.mode): asking for asking in ASKED for version in asking.served
}
_OF_TASKS: Final = frozenset(asking.name for asking in ASKED if asking.field == TASK_ID)
_TOLD: Final[Mapping[tuple[str, str], Told]] = {
    (version, told.name): told for told in TOLD for version in told.served
}
