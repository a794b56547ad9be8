"""Reading JSON so that no two parsers can disagree on what was read.

Security decision 7, rule 50, pitfall d10.
"""

import json
import re
from collections import Counter
from typing import Final, NoReturn

from ostiary.decode.fault import Fault, Faulty

__all__ = ["MAX_DEPTH", "Json", "Number", "read_json"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A JSON value as `read_json` returns it.

Every number that is not a plain integer is a `Number`.
"""

MAX_DEPTH: Final = 128
_MAX_DIGITS: Final = 400
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
"""A string, or all from a quote without its end: nothing is looked at twice, whatever it is."""
_BRACKET: Final = re.compile(rb"[\[{\]}]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Number(float):
    """A JSON number that is not a plain integer: its value, and the lexeme it was written with."""

    __slots__ = ("lexeme",)
    lexeme: str

    def __new__(cls, lexeme: str) -> "Number":
        """Keep the lexeme; raises ValueError where the value is beyond a double."""
        number = super().__new__(cls, lexeme)
        if number in (float("inf"), float("-inf")):
            raise ValueError("a number is beyond the range of a double")
        number.lexeme = lexeme
        return number


def read_json(data: bytes, *, max_depth: int = MAX_DEPTH, max_values: int | None = None) -> Json:
    """Return the one JSON value in `data`.

    Raises Faulty for anything ambiguous: a BOM, bytes that are not UTF-8, trailing data, duplicate
    keys at any depth, NaN or Infinity, numbers beyond a double, lone surrogates; and for nesting
    deeper than `max_depth`, or more than `max_values` values, each of which takes its time. The
    size limit is the caller's, who knows it before the bytes are read.
    """
    if data.startswith(b"\xef\xbb\xbf"):
        raise _faulty("starts with a byte order mark; send plain UTF-8")
    _bound(data, max_depth, len(data) if max_values is None else max_values)
    try:
        value: Json = _decoder(data).decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise _faulty("is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _faulty(f"is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _faulty(f"is nested deeper than {max_depth}") from None
    except ValueError as error:
        raise _faulty(str(error)) from None
    if b"\\ud" in data or b"\\uD" in data:
        _refuse_surrogates(value)
    return value


def _faulty(message: str) -> Faulty:
    return Faulty([Fault(path="", message=message)])


def _decoder(data: bytes) -> json.JSONDecoder:
    """Return the shared decoder.

    The one that keeps `-0` calls Python for each integer and is used where needed only.
    """
    return _KEEPS_MINUS_ZERO if b"-0" in data else _PLAIN


def _bound(data: bytes, max_depth: int, max_values: int) -> None:
    """Refuse deep nesting and many values before anything recurses or takes them one by one.

    Documents with few brackets and commas, in strings or not, are not scanned at all.
    """
    if _openings(data) <= max_depth and _separators(data) <= max_values:
        return
    bare = _STRING.sub(b"", data)
    if _separators(bare) > max_values:
        raise _faulty(f"holds more than {max_values} values")
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > max_depth:
            raise _faulty(f"is nested deeper than {max_depth}")


def _openings(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def _separators(data: bytes) -> int:
    """Return how many values there are at most: each opens, or follows a comma or an opening."""
    return data.count(b",") + _openings(data)


def _refuse_surrogates(value: Json) -> None:
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise _faulty("holds a lone surrogate")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_surrogates(key)
            _refuse_surrogates(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_surrogates(item)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counted = Counter(key for key, _ in pairs)
        twice = next(key for key, times in counted.items() if times > 1)
        raise ValueError(f"has the key {twice[:60]!r} twice in one object")
    return members


def _integer(lexeme: str) -> int | Number:
    if len(lexeme) > _MAX_DIGITS:
        raise ValueError("an integer has too many digits")
    return Number(lexeme) if lexeme == "-0" else int(lexeme)


def _constant(lexeme: str) -> NoReturn:
    raise ValueError(f"holds {lexeme}, which is not JSON")


def _decoder_with(parse_int: object) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_float=Number,
        parse_int=parse_int,  # type: ignore[arg-type]  # the stub wants int; a Number is what we mean for -0
        parse_constant=_constant,
    )


_PLAIN: Final = _decoder_with(int)
_KEEPS_MINUS_ZERO: Final = _decoder_with(_integer)
