"""The stream of a legacy client that waits for what a task of a server of 2026-07-28 brings.

The server is asked how it stands with the task, again and again; what it wants of the client
meanwhile is asked on this stream.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_modern import Asking, asking
from ostiary_proxy.mcp.bridge.task_state import OVER
from ostiary_proxy.mcp.bridge.tasks_from_modern import brought, pause, shown
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.results import BadResult, entries_of
from ostiary_proxy.mcp.sse import Event
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.newer.calling import (
    Calling,
    CallStream,
    answer_from_client,
    event_of,
)
from ostiary_proxy.pipeline.bridge.newer.speaking import unless
from ostiary_proxy.pipeline.bridge.newer.task import TaskThere
from ostiary_proxy.refused import Refused

__all__ = ["TaskWaiting", "result_of_task"]

_JSON: Final = {"content-type": "application/json"}
_MOST: Final = 64
"""Things that a task may ask for while one client waits for it."""
_COMMENT: Final = 60.0
"""Seconds between two signs of life while nothing happens."""


async def result_of_task(calling: Calling, task: TaskThere) -> Exchange:
    """Return what a task brought that is over, else the stream on which it will come.

    Raises as `TaskThere` does, and Refused where too many wait for one person.
    """
    state = await task.state()
    if shown(state)["status"] in OVER:
        body = write_json(brought(state, calling.request, calling.client_id))
        return Whole(200, _JSON, body)
    return _Result(calling, task, state)


class _Result(CallStream):
    """Lasts until the task is over, or its client cancels the request: the task goes on."""

    def __init__(self, calling: Calling, task: TaskThere, state: Object) -> None:
        super().__init__(calling, calling.live.underway.started(calling.session, calling.client_id))
        self._waiting = TaskWaiting(calling, task, state, self._cancelled)

    def _events(self) -> AsyncIterator[Event]:
        return self._waiting.events()


class TaskWaiting:
    """Waits for a task, whose `state` is known, and lets it ask its client meanwhile."""

    def __init__(
        self, calling: Calling, task: TaskThere, state: Object, cancelled: asyncio.Event
    ) -> None:
        self._calling = calling
        self._task = task
        self._state = state
        self._cancelled = cancelled
        self._asked: set[str] = set()
        self._waiting: dict[asyncio.Task[Json], str] = {}

    async def events(self) -> AsyncIterator[Event]:
        """Iterate over what the task asks for, and at last what it brought.

        Raises BadResult, CallEnds, Refused and StoreUnavailable.
        """
        calling, clock = self._calling, asyncio.get_running_loop().time
        due = clock() + _COMMENT
        try:
            with calling.live.underway.asking(calling.said.known.presented.grant.person):
                while shown(self._state)["status"] not in OVER:
                    for question in self._new():
                        yield event_of(question.request.whole)
                        answer = asyncio.create_task(answer_from_client(calling, question))
                        self._waiting[answer] = question.key
                    if clock() >= due:
                        due = clock() + _COMMENT
                        yield Event(comments=("the task goes on",))
                    await self._look_again()
        finally:
            for waiting in self._waiting:
                waiting.cancel()
        related = not calling.awaits
        yield event_of(brought(self._state, calling.request, calling.client_id, related=related))

    def _new(self) -> Iterator[Asking]:
        """Yield what the task asks for and was not asked on this stream yet."""
        entries = entries_of(self._state) if self._state["status"] == "input_required" else {}
        new = {key: entry for key, entry in entries.items() if key not in self._asked}
        prefix = f"{self._calling.said.known.routed.received.id}.{len(self._asked)}"
        self._asked |= new.keys()
        if len(self._asked) > _MOST:
            raise BadResult(f"a task asks for more than {_MOST} things")
        task_id = None if self._calling.awaits else self._task.id
        yield from asking(new, self._calling.bridged.declared, prefix=prefix, task_id=task_id)

    async def _look_again(self) -> None:
        """Give the server the answers that came, if any, and learn how it stands now."""
        stop = asyncio.ensure_future(self._cancelled.wait())
        await asyncio.wait(
            (*self._waiting, stop),
            timeout=pause(self._state), return_when=asyncio.FIRST_COMPLETED,
        )  # fmt: skip
        stop.cancel()
        if self._cancelled.is_set():
            raise Refused("Cancelled")
        done = [answer for answer in self._waiting if answer.done()]
        answers = {self._waiting.pop(answer): answer.result() for answer in done}
        if answers:
            await self._task.answer(answers)
        self._state = await unless(self._cancelled, self._task.state())
