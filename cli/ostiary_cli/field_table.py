"""Tables for docs/reference out of a CRD: a row a field, a row a printer column."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["column_table", "field_table"]

_HEAD: Final = ("| field | type | default | bounds | what |", "|---|---|---|---|---|")
_UNITS: Final = {"string": "characters", "array": "items", "object": "members"}
_BOUNDS: Final = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
    "integer": ("minimum", "maximum"),
}
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Field:
    path: str
    schema: Schema
    required: bool


def field_table(definition: Schema, path: str, *, elsewhere: Collection[str] = ()) -> str:
    """Return the rows of the field at `path` and of all below it, and the rules that hold there.

    Fields of `elsewhere` have a table of their own: their rows are here, what is below is not.
    """
    others = frozenset(elsewhere) - {path}
    fields = list(_below(_find(definition, path), others))
    rows = [_row(field) for field in fields if not field.path.endswith("[]")]
    rules = [
        f"- `{field.path}`: {rule['message']}"
        for field in fields
        if field.path not in others
        for rule in field.schema.get("x-kubernetes-validations", ())
    ]
    return "\n".join((*_HEAD, *rows, *(("", "Beside the bounds:", "", *rules) if rules else ())))


def column_table(definition: Schema) -> str:
    """Return what `kubectl get` shows."""
    columns: Sequence[Schema] = definition["spec"]["versions"][0]["additionalPrinterColumns"]
    shown = [
        f"| {column['name']} | `{_escaped(column['jsonPath'])}` | {_when(column)} |"
        for column in columns
    ]
    return "\n".join(("| column | out of | shown |", "|---|---|---|", *shown))


def _when(column: Schema) -> str:
    return "with `-o wide`" if column.get("priority") else "always"


def _find(definition: Schema, path: str) -> _Field:
    """Return the field at a path such as `spec.rules[].who`."""
    schema: Schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    required = True
    for step in path.split("."):
        name = step.removesuffix("[]")
        required = name in schema.get("required", ())
        schema = schema["properties"][name]
        if step.endswith("[]"):
            schema = schema["items"]
    return _Field(path, schema, required)


def _below(field: _Field, elsewhere: Collection[str]) -> Iterator[_Field]:
    """Yield a field and all below it; the path of a list's items ends with `[]`."""
    yield field
    if field.path in elsewhere:
        return
    schema = field.schema
    if "items" in schema:
        items = _Field(f"{field.path}[]", schema["items"], required=False)
        yield from _below(items, elsewhere)
    for name, member in schema.get("properties", {}).items():
        needed = name in schema.get("required", ())
        yield from _below(_Field(f"{field.path}.{name}", member, needed), elsewhere)


def _row(field: _Field) -> str:
    schema = field.schema
    default = "required" if field.required else _default(schema)
    what = _escaped(schema.get("description", "")).replace("<", "&lt;")
    bounds = "; ".join(_bounds(schema))
    return f"| `{field.path}` | {_type(schema)} | {default} | {bounds} | {what} |"


def _type(schema: Schema) -> str:
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if isinstance(values := schema.get("additionalProperties"), Mapping):
        return f"map of {_type(values)}"
    return str(schema.get("format", schema["type"]))


def _default(schema: Schema) -> str:
    """Return the default; an object's is made of its members'."""
    if "default" not in schema or schema["type"] == "object":
        return ""
    return f"`{_escaped(json.dumps(schema['default']))}`"


def _bounds(schema: Schema) -> Iterator[str]:
    if choices := schema.get("enum"):
        yield " or ".join(f"`{choice}`" for choice in choices)
    least, most = (schema.get(name) for name in _BOUNDS.get(schema["type"], ("", "")))
    unit = f" {_UNITS[schema['type']]}" if schema["type"] in _UNITS else ""
    if least is not None and most is not None:
        yield f"{least} to {most}{unit}"
    elif most is not None:
        yield f"at most {most}{unit}"
    elif least is not None:
        yield f"at least {least}{unit}"
    if pattern := schema.get("pattern"):
        yield f"`{_escaped(pattern)}`"
    if keys := schema.get("x-kubernetes-list-map-keys"):
        yield f"each {' and '.join(keys)} once"
    if "items" in schema and (of_items := "; ".join(_bounds(schema["items"]))):
        yield f"each: {of_items}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
