"""Carrying out what has to happen before a piece of an answer may be written."""

from collections.abc import Awaitable, Callable

from ostiary_proxy.pipeline.effects import DropRow, Effect, Out, PutRow, WriteRecord
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.store.port import Store

__all__ = ["Post", "carry", "found", "put_row"]

Post = Callable[[bytes], Awaitable[None]]
"""Posts a response of ours to the server."""


async def carry(effect: Effect, live: Live, post: Post) -> None:
    """Carry out one effect.

    Raises AuditUnavailable, StoreUnavailable, Refused("TooMuchKept"), and what `post` raises.
    """
    if isinstance(effect, WriteRecord):
        await live.audit.write(effect.record)
    elif isinstance(effect, PutRow):
        await put_row(effect, live)
    elif isinstance(effect, DropRow):
        await live.store.delete(effect.table, effect.key)
    else:
        await post(effect.body)


async def put_row(row: PutRow, live: Live) -> None:
    """Write a row; raises StoreUnavailable, and Refused("TooMuchKept")."""
    if row.whose is not None:
        live.allowance.charge(row.whose, len(row.value), row.expires - live.clock())
    await live.store.put(row.table, row.key, row.value, expires=row.expires)


async def found(out: Out, store: Store) -> Out:
    """Return what goes out once the rows that it waits for were read; raises StoreUnavailable."""
    while (lookup := out.lookup) is not None:
        rows = [await store.get(lookup.table, key) for key in lookup.keys]
        out = lookup.then(tuple(None if row is None else row.value for row in rows))
    return out
