"""A task at a legacy server, as long as its client may come back for it here.

It keeps the session open that it was made in. What the server asks in it comes on the stream of
`tasks/result`, which is opened once the task needs input.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_legacy import completed
from ostiary_proxy.mcp.bridge.tasks_from_legacy import created, is_created
from ostiary_proxy.mcp.bridge.to_legacy import requested
from ostiary_proxy.mcp.message import Object, Request
from ostiary_proxy.mcp.methods import TASK_ID
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.tasks import offers
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.bridge.older.reading import Reading
from ostiary_proxy.pipeline.bridge.older.session import Opened, Waits, remembered, today
from ostiary_proxy.pipeline.bridge.older.task_place import Place, keep_place, say_there
from ostiary_proxy.pipeline.bridge.older.task_questions import hear_there
from ostiary_proxy.pipeline.bridge.older.task_rows import task_key
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["TaskHeld", "hold", "let_go", "result_of_call"]

_LONGEST: Final = 3600.0
"""Seconds that a server may be silent while a task needs input."""
_FIRST: Final = 1.0
"""Seconds to wait for the first question of a task that needs input."""


async def result_of_call(said: Said, request: Request, opened: Opened, result: Object) -> Json:
    """Return the result of a call for its client; one that is a task is held. Raises Refused."""
    if not (request.method == "tools/call" and offers(opened.initialized) and is_created(result)):
        return completed(request.method, result, opened.initialized)
    try:
        task = created(result, opened.initialized)
        await keep_place(said, request, opened, task)
    except BadResult as bad:
        raise Refused("UpstreamInvalid", detail=str(bad)) from None
    except StoreUnavailable as away:
        raise Refused("StoreUnavailable", detail=str(away)) from None
    hold(said, str(task[TASK_ID]), opened)
    return task


def hold(said: Said, task_id: str, opened: Opened | None = None) -> "TaskHeld | None":
    """Hold a task, from now on (again), and its session where that is ours.

    None where there is no room for more.
    """
    tasks, key = said.known.routed.received.live.older.tasks, task_key(said, task_id)
    held = tasks.get(key)
    if held is not None:
        tasks.used(key)
        return held
    if not tasks.room(said.known.presented.grant.person):
        return None
    if opened is not None:
        opened.users += 1
    held = TaskHeld(said=remembered(said), task_id=task_id, opened=opened)
    tasks.put(key, held)
    return held


def let_go(said: Said, task_id: str) -> None:
    """Hold a task no more: it is over."""
    live = said.known.routed.received.live
    held = live.older.tasks.take(task_key(said, task_id))
    if held is not None:
        live.streams.adopt(held.end())


@dataclass(slots=True, kw_only=True, eq=False)
class TaskHeld(Waits):
    """A task of whoever says `said`; `opened` is its session, where this replica opened it.

    `listening` reads the stream on which the server asks; `asked` is set once it did.
    """

    task_id: str
    opened: Opened | None
    listening: asyncio.Task[None] | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def end(self) -> None:
        """Let go of the session, which stays open where others go on: a replica that ends."""
        if self.listening is not None:
            self.listening.cancel()
        if self.opened is not None and not self.said.known.routed.received.live.streams.leaving:
            self.opened.left()

    async def listen(self, place: Place) -> None:
        """See to it that the server's questions are heard, and wait a moment for the first."""
        if self.listening is None:
            self.asked.clear()
            self.listening = asyncio.ensure_future(self._listen(place))
        first = asyncio.ensure_future(self.asked.wait())
        running = (self.listening, first)
        await asyncio.wait(running, timeout=_FIRST, return_when=asyncio.FIRST_COMPLETED)
        first.cancel()

    async def _listen(self, place: Place) -> None:
        said = today(self.said)
        live = said.known.routed.received.live
        asked = requested("tasks/result", {TASK_ID: self.task_id}, f"task-{live.entropy(8).hex()}")
        try:
            with live.borrowed():
                exchange = await say_there(
                    said, place, asked, name=self.task_id, system=True, patience=_LONGEST
                )
                reading = Reading(place.session.version, exchange)
                try:
                    await hear_there(self.said, place, reading, asked.id, taken=self.asked)
                finally:
                    await reading.close()
        except (OutboundFailed, Refused, StoreUnavailable):
            return
        finally:
            self.listening = None
