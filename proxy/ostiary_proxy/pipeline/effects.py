"""What has to happen before a piece of an answer may be written, as values; the driver does it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ostiary_proxy.audit.record import Record
from ostiary_proxy.identity import Person

__all__ = ["AnswerUpstream", "DropRow", "Effect", "Lookup", "Out", "PutRow", "Rows", "WriteRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRecord:
    """Write an audit record."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRow:
    """Write a Store row; it counts for the allowance of `whose`, where that is said."""

    table: str
    key: str
    value: bytes
    expires: float
    whose: Person | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropRow:
    """Delete a Store row, whether or not it is there."""

    table: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerUpstream:
    """Post a JSON-RPC response of our own to upstream: a server's request was refused."""

    body: bytes


Effect = WriteRecord | PutRow | DropRow | AnswerUpstream
Rows = tuple[bytes | None, ...]
"""The values of Store rows, None for each that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Rows that have to be read before anybody knows what goes out: `then` says it."""

    table: str
    keys: tuple[str, ...]
    then: Callable[[Rows], "Out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """`data` for the client after all in `before` happened, in order; `last` ends the stream.

    With a `lookup` it is nothing yet but what that comes to.
    """

    data: bytes = b""
    before: tuple[Effect, ...] = ()
    last: bool = False
    lookup: Lookup | None = None

    def then(self, change: Callable[["Out"], "Out"]) -> "Out":
        """Return what `change` makes of it once it is known."""
        lookup = self.lookup
        if lookup is None:
            return change(self)
        return Out(lookup=replace(lookup, then=lambda rows: lookup.then(rows).then(change)))
