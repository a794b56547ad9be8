"""The table of messages in docs/reference/messages.md, made of the tables that the proxy serves."""

from collections.abc import Iterator, Sequence
from typing import Final

from ostiary.policy.facts import Kind
from ostiary_proxy.mcp.methods import (
    LISTEN,
    NOTIFICATIONS,
    REQUESTS,
    REVISIONS,
    TASK_ID,
    Method,
)
from ostiary_proxy.mcp.results import LISTS
from ostiary_proxy.mcp.server_methods import ASKED, TOLD, Asking, Told

__all__ = ["message_table"]

_SUBJECTS: Final = {
    "ref": "the prompt or resource in `params.ref`",
    "name": "the {kind} in `params.name`",
    "uri": "the {kind} in `params.uri`",
    "": "none: housekeeping",
    TASK_ID: "what created the task in `params.taskId`",
}
_LISTS: Final = frozenset((*LISTS, LISTEN, "tasks/list"))
_EACH: Final = "none: housekeeping; each item is judged"


def message_table(who: str) -> str:
    """Return the table of what `who` sends: `client` or `server`."""
    rows = _client() if who == "client" else _server()
    head = ("message", *REVISIONS, "what policy decides on")
    return "\n".join(_row(cells) for cells in (head, ("---",) * len(head), *rows))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _client() -> Iterator[Sequence[str]]:
    for method in (*REQUESTS, *NOTIFICATIONS):
        subject = _SUBJECTS[method.field].format(kind=method.kind)
        yield _cells(method, subject)


def _server() -> Iterator[Sequence[str]]:
    for asking in ASKED:
        named = f"`match.server`: `{asking.subject}`" if asking.subject else _SUBJECTS[asking.field]
        yield _cells(asking, named, more=f", mode `{asking.mode}`" if asking.mode else "")
    for told in TOLD:
        yield _cells(told, _SUBJECTS[told.field].format(kind=Kind.RESOURCE))


def _cells(row: Method | Asking | Told, subject: str, *, more: str = "") -> Sequence[str]:
    served = ("yes" if version in row.served else "" for version in REVISIONS)
    return f"`{row.name}`{more}", *served, _EACH if row.name in _LISTS else subject
