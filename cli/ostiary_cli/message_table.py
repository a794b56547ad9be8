"""The table of messages in docs/reference/messages.md, made of the tables that the proxy serves."""

from collections.abc import Iterator, Sequence
from typing import Final

from ostiary.policy.facts import Kind
from ostiary_proxy.mcp.methods import LISTEN, NOTIFICATIONS, REQUESTS, REVISIONS, Method
from ostiary_proxy.mcp.results import LISTS
from ostiary_proxy.mcp.server_methods import ASKED, TOLD, Asking, Told

__all__ = ["message_table"]

_SUBJECTS: Final = {
    "ref": "the prompt or resource in `params.ref`",
    "name": "the {kind} in `params.name`",
    "uri": "the {kind} in `params.uri`",
    "": "none: housekeeping",
}
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
        each = method.name in LISTS or method.name == LISTEN
        subject = _EACH if each else _SUBJECTS[method.field].format(kind=method.kind)
        yield f"`{method.name}`", *_served(method), subject


def _server() -> Iterator[Sequence[str]]:
    for asking in ASKED:
        mode = f", mode `{asking.mode}`" if asking.mode is not None else ""
        subject = f"`match.server`: `{asking.subject}`" if asking.subject else _SUBJECTS[""]
        yield f"`{asking.name}`{mode}", *_served(asking), subject
    for told in TOLD:
        subject = f"the {Kind.RESOURCE} in `params.{told.field}`" if told.field else _SUBJECTS[""]
        yield f"`{told.name}`", *_served(told), subject


def _served(row: Method | Asking | Told) -> Iterator[str]:
    return ("yes" if version in row.served else "" for version in REVISIONS)
