"""Batches of 2025-03-26: an array is so many messages, each going the straight way alone, in order.

Nothing is said to a server as an array: each message has its own verdict, record and credential.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.envelope import Misread, read_array
from ostiary_proxy.mcp.message import Message, Request, Response
from ostiary_proxy.mcp.methods import BATCHED
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.pipeline.answer import Answer, Stream
from ostiary_proxy.pipeline.answered import EVENT_STREAM, JSON
from ostiary_proxy.pipeline.decoded import session_of
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.received import Received, Seen
from ostiary_proxy.refused import Refused

__all__ = ["Pass", "answer_batch", "passes_of"]

_MOST: Final = 64
"""Messages of one batch."""
_WHOLE: Final = 1024 * 1024
"""Bytes of answers that are gathered into one array; more leave one after the other."""
_LONGEST: Final = 300.0
"""Seconds after which no further message of a batch begins."""
_LATE: Final = "the messages before it in the batch took too long; send it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One message of a batch that `around` holds, to be received as if it had come alone.

    `gid` is the grant of whoever sent it, `until` when it must have begun, by the loop's clock.
    """

    around: Received
    gid: str
    message: Message
    until: float

    def received(self) -> Received:
        """Return the message as received now, under the policy in force now."""
        live = self.around.live.newest()
        body = write_json(self.message.whole)
        late = asyncio.get_running_loop().time() >= self.until

        async def read(_limit: int) -> bytes:
            if late:
                raise Refused("UpstreamTimeout", message=_LATE)
            return body  # part of a body that was within the limit

        return Received(
            request=replace(self.around.request, read=read),
            live=live,
            id=live.new_id(),
            now=live.clock(),
            batch=self.around.id,
            seen=Seen(request_id=self.message.id if isinstance(self.message, Request) else None),
        )


Way = Callable[[Received], Awaitable[Answer]]
"""How one message is answered; it never raises but for cancellation."""


async def passes_of(known: Known, body: bytes) -> tuple[Pass, ...]:
    """Return what each message of a batch is received as; raises Refused where it is none."""
    received = known.routed.received
    if received.request.header("mcp-session-id") is None:
        raise Refused("InvalidRequest", message="send one message; there are no batches here")
    session = await session_of(known)
    if session.version != BATCHED:
        raise Refused(
            "InvalidRequest", message=f"send one message; {session.version} has no batches"
        )
    try:
        messages = read_array(body)
    except Misread as misread:
        raise Refused(misread.code, detail=str(misread)) from None
    if wrong := _wrong(messages):
        raise Refused("InvalidRequest", message=wrong)
    gid, until = known.presented.grant.gid, asyncio.get_running_loop().time() + _LONGEST
    return tuple(
        Pass(around=received, gid=gid, message=message, until=until) for message in messages
    )


def _wrong(messages: Sequence[Message]) -> str | None:
    """Return why these messages may not stand in one array (rules 4 and 5), or None."""
    if len(messages) > _MOST:
        return f"a batch holds at most {_MOST} messages"
    if len({isinstance(message, Response) for message in messages}) > 1:
        return "a batch holds responses, or requests and notifications"
    requests = [message for message in messages if isinstance(message, Request)]
    if any(request.method == "initialize" for request in requests):
        return "initialize is not part of a batch"
    if len({(type(request.id), request.id) for request in requests}) < len(requests):
        return "two requests of a batch have the same id"
    return None


async def answer_batch(passes: Sequence[Pass], way: Way) -> Answer:
    """Return the answers, in order, as one array, or as events from the first stream on.

    So they are told too where they are many bytes: no client holds more of them here than one.
    Where nothing asked for an answer it is 202, or how the first message was refused.
    """
    rest = iter(passes)
    bodies: list[bytes] = []
    refused: Answer | None = None
    for one in rest:
        answer = await way(one.received())
        coming = None if isinstance(answer.body, bytes) else answer.body
        if isinstance(answer.body, bytes) and isinstance(one.message, Request):
            bodies.append(answer.body)
        elif coming is None and answer.status >= 400:
            refused = refused or answer
        if coming is not None or sum(map(len, bodies)) > _WHOLE:
            joined = _Joined(bodies, coming, rest, way=way, last=one)
            return Answer(status=200, headers=EVENT_STREAM, body=joined)
    if bodies:
        return Answer(status=200, headers=(JSON,), body=b"[" + b",".join(bodies) + b"]")
    return refused or Answer(status=202)


class _Joined:
    """The answers to a batch as one stream: what is there, what comes, and the passes to go."""

    def __init__(
        self,
        there: Sequence[bytes],
        coming: Stream | None,
        rest: Iterator[Pass],
        *,
        way: Way,
        last: Pass,
    ) -> None:
        self._there = deque(_event(body) for body in there)
        self._coming = coming
        self._rest = rest
        self._way = way
        self._gid = last.gid
        self._live = last.around.live

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece of an answer."""
        while not self._there:
            if self._coming is None:
                await self._go_on()
            elif (piece := await anext(aiter(self._coming), None)) is not None:
                return piece
            else:
                self._coming = None
        return self._there.popleft()

    async def _go_on(self) -> None:
        one = next(self._rest, None)
        if one is None:
            raise StopAsyncIteration
        answer = await self._way(one.received())
        if not isinstance(answer.body, bytes):
            self._coming = answer.body
        elif isinstance(one.message, Request):
            self._there.append(_event(answer.body))

    async def abandon(self) -> None:
        """Take note that the client went away: the rest goes its way unseen (rule 29).

        But where too many calls do so already.
        """
        streams, holding = self._live.streams, self._live.borrowed()
        if not streams.linger(self._gid, self._drain, holding=holding) and self._coming is not None:
            await self._coming.abandon()

    async def _drain(self) -> None:
        async for _ in self:
            pass


def _event(body: bytes) -> bytes:
    return write_event(Event(data=body.decode(), type="message"))
