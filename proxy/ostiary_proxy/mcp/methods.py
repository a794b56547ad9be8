"""Which messages each revision knows, in which direction, and their subjects (table c).

A message that is not in the table is not served: it is never forwarded, whatever a policy's globs
say (policy.md 11). Tasks, resumption and 2025-03-26 are not served yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import UNKNOWN, Deferred, Kind, Subject, Unknown
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.message import Object

__all__ = [
    "LEGACY", "LISTEN", "MODERN", "REVISIONS", "BadParams", "Method", "Passing",
    "client_notifications", "client_requests", "listen_uris", "server_notification",
    "server_request", "subject_of",
]  # fmt: skip

LEGACY: Final = ("2025-06-18", "2025-11-25")
"""Revisions with initialize and sessions, oldest first."""
MODERN: Final = "2026-07-28"
REVISIONS: Final = (*LEGACY, MODERN)
LISTEN: Final = "subscriptions/listen"


class BadParams(ValueError):  # noqa: N818 - a statement
    """The params lack what the method's subject is read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A request or notification of the client.

    `kind` is what policy decides on; `field` the member of params that names the subject; `named`
    says whether 2026-07-28 mirrors it in Mcp-Name (rule 11).
    """

    name: str
    kind: Kind = Kind.HOUSEKEEPING
    field: str = ""
    arguments: bool = False
    named: bool = False
    retried: bool = False


_CALLS: Final = (
    Method(name="tools/call", kind=Kind.TOOL, field="name", arguments=True, named=True,
    retried=True), Method(name="prompts/get", kind=Kind.PROMPT, field="name", arguments=True,
    named=True, retried=True), Method(name="resources/read", kind=Kind.RESOURCE, field="uri",
    named=True, retried=True), Method(name="completion/complete", kind=Kind.PROMPT, field="ref"),
    Method(name="tools/list"),
    Method(name="prompts/list"),
    Method(name="resources/list"),
    Method(name="resources/templates/list"),
)  # fmt: skip
_LEGACY_ONLY: Final = (
    Method(name="initialize"),
    Method(name="ping"),
    Method(name="logging/setLevel"),
    Method(name="resources/subscribe", kind=Kind.RESOURCE, field="uri"),
    Method(name="resources/unsubscribe", kind=Kind.RESOURCE, field="uri"),
)
_MODERN_ONLY: Final = (Method(name="server/discover"), Method(name=LISTEN))


def _table(*groups: tuple[Method, ...]) -> Mapping[str, Method]:
    return {method.name: method for group in groups for method in group}


_LEGACY_REQUESTS: Final = _table(_CALLS, _LEGACY_ONLY)
_MODERN_REQUESTS: Final = _table(_CALLS, _MODERN_ONLY)
_LEGACY_NOTIFICATIONS: Final = _table(
    tuple(
        Method(name=f"notifications/{name}")
        for name in ("initialized", "cancelled", "progress", "roots/list_changed")
    )
)
_NOTHING: Final[Mapping[str, Method]] = {}


def client_requests(version: str) -> Mapping[str, Method]:
    """Return the requests that a client of `version` may send."""
    return _MODERN_REQUESTS if version == MODERN else _LEGACY_REQUESTS


def client_notifications(version: str) -> Mapping[str, Method]:
    """Return the notifications that a client of `version` may send.

    None over HTTP in 2026-07-28: closing the answer is the cancellation there (rule 28).
    """
    return _NOTHING if version == MODERN else _LEGACY_NOTIFICATIONS


def subject_of(method: Method, params: Object) -> Subject:
    """Return what policy decides a request or notification on; raises BadParams."""
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
    uris = wanted.get("resourceSubscriptions", [])
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        raise BadParams("params.notifications.resourceSubscriptions must be a list of strings")
    return tuple(str(uri) for uri in uris)


# -- what comes back ---------------------------------------------------------------------------


def server_request(version: str, method: str, params: Object) -> Subject | None:
    """Return the subject of a server's request, or None where the revision does not know it.

    For 2026-07-28 these are the entries of `inputRequests`, never messages on a stream (rule 26).
    """
    if method == "ping" and version != MODERN:
        return Subject(kind=Kind.HOUSEKEEPING, method=method)
    asked = _ASKED.get(method)
    if method == "elicitation/create" and params.get("mode", "form") != "form":
        known = params.get("mode") == "url" and version != "2025-06-18"
        asked = ServerRequest.ELICITATION_URL if known else None
    if asked is None:
        return None
    return Subject(kind=Kind.SERVER, method=method, name=asked.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """A known notification of a server; `field` names the URI that the client must be let read."""

    field: str = ""


def server_notification(version: str, method: str) -> Passing | None:
    """Return how a server's notification passes, or None where the revision does not know it."""
    if method == "notifications/subscriptions/acknowledged" and version != MODERN:
        return None
    if method == "notifications/elicitation/complete" and version != "2025-11-25":
        return None
    return _TOLD.get(method)


_EMPTY: Final[dict[str, Json]] = {}
_ASKED: Final[Mapping[str, ServerRequest]] = {
    "sampling/createMessage": ServerRequest.SAMPLING,
    "elicitation/create": ServerRequest.ELICITATION_FORM,
    "roots/list": ServerRequest.ROOTS,
}
_TOLD: Final[Mapping[str, Passing]] = {
    "notifications/cancelled": Passing(),
    "notifications/progress": Passing(),
    "notifications/message": Passing(),
    "notifications/tools/list_changed": Passing(),
    "notifications/prompts/list_changed": Passing(),
    "notifications/resources/list_changed": Passing(),
    "notifications/resources/updated": Passing(field="uri"),
    "notifications/elicitation/complete": Passing(),
    "notifications/subscriptions/acknowledged": Passing(),
}
