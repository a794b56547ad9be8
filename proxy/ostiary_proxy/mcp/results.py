"""The shapes of results that the proxy reads: lists, initialize, discover, asked input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import DEFERRED, Kind, Subject
from ostiary_proxy.mcp.keys import ITEM
from ostiary_proxy.mcp.message import Object

__all__ = [
    "CACHEABLE", "CHANGING", "LISTS", "MOST_ASKED", "BadResult", "ListShape", "announcing",
    "entries_of", "filtered", "input_requests", "is_unknown_item", "kept_private", "lists_of",
]  # fmt: skip


class BadResult(ValueError):  # noqa: N818 - a statement
    """The result is not what its method promises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListShape:
    """Where a list method keeps its items, what names one, and the call that an item stands for."""

    items: str
    name: str
    kind: Kind
    method: str


LISTS: Final[Mapping[str, ListShape]] = {
    "tools/list": ListShape(items="tools", name="name", kind=Kind.TOOL, method="tools/call"),
    "prompts/list": ListShape(items="prompts", name="name", kind=Kind.PROMPT, method="prompts/get"),
    "resources/list": ListShape(
        items="resources", name="uri", kind=Kind.RESOURCE, method="resources/read"
    ),
    "resources/templates/list": ListShape(
        items="resourceTemplates", name="uriTemplate", kind=Kind.RESOURCE, method="resources/read"
    ),
}
CACHEABLE: Final = frozenset((*LISTS, "server/discover", "resources/read"))
"""Methods whose results say how long they may be kept, and for whom (rule 38)."""
MOST_ASKED: Final = 64
"""Requests in one result, and answers to them in one request; each is judged."""
CHANGING: Final = ("tools", "prompts", "resources")
"""Capabilities whose lists may change, and of which clients are told so."""


def filtered(
    result: Object, shape: ListShape, visible: Callable[[Subject], bool]
) -> tuple[Object, int]:
    """Return `result` with the items that `visible` lets pass, in order, and how many were hidden.

    An item that can't be read is hidden. The very same object comes back where nothing was. Raises
    BadResult.
    """
    items = result.get(shape.items)
    if not isinstance(items, list):
        raise BadResult(f"the result has no list {shape.items!r}")
    kept = [item for item in items if _shown(item, shape, visible)]
    if len(kept) == len(items):
        return result, 0
    return {**result, shape.items: kept}, len(items) - len(kept)


def _shown(item: Json, shape: ListShape, visible: Callable[[Subject], bool]) -> bool:
    if not isinstance(item, dict) or ITEM.odd(item) is not None:
        return False
    name = item.get(shape.name)
    if not isinstance(name, str) or not name:
        return False
    return visible(Subject(kind=shape.kind, method=shape.method, name=name, arguments=DEFERRED))


def kept_private(result: Object, method: str) -> Object:
    """Return a result whose cache scope is private: it depends on the person (rule 39)."""
    if method not in CACHEABLE or result.get("cacheScope", "private") == "private":
        return result
    return {**result, "cacheScope": "private"}


def announcing(result: Object) -> Object:
    """Return an initialize or discover result that announces our own notices of changed lists."""
    capabilities = result.get("capabilities")
    if not isinstance(capabilities, dict):
        return result
    told = {**capabilities, **{kind: _changing(capabilities[kind]) for kind in lists_of(result)}}
    return result if told == capabilities else {**result, "capabilities": told}


def _changing(capability: Json) -> Json:
    return {**(capability if isinstance(capability, dict) else {}), "listChanged": True}


def lists_of(result: Object) -> tuple[str, ...]:
    """Return the lists that an initialize or discover result says are there."""
    capabilities = result.get("capabilities")
    there = capabilities if isinstance(capabilities, dict) else {}
    return tuple(kind for kind in CHANGING if kind in there)


def input_requests(result: Object, *, retried: bool) -> Mapping[str, Object]:
    """Return the server's requests inside a 2026-07-28 result, by the server's names for them.

    `retried` says whether the method may ask for input at all (rule 45). Raises BadResult for
    another `resultType` than the ones that are served.
    """
    kind = result.get("resultType", "complete")
    if kind == "complete" and "inputRequests" not in result:
        return {}
    if kind != "input_required" or not retried:
        raise BadResult("the result is of a type that is not served for this method")
    return entries_of(result)


def entries_of(holder: Object) -> Mapping[str, Object]:
    """Return the server's requests in `holder`, by the server's names; raises BadResult."""
    asked = holder.get("inputRequests", {})
    if not isinstance(asked, dict):
        raise BadResult("inputRequests must be an object")
    if len(asked) > MOST_ASKED:
        raise BadResult(f"more than {MOST_ASKED} entries of inputRequests")
    return {name: _entry(entry) for name, entry in asked.items()}


def _entry(entry: Json) -> Object:
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("method"), str)
        or not isinstance(entry.get("params", {}), dict)
    ):
        raise BadResult("an entry of inputRequests is no request")
    return entry


def is_unknown_item(error: Object | None, result: Object | None, name: str) -> bool:
    """Say whether upstream answers that the item `name` does not exist (policy.md 12).

    Servers say so by the code for unknown resources, by an error whose text begins like that, or,
    for tools, by a result marked as error.
    """
    if error is not None:
        return error.get("code") == -32002 or _says_unknown(error.get("message"), name)
    if result is None or result.get("isError") is not True:
        return False
    content = result.get("content")
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
        return False
    return _says_unknown(content[0].get("text"), name)


def _says_unknown(text: Json, name: str) -> bool:
    if not isinstance(text, str) or len(text) > len(name) + 120:
        return False
    plain = text.replace(name, "").lower()
    return any(word in plain for word in _UNKNOWN_WORDS) and any(
        kind in plain for kind in ("tool", "prompt", "resource")
    )


_UNKNOWN_WORDS: Final = ("unknown", "not found", "does not exist", "no such")
