"""One call of a legacy client at a server of 2026-07-28, as the one stream that the client sees.

Where the server wants input it ends its answer, and the call is made once more with what the client
answered, on whatever replica; to the client all of it is one call during which the server asks.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_modern import Asking, Wanted, asking, told, wanted_in
from ostiary_proxy.mcp.bridge.to_modern import retried
from ostiary_proxy.mcp.message import Response
from ostiary_proxy.mcp.sse import Event
from ostiary_proxy.mcp.tasks import id_of
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.bridge.newer.calling import (
    Calling,
    CallStream,
    answer_from_client,
    event_of,
)
from ostiary_proxy.pipeline.bridge.newer.made import settled
from ostiary_proxy.pipeline.bridge.newer.saying import Saying
from ostiary_proxy.pipeline.bridge.newer.speaking import events_of, message_in, unless
from ostiary_proxy.pipeline.bridge.newer.task import TaskThere
from ostiary_proxy.pipeline.bridge.newer.task_result import TaskWaiting
from ostiary_proxy.refused import Refused

__all__ = ["Call"]

_ROUNDS: Final = 16
_COMMENT: Final = 60.0
"""Seconds between two signs of life while a person thinks."""


class Call(CallStream):
    """The answer to a call, with whatever rounds it takes."""

    def __init__(self, calling: Calling, exchange: Exchange, cancelled: asyncio.Event) -> None:
        super().__init__(calling, cancelled)
        self._exchange = exchange
        self._wanted: Wanted | None = None
        self._saying = Saying(calling.said)

    async def close(self) -> None:
        """End the call; one that goes on at the server is cancelled by that (rule 28)."""
        await super().close()
        await self._exchange.close()
        self._saying.close()

    async def _events(self) -> AsyncIterator[Event]:
        for turn in range(1, _ROUNDS + 1):
            async for event in self._round():
                yield event
            if self._wanted is None:
                return
            async for asked in self._asking(self._wanted, turn):
                yield asked
        raise Refused("UpstreamInvalid", detail="the server asks without end")

    async def _round(self) -> AsyncIterator[Event]:
        """Iterate over one answer of the server; what it wants is left in `_wanted`."""
        self._wanted = None
        calling, events = self._calling, events_of(self._exchange)
        while (event := await unless(self._cancelled, anext(events, None))) is not None:
            event = replace(event, id=None, retry=None)  # nothing of 2026 can be resumed
            message = message_in(event)
            if isinstance(message, Response) and message.id == calling.request.id:
                tasked = calling.as_task or calling.awaits
                self._wanted = wanted_in(message, retried=calling.may_ask, as_task=tasked)
                if self._wanted is not None:
                    return
                async for last in self._last(message):
                    yield last
            elif message is None:
                yield event
            else:
                passed = told(message) or message  # it belongs to no call: for the relay's record
                yield replace(event, data=write_json(passed.whole).decode())

    async def _last(self, response: Response) -> AsyncIterator[Event]:
        """Iterate over the answer that is complete, once a task that it is waited for is over."""
        calling, result = self._calling, response.result or {}
        if not calling.awaits or result.get("resultType") != "task":
            yield event_of(await settled(calling, response))
            return
        task = TaskThere(calling, id_of(result))
        try:
            async for event in TaskWaiting(calling, task, result, self._cancelled).events():
                yield event
        except Refused:
            if self._cancelled.is_set():
                calling.live.streams.adopt(task.forgo())
            raise

    async def _asking(self, wanted: Wanted, turn: int) -> AsyncIterator[Event]:
        """Iterate over the server's requests to the client, and make the call again."""
        known = self._calling.said.known
        prefix = f"{known.routed.received.id}.{turn}"
        questions = asking(wanted.entries, self._calling.bridged.declared, prefix=prefix)
        tasks: list[asyncio.Task[Json]] = []
        try:
            with self._calling.live.underway.asking(known.presented.grant.person):
                for question in questions:
                    yield event_of(question.request.whole)
                    tasks.append(asyncio.create_task(answer_from_client(self._calling, question)))
                async for sign in self._waiting(tasks):
                    yield sign
        finally:
            for task in tasks:
                task.cancel()
        await self._again(prefix, questions, [task.result() for task in tasks], wanted.state)

    async def _waiting(self, tasks: Sequence["asyncio.Task[Json]"]) -> AsyncIterator[Event]:
        """Wait for all of `tasks`, or the first that fails, with signs of life meanwhile."""
        left = set(tasks)
        while left:
            first = asyncio.wait(left, timeout=_COMMENT, return_when=asyncio.FIRST_EXCEPTION)
            done, left = await unless(self._cancelled, first)
            for task in done:
                task.result()
            if left:
                yield Event(comments=("waiting for the client",))

    async def _again(
        self, new_id: str, questions: Sequence[Asking], answers: Sequence[Json], state: Json
    ) -> None:
        given = {one.key: answer for one, answer in zip(questions, answers, strict=True)}
        request = retried(self._calling.request, given, state, request_id=new_id)
        await self._exchange.close()
        calling = self._calling = replace(self._calling, request=request)
        self._exchange = await unless(
            self._cancelled, self._saying.say(request, parameters=calling.parameters)
        )
