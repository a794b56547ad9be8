"""The Mcp-Param-* headers of a call: arguments that a tool's schema wants to see mirrored.

An annotation counts where plain `properties` lead to it; anywhere else, or malformed, it makes the
tool unusable (rule 42).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.decode.strict_json import Json, Number
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.mirrored import encode_mirror
from ostiary_proxy.wire import Headers

__all__ = ["Paths", "mirrored_in", "paths_in"]

Paths = Mapping[tuple[str, ...], str]
"""Where in the arguments a value stands, and the name of its header after `Mcp-Param-`."""
_ANNOTATION: Final = "x-mcp-header"
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_TYPES: Final = ("string", "integer", "boolean")
_DATA: Final = frozenset(("const", "default", "enum", "examples"))
"""Keywords that hold values and no schemas."""


def paths_in(schema: Json) -> Paths | None:
    """Return what `schema` wants mirrored, or None where an annotation in it is not valid."""
    found: dict[tuple[str, ...], str] = {}
    for path, inside in _schemas(schema, ()):
        if _ANNOTATION not in inside:
            continue
        name = inside[_ANNOTATION]
        if not path or not isinstance(name, str) or not _NAME.fullmatch(name):
            return None
        if inside.get("type") not in _TYPES or name.lower() in map(str.lower, found.values()):
            return None
        found[path] = name
    return found


def _schemas(value: Json, path: tuple[str, ...] | None) -> Iterator[tuple[tuple[str, ...], Object]]:
    """Walk over every object that may be a schema, with the way to it, () where there is none."""
    if isinstance(value, list):
        for item in value:
            yield from _schemas(item, None)
    if not isinstance(value, dict):
        return
    yield path or (), value
    for keyword, inside in value.items():
        if keyword == "properties" and isinstance(inside, dict):
            for name, one in inside.items():
                yield from _schemas(one, (*path, name) if path is not None else None)
        elif keyword not in _DATA:
            yield from _schemas(inside, None)


def mirrored_in(paths: Paths, arguments: Json) -> Headers:
    """Return the headers for what of `arguments` is there."""
    found = ((name, _text(_value(arguments, path))) for path, name in paths.items())
    return tuple(
        (f"mcp-param-{name.lower()}", encode_mirror(text))
        for name, text in found
        if text is not None
    )


def _value(arguments: Json, path: tuple[str, ...]) -> Json:
    for name in path:
        if not isinstance(arguments, dict):
            return None
        arguments = arguments.get(name)
    return arguments


def _text(value: Json) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.lexeme
    return str(value) if isinstance(value, str | int) else None
