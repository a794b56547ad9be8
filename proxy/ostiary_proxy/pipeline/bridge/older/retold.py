"""The answer to a call in a legacy session, retold in 2026-07-28: whole, or message by message."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.bridge.from_legacy import (
    FOR_LISTENERS,
    TAKEN_BACK,
    failed,
    links,
    told,
)
from ostiary_proxy.mcp.bridge.to_legacy import answer_of, declared, log_level, refused
from ostiary_proxy.mcp.bridge.unheard import unheard
from ostiary_proxy.mcp.envelope import Misread, read_message
from ostiary_proxy.mcp.inputs import lacking
from ostiary_proxy.mcp.message import Message, Notification, Object, Request, Response
from ostiary_proxy.mcp.server_methods import server_request
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.older.call import Call
from ostiary_proxy.pipeline.bridge.older.events import OurEvents, event_of
from ostiary_proxy.pipeline.bridge.older.session import tell, today
from ostiary_proxy.pipeline.bridge.older.task import result_of_call
from ostiary_proxy.pipeline.bridge.older.task_questions import ask_of_task
from ostiary_proxy.pipeline.forward import BODY_TIME
from ostiary_proxy.pipeline.own_requests import note_refused
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = [
    "AGAIN", "Retold", "as_whole", "message_of", "retold_refusal", "retold_whole",
]  # fmt: skip

AGAIN: Final = "again"
"""The requestState of a call that nothing waits for: it is simply made anew."""
_JSON: Final = "application/json"
_LOG: Final = "notifications/message"
_PROGRESS: Final = "notifications/progress"
_MAX_REFUSAL: Final = 64 * 1024
_UNKNOWN: Final = -32601
_STATUS: Final[Mapping[Json, int]] = {_UNKNOWN: 404, -32020: 400, -32021: 400, -32022: 400}
"""Rules 20, 21 and 23."""

_TOGETHER: Final = 0.05
"""Seconds that a question waits for others, which are then asked in the same round."""

Park = Callable[[Said, Call], dict[str, Json]]
"""Lets a call wait for what its server asked; returns the result that asks the client."""


class Retold(OurEvents):
    """The stream of `call` for `request`, up to its answer or the next questions."""

    def __init__(self, said: Said, request: Request, call: Call, *, park: Park) -> None:
        super().__init__(said)
        self._request = request
        self._call = call
        self._park = park
        self._asks_at: float | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the events; raises OutboundFailed and Refused."""
        while not self.over:
            message = await self._next()
            if message is None and not self._call.questions:
                return
            said = self._asking() if message is None else await self._retold(message)
            if said is not None:
                yield event_of(said)

    async def leave(self) -> None:
        """Cancel the call, which has not ended (rule 28)."""
        await self._call.cancel(self.said)

    async def _next(self) -> Message | None:
        """Return the next message; None at the end, and once open questions are to be asked."""
        reading, questions = self._call.reading, self._call.questions
        if not questions:
            return await reading.next()
        now = asyncio.get_running_loop().time()
        self._asks_at = self._asks_at or now + _TOGETHER
        if now >= self._asks_at or questions.full:
            return None
        there = await reading.first(self._asks_at - now)
        return there and await reading.next()

    def _asking(self) -> Object:
        """Park the call; its client makes it again with answers."""
        self.over = True
        result = self._park(self.said, self._call)
        return {"jsonrpc": "2.0", "id": self._request.id, "result": result}

    async def _retold(self, message: Message) -> Object | None:
        if isinstance(message, Response):
            if message.id != self._call.id:
                return unheard(message).whole
            self.over = True
            await self._call.finish()
            return await message_of(self.said, self._request, self._call, message)
        if isinstance(message, Request):
            await self._asked(message)
            return None
        return self._told(message)

    def _told(self, note: Notification) -> Object | None:
        """Return what the client hears; a log message that it did not ask for is no stray one."""
        if note.method == TAKEN_BACK:
            self._call.questions.take_back(note)
            return None
        ear = self._call.opened.ear
        if note.method in FOR_LISTENERS and ear is not None:
            ear.tell(note)
            return None
        ours = note.method != _PROGRESS or note.params.get("progressToken") == self._call.id
        token, level = _progress(self._request), log_level(self._request)
        said = told(note, token=token, level=level) if ours else None
        return unheard(note).whole if said is None and note.method != _LOG else said

    async def _asked(self, asked: Request) -> None:
        """Keep it for the client, or answer for one that can't be asked this."""
        if await ask_of_task(self.said, asked):
            return
        if asked.method == "ping":
            await self._answer(answer_of(asked, {}))
        elif _may_be_asked(self.said, self._request, self._call, asked):
            self._call.questions.ask(asked)
        else:
            await note_refused(self.said, asked, "the client can't be asked this")
            await self._answer(refused(asked, "Method not found"))

    async def _answer(self, answer: Response) -> None:
        await (await tell(today(self.said), self._call.opened, answer)).close()


def _may_be_asked(said: Said, request: Request, call: Call, asked: Request) -> bool:
    subject = server_request(call.opened.session.version, asked.method, asked.params)
    if subject is None or subject.kind is not Kind.SERVER:
        return False
    if said.method is None or not said.method.retried:
        return False
    return lacking(ServerRequest(subject.name), declared(request), asked.params) is None


def _progress(request: Request) -> Json:
    meta = request.params.get("_meta")
    return meta.get("progressToken") if isinstance(meta, dict) else None


async def retold_whole(said: Said, request: Request, call: Call) -> Exchange:
    """Return the answer that came as one JSON body; raises Refused."""
    async with call.awaited(said):
        message = await call.reading.answer(call.id, seconds=BODY_TIME)
        if message is None:
            raise Refused("UpstreamInvalid", detail="not the answer to what was asked")
    await call.finish()
    return as_whole(await message_of(said, request, call, message))


async def retold_refusal(request: Request, exchange: Exchange) -> Exchange:
    """Return an exchange by which the server refused `request`, its error retold."""
    if not 400 <= exchange.status < 500:  # only such a body was read, and the rest is closed
        return exchange
    try:
        message = read_message(await exchange.body(_MAX_REFUSAL))
    except Misread:
        return exchange
    if not isinstance(message, Response) or message.error is None:
        return exchange
    error = failed(message.error, request.params.get("uri"))
    return Whole(exchange.status, exchange.headers, write_json({**message.whole, "error": error}))


async def message_of(
    said: Said, request: Request, call: Call, message: Response
) -> dict[str, Json]:
    """Return the response to the client's own request; raises Refused."""
    whole: dict[str, Json] = {"jsonrpc": "2.0", "id": request.id}
    if message.error is None:
        result = await result_of_call(said, request, call.opened, message.result or {})
        return {**whole, "result": result}
    retried = said.method is not None and said.method.retried
    if retried and lacking(ServerRequest.ELICITATION_URL, declared(request)) is None:
        asking = links(message.error, AGAIN)
        if asking is not None:
            return {**whole, "result": asking}
    return {**whole, "error": failed(message.error, request.params.get("uri"))}


def as_whole(message: Object) -> Whole:
    """Return the exchange of one message, with the status that 2026-07-28 wants for it."""
    error = message.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return Whole(_STATUS.get(code, 200), {"content-type": _JSON}, write_json(message))
