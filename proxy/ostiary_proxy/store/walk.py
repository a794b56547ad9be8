"""Reading all rows of a table, however many, a page at a time."""

from collections.abc import AsyncIterator
from typing import Final

from ostiary_proxy.store.port import Row, Store

__all__ = ["walk"]

_PAGE: Final = 500


async def walk(
    store: Store, table: str, prefix: str = "", *, after: str = ""
) -> AsyncIterator[Row]:
    """Iterate by key over every row whose key starts with `prefix` and comes after `after`.

    Of rows that are written or deleted meanwhile, each is met once or not at all.
    """
    while rows := await store.scan(table, prefix, limit=_PAGE, after=after):
        for row in rows:
            yield row
        after = rows[-1].key
