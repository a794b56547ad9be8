"""The three kinds of JSON-RPC message, as values that the envelope ladder has checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ostiary.decode.strict_json import Json

__all__ = ["Id", "Message", "Notification", "Object", "Request", "Response"]

Id = int | str
"""A JSON-RPC id; never null, never a fraction, never a boolean (rule 24)."""

Object = Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Asks for one answer under `id`. `whole` is the object as read, for writing it again."""

    id: Id
    method: str
    params: Object = field(default_factory=dict)
    whole: Object = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Tells something; gets no answer."""

    method: str
    params: Object = field(default_factory=dict)
    whole: Object = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Answers the request `id`: exactly one of `result` and `error` is there.

    `id` is None only in an error about a request whose id could not be read.
    """

    id: Id | None
    result: Object | None = None
    error: Object | None = None
    whole: Object = field(default_factory=dict, compare=False)


Message = Request | Notification | Response
