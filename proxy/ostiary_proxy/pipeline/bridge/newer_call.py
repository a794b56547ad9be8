"""One call of a legacy client at a server of 2026-07-28, as the one stream that the client sees.

Where the server wants input it ends its answer, and the call is made once more with what the client
answered, on whatever replica; to the client all of it is one call during which the server asks.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_modern import Asking, Wanted, answered, asking, told, wanted_in
from ostiary_proxy.mcp.bridge.to_modern import CallEnds, answer_to_input, retried
from ostiary_proxy.mcp.envelope import read_message
from ostiary_proxy.mcp.message import Id, Request, Response
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bridge.bridged import Bridged
from ostiary_proxy.pipeline.bridge.speaking import events_of, message_in, say_modern, unless
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session, pending_key
from ostiary_proxy.refused import CODES, Refused
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.wire import Headers

__all__ = ["ANSWER_TIME", "Call", "Calling"]

ANSWER_TIME: Final = 600.0
"""Seconds that a client has to answer what the server asks for."""
_ROUNDS: Final = 16
_COMMENT: Final = 60.0
"""Seconds between two signs of life while a person thinks."""
_TIMED_OUT: Final = "the server asked for {}, and no answer came in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """`request` is what is said now, with the headers `parameters`, in place of `said`'s."""

    said: Said
    session: Session
    bridged: Bridged
    request: Request
    parameters: Headers = ()

    @property
    def live(self) -> Live:
        return self.said.known.routed.received.live

    @property
    def may_ask(self) -> bool:
        """Say whether the server may ask for input in its answer (rule 45)."""
        return self.said.method is not None and self.said.method.retried

    @property
    def client_id(self) -> Id:
        """Return the id under which the client waits."""
        assert isinstance(self.said.message, Request)  # nothing else calls
        return self.said.message.id


class Call:
    """An `Exchange`: the answer to a call, with whatever rounds it takes."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream"}
    arrived = False

    def __init__(self, calling: Calling, exchange: Exchange, cancelled: asyncio.Event) -> None:
        self._calling = calling
        self._exchange = exchange
        self._cancelled = cancelled
        self._wanted: Wanted | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over what the server tells, what it asks for, and at last its answer.

        Raises OutboundFailed and Refused.
        """
        try:
            for turn in range(1, _ROUNDS + 1):
                async for event in self._round():
                    yield write_event(event)
                if self._wanted is None:
                    return
                async for asked in self._asking(self._wanted, turn):
                    yield write_event(asked)
            raise Refused("UpstreamInvalid", detail="the server asks without end")
        except CallEnds as ended:
            error = {"jsonrpc": "2.0", "id": self._calling.client_id, "error": ended.error}
            yield write_event(_event(error))
        except BadResult as bad:
            raise Refused("UpstreamInvalid", detail=str(bad)) from None
        except StoreUnavailable as error:
            raise Refused("StoreUnavailable", detail=str(error)) from error

    async def body(self, limit: int) -> bytes:
        """Refuse: a call that may ask can't be waited for as a whole."""
        raise OutboundFailed("protocol", f"a stream, not a body of {limit} bytes")

    async def close(self) -> None:
        """End the call; one that goes on at the server is cancelled by that (rule 28)."""
        self._calling.live.underway.ended(self._calling.session, self._calling.client_id)
        await self._exchange.close()

    async def _round(self) -> AsyncIterator[Event]:
        """Iterate over one answer of the server; what it wants is left in `_wanted`."""
        self._wanted = None
        calling, events = self._calling, events_of(self._exchange)
        while (event := await unless(self._cancelled, anext(events, None))) is not None:
            event = replace(event, id=None, retry=None)  # nothing of 2026 can be resumed
            message = message_in(event)
            if isinstance(message, Response) and message.id == calling.request.id:
                self._wanted = wanted_in(message, retried=calling.may_ask)
                if self._wanted is not None:
                    return
                yield _event(answered(calling.request, message, calling.client_id))
            elif message is None or isinstance(message, Response):
                yield event
            elif (passed := told(message)) is not None:
                yield replace(event, data=write_json(passed.whole).decode())

    async def _asking(self, wanted: Wanted, turn: int) -> AsyncIterator[Event]:
        """Iterate over the server's requests to the client, and make the call again."""
        known = self._calling.said.known
        prefix = f"{known.routed.received.id}.{turn}"
        questions = asking(wanted.entries, self._calling.bridged.declared, prefix=prefix)
        tasks: list[asyncio.Task[Json]] = []
        try:
            with self._calling.live.underway.asking(known.presented.grant.person):
                for question in questions:
                    yield _event(question.request.whole)
                    tasks.append(asyncio.create_task(self._answer(question)))
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

    async def _answer(self, question: Asking) -> Json:
        """Return the client's answer once it was posted, to whatever replica."""
        calling, method = self._calling, question.request.method
        key = pending_key(calling.session, question.request.id)
        body = await calling.live.mailbox.wait(key, seconds=ANSWER_TIME)
        if body is None:
            raise CallEnds(CODES["UpstreamTimeout"].rpc, _TIMED_OUT.format(method))
        response = read_message(body)
        assert isinstance(response, Response)  # put there by `newer`
        return answer_to_input(method, question.kind, response, refused=CODES["Denied"].rpc)

    async def _again(
        self, new_id: str, questions: Sequence[Asking], answers: Sequence[Json], state: Json
    ) -> None:
        given = {one.key: answer for one, answer in zip(questions, answers, strict=True)}
        request = retried(self._calling.request, given, state, request_id=new_id)
        await self._exchange.close()
        calling = self._calling = replace(self._calling, request=request)
        self._exchange = await unless(
            self._cancelled, say_modern(calling.said, request, parameters=calling.parameters)
        )


def _event(message: object) -> Event:
    return Event(type="message", data=write_json(message).decode())
