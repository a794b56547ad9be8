"""The lists of several servers as one list, a page of each at a time."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.crypto.base64url import base64url
from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, read_json
from ostiary_proxy.mcp.joined.fit import items_of, standing
from ostiary_proxy.mcp.joined.renamed import renamed_items
from ostiary_proxy.mcp.joined.tasks import tasks_named
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.results import BadResult

__all__ = ["Pages", "joined_list", "read_cursor"]

_LONGEST: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """One page made of one page of each server. `unfit` are names of left out tools, by server."""

    items: tuple[Json, ...]
    cursor: str | None
    unfit: Mapping[str, tuple[str, ...]]


def read_cursor(cursor: Json) -> Mapping[str, str]:
    """Return each server's own cursor; raises BadResult for what no list of ours gave.

    A client can make one up: each part goes to a server that it may speak to anyway.
    """
    try:
        if not isinstance(cursor, str) or len(cursor) > _LONGEST:
            raise BadResult("the cursor is none of this list")
        padded = cursor + "=" * (-len(cursor) % 4)
        plain = read_json(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, Faulty):
        raise BadResult("the cursor is none of this list") from None
    if not isinstance(plain, dict) or not all(isinstance(own, str) for own in plain.values()):
        raise BadResult("the cursor is none of this list")
    return {server: str(own) for server, own in plain.items()}


def joined_list(method: str, results: Mapping[str, Object]) -> Pages:
    """Return what the servers' results hold, in their order; `check_page` saw each of them."""
    where = items_of(method)
    items: list[Json] = []
    cursors: dict[str, Json] = {}
    unfit: dict[str, tuple[str, ...]] = {}
    for server, result in results.items():
        found = tasks_named(renamed_items({**result}, server), server)[where]
        assert isinstance(found, list)
        kept = [fit for item in found if (fit := standing(where, item)) is not None]
        items += kept
        if where == "tools" and (left_out := _names(found) - _names(kept)):
            unfit[server] = tuple(sorted(left_out))
        # Some say with an empty cursor that nothing follows.
        if isinstance(own := result.get("nextCursor"), str) and own:
            cursors[server] = own
    cursor = base64url(write_json(cursors)) if cursors else None
    return Pages(items=tuple(items), cursor=cursor, unfit=unfit)


def _names(items: Iterable[Json]) -> set[str]:
    named = (item.get("name") for item in items if isinstance(item, dict))
    return {name for name in named if isinstance(name, str) and name}
