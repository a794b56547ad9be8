"""Tasks that legacy clients made of calls to a server of 2026-07-28, listed by grant.

There the server alone decides whether a call becomes a task. What it answers at once to a client
that wanted one is kept here, as a task that is over.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_modern import answered
from ostiary_proxy.mcp.bridge.tasks_from_modern import created, over_at_once
from ostiary_proxy.mcp.bridge.to_modern import CallEnds
from ostiary_proxy.mcp.message import Object, Response
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import id_of, seconds
from ostiary_proxy.pipeline.bridge.newer.calling import Calling
from ostiary_proxy.pipeline.handles import BadHandle
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict, Row

__all__ = ["Made", "is_kept", "settled"]

_TABLE: Final = "mcp-bridged-tasks"
_PURPOSE: Final = "mcp-bridged-tasks"
_MARK: Final = "ostiary-task."
_MOST: Final = 64
"""Tasks of a grant that are listed; the oldest give way, with what was kept of them."""
_LARGEST: Final = 512 * 1024
"""Bytes of a result that is kept."""
_SEALED: Final = 2 * _LARGEST
_TOO_LARGE: Final = "the tool's result is too large to be kept as a task; call it without one"
_INTERNAL: Final = -32603
_SHORTEST, _USUAL, _LONGEST = 60.0, 600.0, 3600.0
"""Seconds for which a result is kept: what its client wishes, within these bounds."""
_LISTED: Final = 24 * 3600.0
_TRIES: Final = 8


async def settled(calling: Calling, response: Response) -> Object:
    """Return the complete answer to a call, a task where its client wanted one.

    Raises BadResult, CallEnds and StoreUnavailable.
    """
    result, made = response.result, Made(calling.said)
    if result is None or not calling.as_task:
        tasks = calling.bridged.tasks
        return answered(calling.request, response, calling.client_id, tasks=tasks)
    if result.get("resultType") == "task":
        task = await made.take_note(result)
        calling.live.underway.wake(calling.session)
    else:
        task = await made.keep(result, calling.asked.params["task"])
    return {"jsonrpc": "2.0", "id": calling.client_id, "result": created(task)}


def is_kept(task_id: str) -> bool:
    """Say whether a task has the form of ours: no server may give such a one."""
    return task_id.startswith(_MARK)


class Made:
    """The tasks that were made under the grant of `said` at its server."""

    def __init__(self, said: Said) -> None:
        received = said.known.routed.received
        self._store, self._clock = received.live.store, received.live.clock
        self._holder, self._url, self._new_id = said.known.holder, said.upstream.url, received.id
        self._room = received.live.allowance.of(said.known.presented.grant.person)

    async def take_note(self, task: Object) -> Object:
        """List a task of the server's, which is returned; raises BadResult."""
        if is_kept(id_of(task)):
            raise BadResult("a task has an id in the gateway's own form")
        await self._list(id_of(task), min(seconds(task) or _LISTED, _LISTED))
        return task

    async def keep(self, result: Object, wanted: Json) -> Object:
        """Keep a result for as long as is `wanted`, and return the task that it is listed as.

        Raises CallEnds for one that is too large.
        """
        wished = seconds(wanted) if isinstance(wanted, dict) else None
        lives = min(max(wished or _USUAL, _SHORTEST), _LONGEST)
        task_id, at = _MARK + self._new_id, datetime.fromtimestamp(self._clock(), UTC).isoformat()
        task = over_at_once(task_id, result, ttl_ms=int(lives * 1000), at=at)
        size = len(write_json(task))
        if size > _LARGEST:
            raise CallEnds(_INTERNAL, _TOO_LARGE)
        self._room(size, lives)
        await self._put(task_id, [task], lives)
        await self._list(task_id, lives)
        return task

    async def kept(self, task_id: str) -> Object | None:
        """Return a task of ours with what it brought, None where it is not there any more."""
        found = self._opened(task_id, await self._store.get(_TABLE, self._key(task_id)))
        task = found[0] if found else None
        return task if isinstance(task, dict) else None

    async def ids(self) -> tuple[str, ...]:
        """Return the tasks that are listed, the newest first."""
        row = await self._store.get(_TABLE, self._key())
        return tuple(task_id for task_id, _ in reversed(self._listed(row)))

    async def _list(self, task_id: str, lives: float) -> None:
        """Add a task to the list, whoever else adds one now; raises Refused."""
        self._room(len(task_id), lives)
        for _ in range(_TRIES):
            row = await self._store.get(_TABLE, self._key())
            listed = [*self._listed(row), (task_id, self._clock() + lives)]
            try:
                await self._put("", [[*one] for one in listed[-_MOST:]], _LISTED, row)
            except Conflict:
                continue
            for old, _ in listed[:-_MOST]:
                await self._store.delete(_TABLE, self._key(old))
            return
        raise Refused("StoreUnavailable", detail="a grant makes too many tasks at once")

    def _listed(self, row: Row | None) -> list[tuple[str, float]]:
        entries = [one for one in self._opened("", row) if isinstance(one, list)]
        listed = [(str(task_id), float(str(until))) for task_id, until in entries]
        return [one for one in listed if one[1] > self._clock()]

    # -- rows: the list under no id, what is kept under its task's ------------------------------

    def _key(self, task_id: str = "") -> str:
        whose = [self._holder.grant.gid, self._url, task_id]
        return hashlib.sha256(write_json(whose)).hexdigest()

    def _opened(self, task_id: str, row: Row | None) -> Sequence[Json]:
        """Return what is sealed in a row, nothing where it is not there or not this grant's."""
        if row is None:
            return ()
        about: list[Json] = [self._url, task_id]
        try:
            handle = self._holder.open(
                _PURPOSE, row.value.decode(), now=self._clock(), max_age=_LISTED + 60,
                longest=_SEALED, about=about,
            )  # fmt: skip
        except (BadHandle, UnicodeDecodeError):
            return ()
        return handle.value

    async def _put(
        self, task_id: str, value: Sequence[Json], lives: float, before: Row | None = None
    ) -> None:
        """Write a row that is what `before` was until now; raises Conflict."""
        sealed = self._holder.give(_PURPOSE, value, now=self._clock(), about=[self._url, task_id])
        await self._store.put(
            _TABLE, self._key(task_id), sealed.encode(), expires=self._clock() + lives,
            version=before.version if before is not None else 0,
        )  # fmt: skip
