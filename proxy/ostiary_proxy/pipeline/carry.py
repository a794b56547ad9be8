"""Carrying out what has to happen before a piece of an answer may be written."""

from collections.abc import Awaitable, Callable

from ostiary_proxy.pipeline.effects import Effect, PutRow, WriteRecord
from ostiary_proxy.pipeline.live import Live

__all__ = ["Post", "carry"]

Post = Callable[[bytes], Awaitable[None]]
"""Posts a response of ours to the server."""


async def carry(effect: Effect, live: Live, post: Post) -> None:
    """Carry out one effect; raises AuditUnavailable, StoreUnavailable, and what `post` raises."""
    if isinstance(effect, WriteRecord):
        await live.audit.write(effect.record)
    elif isinstance(effect, PutRow):
        await live.store.put(effect.table, effect.key, effect.value, expires=effect.expires)
    else:
        await post(effect.body)
