"""What the API server said instead of doing it.

ApiFailed
├── NotFound      404
├── Conflict      409: exists already, changed since, or another uid
├── Gone          410: a watch has to start again from a list
├── Forbidden     403: no permission, or a quota or an admission check that refuses
├── Invalid       400, 405, 415, 422: a webhook may say so too
└── Unavailable   everything else, no answer included: try again later
"""

import json
import re
from typing import Final

__all__ = [
    "ApiFailed", "Conflict", "Forbidden", "Gone", "Invalid", "NotFound", "Unavailable",
    "failure_of",
]  # fmt: skip

_NO_PERMISSION: Final = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)


class ApiFailed(Exception):  # noqa: N818 - a statement
    """The server's own sentence is the message; `status` is 0 where there was no answer."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)

    @property
    def explained(self) -> str:
        """Return what people read in a status: the server's words, or a mend."""
        return str(self)


class NotFound(ApiFailed):
    """There is no such object, or no such kind."""


class Conflict(ApiFailed):
    """The object is not in the state that the request rests on."""


class Gone(ApiFailed):
    """The resourceVersion is too old to watch from."""


class Forbidden(ApiFailed):
    """The server refuses; `permission` says what a role would have to grant, '' for a quota."""

    @property
    def permission(self) -> str:
        """Return such as `patch deployments.apps in namespace prod`."""
        found = _NO_PERMISSION.search(str(self))
        if found is None:
            return ""
        resource = ".".join(filter(None, (found["resource"], found["group"])))
        where = f" in namespace {found['namespace']}" if found["namespace"] else ""
        return f"{found['verb']} {resource}{where}"

    @property
    def explained(self) -> str:
        """Return what people read in a status."""
        missing = self.permission
        return f"the operator may not {missing}; grant it" if missing else str(self)


class Invalid(ApiFailed):
    """The server can't take this body, today and tomorrow."""


class Unavailable(ApiFailed):
    """The server did not get to it."""


_BY_STATUS: Final[dict[int, type[ApiFailed]]] = {
    400: Invalid,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    409: Conflict,
    410: Gone,
    415: Invalid,
    422: Invalid,
}


def failure_of(status: int, body: bytes) -> ApiFailed:
    """Return the failure that an answer with an HTTP status and a Status object stands for."""
    try:
        said = json.loads(body)
        message = str(said["message"])
    except (ValueError, KeyError, TypeError):
        message = body[:300].decode(errors="replace").strip() or "no reason given"
    return _BY_STATUS.get(status, Unavailable)(message, status=status)
