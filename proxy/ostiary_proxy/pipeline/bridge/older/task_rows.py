"""What is kept of one task at a legacy server: sealed, where every replica finds it."""

import hashlib
from collections.abc import Sequence
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.pipeline.handles import BadHandle
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.store.port import Row

__all__ = ["TaskRows", "task_key"]

_TABLE: Final = "mcp-older-tasks"
_PURPOSE: Final = "mcp-older-tasks"
_MOST_SECONDS: Final = 30 * 24 * 3600.0
_LONGEST: Final = 1024 * 1024


def task_key(said: Said, task_id: str) -> str:
    """Return what names a task of whoever says it, at the server that is spoken to."""
    whose = [said.known.presented.grant.gid, said.upstream.url, task_id]
    return hashlib.sha256(write_json(whose)).hexdigest()


class TaskRows:
    """The rows of a task, by name. Every method raises StoreUnavailable."""

    def __init__(self, said: Said, task_id: str) -> None:
        live = said.known.routed.received.live
        self._store, self._clock, self._holder = live.store, live.clock, said.known.holder
        self._room = live.allowance.of(said.known.presented.grant.person)
        self._key = task_key(said, task_id)

    async def put(self, name: str, value: Sequence[Json], *, seconds: float) -> None:
        """Keep `value` under `name`; raises Refused where there is no room for more."""
        now, key = self._clock(), f"{self._key}:{name}"
        sealed = self._holder.give(_PURPOSE, value, now=now, about=key)
        lives = min(seconds, _MOST_SECONDS)
        self._room(len(sealed), lives)
        await self._store.put(_TABLE, key, sealed.encode(), expires=now + lives)

    async def get(self, name: str) -> Sequence[Json] | None:
        """Return what is kept under `name`."""
        return self._opened(await self._store.get(_TABLE, f"{self._key}:{name}"))

    async def take(self, name: str) -> Sequence[Json] | None:
        """Return what is kept under `name`, to one who asks."""
        return self._opened(await self._store.take(_TABLE, f"{self._key}:{name}"))

    async def under(self, prefix: str, *, most: int) -> dict[str, Sequence[Json]]:
        """Return what is kept under names that begin with `prefix`, by name."""
        rows = await self._store.scan(_TABLE, f"{self._key}:{prefix}", limit=most)
        found = {row.key.partition(":")[2]: self._opened(row) for row in rows}
        return {name: value for name, value in found.items() if value is not None}

    def _opened(self, row: Row | None) -> Sequence[Json] | None:
        if row is None:
            return None
        try:
            handle = self._holder.open(
                _PURPOSE, row.value.decode(), now=self._clock(), max_age=_MOST_SECONDS + 60,
                longest=_LONGEST, about=row.key,
            )  # fmt: skip
        except (BadHandle, UnicodeDecodeError):
            return None
        return handle.value
