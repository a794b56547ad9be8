"""What of one server's answer may stand beside the others': nonsense of one spoils none of theirs.

A client that can't read one item of a list, or one capability, reads nothing of the answer.
"""

from collections.abc import Mapping
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.joined.names import fits
from ostiary_proxy.mcp.message import Object, Response
from ostiary_proxy.mcp.results import LISTS, BadResult

__all__ = ["capabilities_of", "check_page", "items_of", "standing"]

_LONGEST: Final = 1024
"""Bytes of one server's cursor: eight of them go into one."""
_FREE: Final = ("experimental", "extensions")
"""Capabilities whose members are named by whoever agrees on them; each is an object."""
_TYPES: Final[Mapping[str, type]] = {
    "name": str, "title": str, "description": str, "uri": str, "uriTemplate": str, "mimeType": str,
    "inputSchema": dict, "outputSchema": dict, "annotations": dict, "execution": dict,
    "_meta": dict, "arguments": list, "icons": list,
}  # fmt: skip
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "tools": ("name", "inputSchema"),
    "prompts": ("name",),
    "resources": ("name", "uri"),
    "resourceTemplates": ("name", "uriTemplate"),
}


def items_of(method: str) -> str:
    """Return the member of a list's result that holds its items."""
    return "tasks" if method == "tasks/list" else LISTS[method].items


def check_page(method: str, answer: Response) -> None:
    """Raise BadResult where the result of a list is none; other answers have no pages."""
    result = answer.result
    if result is None or (method != "tasks/list" and method not in LISTS):
        return
    where = items_of(method)
    if not isinstance(result.get(where), list):
        raise BadResult(f"the result has no list {where!r}")
    if len(write_json(result.get("nextCursor"))) > _LONGEST:
        raise BadResult(f"the cursor is longer than {_LONGEST} bytes")


def standing(where: str, item: Json) -> Json | None:
    """Return an item of the list `where` as clients can read it, None where they can't."""
    if not isinstance(item, dict):
        return None
    item = {name: one for name, one in item.items() if one is not None or name not in _TYPES}
    if any(name not in item for name in _NEEDED.get(where, ())):
        return None
    if any(not isinstance(item[name], kind) for name, kind in _TYPES.items() if name in item):
        return None
    return item if where != "tools" or _is_tool(item) else None


def _is_tool(item: dict[str, Json]) -> bool:
    """Say whether clients take a tool of this name, whose arguments make an object."""
    schema = item["inputSchema"]
    return fits(str(item["name"])) and isinstance(schema, dict) and schema.get("type") == "object"


def capabilities_of(result: Object) -> dict[str, Json]:
    """Return what a server says that it can do, as far as a client can read that."""
    found = result.get("capabilities")
    named = found.items() if isinstance(found, dict) else ()
    return {name: _plain(name, one) for name, one in named if isinstance(one, dict)}


def _plain(name: str, capability: dict[str, Json]) -> dict[str, Json]:
    kinds = dict if name in _FREE else (bool, dict)
    return {member: one for member, one in capability.items() if isinstance(one, kinds)}
