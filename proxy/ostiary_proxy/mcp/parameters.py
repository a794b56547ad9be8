"""Arguments of tools that 2026-07-28 repeats in Mcp-Param-* headers (rules 15 and 42).

A tool's inputSchema marks them with `x-mcp-header`, on properties that hold one plain value.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ostiary.decode.strict_json import Json, Number
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.mirrored import BadMirror, decode_mirror, encode_mirror
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Headers

__all__ = [
    "PREFIX", "BadParameter", "Parameter", "check_parameters", "legible", "mirrored",
    "parameters_of",
]  # fmt: skip

PREFIX: Final = "mcp-param-"
_MARK: Final = "x-mcp-header"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_MOST: Final = 64
_LONGEST: Final = 128
_FAREST: Final = 512
"""Marks of one tool; characters of a header's name, and of the way to its value."""
_PLAIN: Final = ("string", "integer", "boolean")
_ONE: Final = frozenset(
    (
        "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
    )
)  # fmt: skip
_LIST: Final = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_NAMED: Final = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties"))
"""Keywords of JSON Schema whose value is a schema, a list of schemas, or schemas by name."""


class BadParameter(ValueError):  # noqa: N818 - a statement
    """The schema marks a property that no header can repeat, or none that can be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One marked property: the header, in lower case, and the way to it from the arguments."""

    header: str
    path: tuple[str, ...]
    integer: bool


def parameters_of(schema: Json) -> tuple[Parameter, ...]:
    """Return what an inputSchema marks; raises BadParameter where clients would drop the tool."""
    found = tuple(_parameter(path, marked) for path, marked in _marked(schema, ()))
    if len(found) > _MOST:
        raise BadParameter("more marks than a request has room for headers")
    if len({parameter.header for parameter in found}) < len(found):
        raise BadParameter("two properties name the same header")
    return found


def _marked(schema: Json, path: tuple[str, ...] | None) -> Iterator[tuple[tuple[str, ...], Object]]:
    """Iterate over marked schemas; `path` is None where no way of properties leads."""
    if not isinstance(schema, dict):
        return
    if _MARK in schema:
        if not path:
            raise BadParameter("a mark stands where no property is")
        yield path, schema
    for keyword, value in schema.items():
        if keyword == "properties" and isinstance(value, dict):
            for name, inner in value.items():
                yield from _marked(inner, None if path is None else (*path, name))
            continue
        for inner in _within(keyword, value):
            yield from _marked(inner, None)


def _within(keyword: str, value: Json) -> Sequence[Json]:
    if keyword in _ONE:
        return [value]
    if keyword in _LIST and isinstance(value, list):
        return value
    if keyword in _NAMED and isinstance(value, dict):
        return list(value.values())
    return ()


def _parameter(path: tuple[str, ...], marked: Object) -> Parameter:
    name, kind = marked[_MARK], marked.get("type")
    if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
        raise BadParameter("a mark is no header name")
    if kind not in _PLAIN:
        raise BadParameter("a mark stands on a property that holds no plain value")
    if len(name) > _LONGEST or sum(map(len, path)) > _FAREST:
        raise BadParameter("a mark is longer than a header has room for")
    return Parameter(header=PREFIX + name.lower(), path=path, integer=kind == "integer")


def legible(tools: Sequence[Json]) -> tuple[list[Json], dict[str, tuple[Parameter, ...]]]:
    """Return the tools that clients won't drop, in order, and by name what they mark."""
    kept: list[Json] = []
    marks: dict[str, tuple[Parameter, ...]] = {}
    for tool in tools:
        assert isinstance(tool, dict)  # what can't be read was left out before
        try:
            marks[str(tool["name"])] = parameters_of(tool.get("inputSchema"))
        except BadParameter:
            continue
        kept.append(tool)
    return kept, marks


def mirrored(parameters: Sequence[Parameter], arguments: Object) -> Headers:
    """Return the headers that repeat these arguments."""
    values = ((one.header, _text(_value(arguments, one.path))) for one in parameters)
    return tuple((name, encode_mirror(text)) for name, text in values if text is not None)


def check_parameters(
    parameters: Sequence[Parameter], arguments: Object, headers: Mapping[str, str]
) -> None:
    """Compare headers with arguments, where one is there or the other; raises Refused."""
    for one in parameters:
        said, value = headers.get(one.header), _value(arguments, one.path)
        try:
            same = _same(one, value, None if said is None else decode_mirror(said))
        except BadMirror as error:
            raise Refused("HeaderMismatch", message=str(error)) from None
        if not same:
            name = f"Mcp-Param-{one.header.removeprefix(PREFIX)}"
            where = f"params.arguments.{'.'.join(one.path)}"
            raise Refused(
                "HeaderMismatch", message=f"{name} is missing or differs from {where}"[:200]
            )


def _same(one: Parameter, value: object, said: str | None) -> bool:
    """Integers are compared as numbers; null is like nothing, and what is not plain has no form."""
    text = _text(value)
    if text is None or said is None:
        return text is said
    if one.integer and not isinstance(value, str | bool) and _DECIMAL.fullmatch(said):
        return Decimal(said) == Decimal(text)
    return said == text


def _value(arguments: Object, path: tuple[str, ...]) -> object:
    value: object = arguments
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _text(value: object) -> str | None:
    """Return how a header says a value; None where there is nothing that it could say."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.lexeme
    return str(value) if isinstance(value, str | int) else None
