"""The envelope ladder: bytes to one JSON-RPC message, or the failing rung (rules 4, 24, 50)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeGuard

from ostiary.decode.fault import Faulty
from ostiary.decode.strict_json import Json, read_json
from ostiary_proxy.mcp.keys import ENVELOPE, ERROR, INPUT, META, PARAMS, REF, RESULT
from ostiary_proxy.mcp.message import Id, Message, Notification, Object, Request, Response

__all__ = ["MAX_BODY", "RUNGS", "Misread", "Rung", "is_array", "read_array", "read_message"]

MAX_BODY: Final = 4 * 1024 * 1024
"""Bytes of one message from a client."""
_MAX_VALUES: Final = 250_000
"""Values in one message of anybody: more would hold up all others for long."""
_MAX_ID: Final = 256
_MAX_METHOD: Final = 256
_SAFE_INTEGER: Final = 2**53


class Rung(StrEnum):
    """What each rung asks; the first that fails decides the answer."""

    JSON = "one JSON value without ambiguity"
    ONE = "one message, not a batch"
    OBJECT = "an object"
    KEYS = "protocol keys in their own spelling"
    VERSION = "jsonrpc 2.0"
    ID = "an id that is a string or an integer"
    SHAPE = "a request, a notification or a response, and nothing else"
    METHOD = "a method name"
    PARAMS = "params that are an object"


RUNGS: Final[Mapping[Rung, str]] = {
    Rung.JSON: "ParseError",
    Rung.ONE: "InvalidRequest",
    Rung.OBJECT: "InvalidRequest",
    Rung.KEYS: "InvalidRequest",
    Rung.VERSION: "InvalidRequest",
    Rung.ID: "InvalidRequest",
    Rung.SHAPE: "InvalidRequest",
    Rung.METHOD: "InvalidRequest",
    Rung.PARAMS: "InvalidParams",
}
"""Failing rung to the refusal's code; `refused.CODES` holds its HTTP and JSON-RPC codes."""


class Misread(ValueError):  # noqa: N818 - a statement
    """The bytes are no message. `id` is the request's id where it could be read (rule 24)."""

    def __init__(self, rung: Rung, detail: str, request_id: Id | None = None) -> None:
        self.rung = rung
        self.code = RUNGS[rung]
        self.detail = detail
        self.id = request_id
        super().__init__(f"{rung.name}: {detail}")


def read_message(data: bytes) -> Message:
    """Return the one message in `data`; raises Misread with the first rung that failed."""
    value = _read(data)
    if isinstance(value, list):
        raise Misread(Rung.ONE, "batches are not part of this revision")
    return _message(value)


def is_array(data: bytes) -> bool:
    """Say whether `data` can only be read as an array."""
    return data.lstrip(b" \t\r\n")[:1] == b"["


def read_array(data: bytes) -> tuple[Message, ...]:
    """Return the messages of an array, at least one; raises Misread for the first that is none."""
    value = _read(data)
    if not isinstance(value, list) or not value:
        raise Misread(Rung.SHAPE, "a batch is an array of at least one message")
    return tuple(_message(element) for element in value)


def _read(data: bytes) -> Json:
    try:
        return read_json(data, max_values=_MAX_VALUES)
    except Faulty as error:
        raise Misread(Rung.JSON, error.faults[0].message) from None


def _message(whole: Json) -> Message:
    if not isinstance(whole, dict):
        raise Misread(Rung.OBJECT, "the message is not an object")
    odd = ENVELOPE.odd(whole)
    given = whole.get("id")
    usable = given if _is_id(given) else None
    if odd is not None:
        raise Misread(
            Rung.KEYS, f"the key {odd[:40]!r} differs from the protocol's only by case", usable
        )
    if whole.get("jsonrpc") != "2.0":
        raise Misread(Rung.VERSION, 'jsonrpc must be "2.0"', usable)
    if "method" in whole:
        return _call(whole, usable)
    return _response(whole, usable)


def _call(whole: Object, usable: Id | None) -> Request | Notification:
    if "id" in whole and usable is None:
        raise Misread(Rung.ID, "the id must be a string or an integer")
    if "result" in whole or "error" in whole:
        raise Misread(Rung.SHAPE, "a message with a method has neither result nor error", usable)
    method = whole["method"]
    if not isinstance(method, str) or not 0 < len(method) <= _MAX_METHOD:
        raise Misread(Rung.METHOD, "the method must be a short string", usable)
    params = whole.get("params", _NONE)
    if not isinstance(params, dict):
        raise Misread(Rung.PARAMS, "params must be an object", usable)
    _check_params(params, usable)
    if usable is None:
        return Notification(method=method, params=params, whole=whole)
    return Request(id=usable, method=method, params=params, whole=whole)


def _check_params(params: Object, usable: Id | None) -> None:
    """Look at params and the objects in it whose keys the protocol names, never at arguments."""
    odd = PARAMS.odd(params)
    for name, keys in _NAMED:
        value = params.get(name)
        if odd is None and isinstance(value, dict):
            odd = keys.odd(value)
    answers = params.get("inputResponses")
    if odd is None and isinstance(answers, dict):
        odd = next((INPUT.odd(one) for one in answers.values() if isinstance(one, dict)), None)
    if odd is not None:
        raise Misread(
            Rung.KEYS, f"the key {odd[:40]!r} differs from the protocol's only by case", usable
        )


def _response(whole: Object, usable: Id | None) -> Response:
    result, error = whole.get("result"), whole.get("error")
    if ("result" in whole) == ("error" in whole) or "params" in whole:
        raise Misread(Rung.SHAPE, "neither a request nor exactly one of result and error", usable)
    if "result" in whole:
        if usable is None:
            raise Misread(Rung.ID, "the id must be a string or an integer")
        if not isinstance(result, dict):
            raise Misread(Rung.SHAPE, "the result must be an object", usable)
        _check_keys(result, usable)
        return Response(id=usable, result=result, whole=whole)
    if not isinstance(error, dict) or not _is_error(error):
        raise Misread(Rung.SHAPE, "the error needs an integer code and a message", usable)
    if usable is None and whole.get("id") is not None:
        raise Misread(Rung.ID, "the id must be a string or an integer")
    return Response(id=usable, error=error, whole=whole)


def _check_keys(result: Object, usable: Id | None) -> None:
    odd = RESULT.odd(result)
    if odd is not None:
        raise Misread(
            Rung.KEYS, f"the key {odd[:40]!r} differs from the protocol's only by case", usable
        )


def _is_error(error: Object) -> bool:
    code = error.get("code")
    return (
        isinstance(code, int)
        and not isinstance(code, bool)
        and isinstance(error.get("message"), str)
        and ERROR.odd(error) is None
    )


def _is_id(value: Json) -> TypeGuard[Id]:
    """Integers beyond 2^53 are refused: peers that read doubles would answer another id."""
    if isinstance(value, str):
        return len(value) <= _MAX_ID
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _SAFE_INTEGER


_NONE: Final[dict[str, Json]] = {}
_NAMED: Final = (
    ("_meta", META),
    ("ref", REF),
    ("notifications", INPUT),
)
