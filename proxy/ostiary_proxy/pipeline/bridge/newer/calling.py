"""What a legacy client waits for at a server of 2026-07-28, and the stream that it hears it on."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_modern import Asking
from ostiary_proxy.mcp.bridge.to_modern import CallEnds, answer_to_input
from ostiary_proxy.mcp.envelope import read_message
from ostiary_proxy.mcp.message import Id, Object, Request, Response
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.bridge.newer.bridged import Bridged
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session, pending_key
from ostiary_proxy.refused import CODES, Refused
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.wire import Headers

__all__ = [
    "ANSWER_TIME", "CallStream", "Calling", "answer_from_client", "event_of", "wants_task",
]  # fmt: skip

ANSWER_TIME: Final = 600.0
"""Seconds that a client has to answer what the server asks for."""
_TIMED_OUT: Final = "the server asked for {}, and no answer came in time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """`request` is what is said now, with the headers `parameters`, in place of `said`'s.

    It `awaits` a task where the server makes one of a call whose client wants the answer.
    """

    said: Said
    session: Session
    bridged: Bridged
    request: Request
    parameters: Headers = ()
    awaits: bool = False

    @property
    def live(self) -> Live:
        return self.said.known.routed.received.live

    @property
    def may_ask(self) -> bool:
        """Say whether the server may ask for input in its answer (rule 45)."""
        return self.said.method is not None and self.said.method.retried

    @property
    def asked(self) -> Request:
        """Return what the client asked."""
        assert isinstance(self.said.message, Request)  # nothing else calls
        return self.said.message

    @property
    def client_id(self) -> Id:
        """Return the id under which the client waits."""
        return self.asked.id

    @property
    def as_task(self) -> bool:
        """Say whether the client wants a task in place of the answer."""
        return wants_task(self.bridged, self.asked)


def wants_task(bridged: Bridged, asked: Request) -> bool:
    """Say whether a request of the session wants a task for its answer."""
    wanted = isinstance(asked.params.get("task"), dict)
    return wanted and bridged.tasks and asked.method == "tools/call"


class CallStream(ABC):
    """An `Exchange`: the stream on which a call is answered, and its client asked before."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream"}
    arrived = False

    def __init__(self, calling: Calling, cancelled: asyncio.Event) -> None:
        self._calling = calling
        self._cancelled = cancelled

    @abstractmethod
    def _events(self) -> AsyncIterator[Event]:
        """Iterate over what comes, the answer last; raises CallEnds and BadResult too."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the events as they are written; raises OutboundFailed and Refused."""
        try:
            async for event in self._events():
                yield write_event(event)
        except CallEnds as ended:
            yield write_event(event_of(ended.answer(self._calling.client_id)))
        except BadResult as bad:
            raise Refused("UpstreamInvalid", detail=str(bad)) from None
        except StoreUnavailable as error:
            raise Refused("StoreUnavailable", detail=str(error)) from error

    async def body(self, limit: int) -> bytes:
        """Refuse: who may be asked can't wait for the whole of it."""
        raise OutboundFailed("protocol", f"a stream, not a body of {limit} bytes")

    async def close(self) -> None:
        """Forget the call: nobody waits for it any more."""
        self._calling.live.underway.ended(self._calling.session, self._cancelled)


def event_of(message: Object) -> Event:
    """Return the event that brings a message."""
    return Event(type="message", data=write_json(message).decode())


async def answer_from_client(calling: Calling, question: Asking) -> Json:
    """Return the client's answer once it was posted, to whatever replica; raises CallEnds."""
    method = question.request.method
    key = pending_key(calling.session, question.request.id)
    body = await calling.live.mailbox.wait(key, seconds=ANSWER_TIME)
    if body is None:
        raise CallEnds(CODES["UpstreamTimeout"].rpc, _TIMED_OUT.format(method))
    response = read_message(body)
    assert isinstance(response, Response)  # put there by `newer`
    return answer_to_input(method, question.kind, response, refused=CODES["Denied"].rpc)
