"""Writing JSON: compact, UTF-8, numbers with the lexeme they were read with."""

import math
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring

from ostiary.decode.strict_json import Number

__all__ = ["canonical_json", "write_json"]


def write_json(value: object) -> bytes:
    """Return `value` as compact UTF-8 JSON, members in their order.

    Raises TypeError for what JSON can't hold.
    """
    parts: list[str] = []
    _write(value, parts, sort=False)
    return "".join(parts).encode()


def canonical_json(value: object) -> bytes:
    """Return `value` as compact UTF-8 JSON with members sorted by key.

    The form that digests are taken over.
    """
    parts: list[str] = []
    _write(value, parts, sort=True)
    return "".join(parts).encode()


def _write(value: object, parts: list[str], *, sort: bool) -> None:
    if isinstance(value, str):
        parts.append(encode_basestring(value))
    elif value is None or isinstance(value, bool):
        parts.append("null" if value is None else "true" if value else "false")
    elif isinstance(value, Number):
        parts.append(value.lexeme)
    elif isinstance(value, int | float):
        parts.append(_number(value))
    elif isinstance(value, Mapping):
        _write_object(value, parts, sort=sort)
    elif isinstance(value, Sequence):
        _write_array(value, parts, sort=sort)
    else:
        raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise TypeError("NaN and Infinity can't be written as JSON")
    return repr(value)


def _write_object(value: Mapping[object, object], parts: list[str], *, sort: bool) -> None:
    parts.append("{")
    for index, key in enumerate(sorted(value, key=str) if sort else value):
        if not isinstance(key, str):
            raise TypeError("object keys must be strings")
        parts.append("," if index else "")
        parts.append(encode_basestring(key))
        parts.append(":")
        _write(value[key], parts, sort=sort)
    parts.append("}")


def _write_array(value: Sequence[object], parts: list[str], *, sort: bool) -> None:
    parts.append("[")
    for index, item in enumerate(value):
        parts.append("," if index else "")
        _write(item, parts, sort=sort)
    parts.append("]")
