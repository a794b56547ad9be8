"""What has to happen before a piece of an answer may be written, as values; the driver does it."""

from dataclasses import dataclass

from ostiary_proxy.audit.record import Record

__all__ = ["AnswerUpstream", "Effect", "Out", "PutRow", "WriteRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRecord:
    """Write an audit record."""

    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRow:
    """Write a Store row that must not be there yet."""

    table: str
    key: str
    value: bytes
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerUpstream:
    """Post a JSON-RPC response of our own to upstream: a server's request was refused."""

    body: bytes


Effect = WriteRecord | PutRow | AnswerUpstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """`data` for the client after all in `before` happened, in order; `last` ends the stream."""

    data: bytes = b""
    before: tuple[Effect, ...] = ()
    last: bool = False
