"""Cursors of lists: sealed on the way out, so that a page is for the one who was given its cursor.

A server may take a cursor from anybody who comes with our credential; it hands the next page of
whoever was listing.
"""

from typing import Final

from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.results import LISTS, BadResult
from ostiary_proxy.pipeline.handles import BadHandle, Holder
from ostiary_proxy.refused import Refused

__all__ = ["give_cursor", "take_cursor"]

_PURPOSE: Final = "mcp-cursor"
_MAX_AGE: Final = 3600.0
_LONGEST: Final = 32 * 1024
"""Characters of a sealed cursor."""
_PAGED: Final = frozenset((*LISTS, "tasks/list"))


def give_cursor(result: Object, method: str, holder: Holder, now: float) -> Object:
    """Return a page of a list with `nextCursor` sealed; raises BadResult.

    An empty cursor stays: servers that say with it that nothing follows must be understood.
    """
    cursor = result.get("nextCursor")
    if cursor is None or cursor == "":
        return result
    if not isinstance(cursor, str):
        raise BadResult("nextCursor must be a string")
    sealed = holder.give(_PURPOSE, [cursor], now=now, about=method)
    if len(sealed) > _LONGEST:
        raise BadResult("nextCursor is too long")
    return {**result, "nextCursor": sealed}


def take_cursor(params: Object, method: str, holder: Holder, now: float) -> Object:
    """Return the params of a request with the server's own cursor; raises Refused."""
    cursor = params.get("cursor")
    if method not in _PAGED or cursor is None or cursor == "":
        return params
    try:
        handle = holder.open(
            _PURPOSE, cursor, now=now, max_age=_MAX_AGE, longest=_LONGEST, about=method
        )
    except BadHandle as bad:
        raise Refused(
            "InvalidParams",
            message="params.cursor is none that this list gave you; list from the start",
            detail=f"cursor: {bad}",
        ) from None
    (own,) = handle.value
    return {**params, "cursor": own}
