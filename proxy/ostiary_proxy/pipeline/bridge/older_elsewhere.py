"""A parked call whose answer reached another replica: the two hand each other what they have.

The replica that got the call with the answers leaves it in the mailbox and waits; the one that
holds the server's stream goes on as if the call had come to it, and leaves what came of it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import read_json
from ostiary_proxy.mcp.envelope import read_message
from ostiary_proxy.mcp.errors import error_body
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bridge.older_reading import EVENTS, whole_of
from ostiary_proxy.pipeline.forward import failure_of, media_type
from ostiary_proxy.pipeline.mailbox import Mailbox
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["Elsewhere", "attend", "finish_for", "hand_over"]

_TAKEN: Final = 5.0
"""Seconds until the replica that holds the stream must have said so."""
_LONGEST: Final = 300.0
_PAUSE: Final = 1.0
_MAX: Final = 4 * 1024 * 1024

Going = Callable[[Request], Awaitable[Exchange]]
"""Goes on with a parked call as its client made it again."""


async def hand_over(said: Said, request: Request, question: str) -> Exchange:
    """Return the exchange of a call that goes on at another replica; raises Refused."""
    box = said.known.routed.received.live.mailbox
    mail = write_json([said.known.presented.grant.gid, request.whole])
    there = Elsewhere(said, question)
    try:
        await box.put(_key(question, "answers"), mail, seconds=_TAKEN)
        taken = await box.wait(_key(question, "taken"), seconds=_TAKEN)
    except BaseException:
        await there.close()
        raise
    if taken is None:
        raise Refused(
            "InvalidParams", message="the server waits for this answer no more; make the call anew"
        )
    return there


class Elsewhere:
    """An `Exchange`: what comes of the call at the replica that holds its stream."""

    status = 200
    headers: Mapping[str, str] = {"content-type": EVENTS}
    arrived = False

    def __init__(self, said: Said, question: str) -> None:
        self._live = said.known.routed.received.live
        self._question = question
        self._over = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the events, all at once; raises Refused."""
        try:
            found = await self._live.mailbox.wait(_key(self._question, "end"), seconds=_LONGEST)
        except StoreUnavailable as away:
            raise Refused("StoreUnavailable", detail=str(away)) from None
        self._over = True
        if found is not None:
            yield found

    async def body(self, limit: int) -> bytes:
        """Return all events; raises Refused, and OutboundFailed beyond `limit` bytes."""
        return await whole_of(self.chunks(), limit)

    async def close(self) -> None:
        """Let the other replica know that nobody waits any more."""
        if not self._over:
            self._over = True
            self._live.streams.adopt(
                self._live.mailbox.put(_key(self._question, "left"), b"", seconds=_LONGEST)
            )


async def attend(box: Mailbox, question: str, gid: str, seconds: float) -> Request | None:
    """Return the call that was made again at another replica, None where it was not."""
    deadline = asyncio.get_running_loop().time() + seconds
    while (left := deadline - asyncio.get_running_loop().time()) > 0:
        try:
            mail = await box.wait(_key(question, "answers"), seconds=left)
            if mail is None:
                return None
            await box.put(_key(question, "taken"), b"", seconds=_TAKEN)
        except StoreUnavailable:
            await asyncio.sleep(_PAUSE)
            continue
        return _request(mail, gid)
    return None


def _request(mail: bytes, gid: str) -> Request | None:
    plain = read_json(mail)
    assert isinstance(plain, list)  # written by `hand_over` and sealed since
    message = read_message(write_json(plain[1]))
    assert isinstance(message, Request)
    return message if plain[0] == gid else None


async def finish_for(box: Mailbox, question: str, request: Request, going: Going) -> None:
    """Go on with a call for the client of another replica, until its end or the next question."""
    try:
        exchange = await going(request)
        body = await _unless_left(box, question, exchange)
    except OutboundFailed as failed:
        body = _refusal(request, failure_of(failed))
    except Refused as refused:
        body = _refusal(request, refused)
    with suppress(StoreUnavailable):
        await box.put(_key(question, "end"), body, seconds=_LONGEST)


async def _unless_left(box: Mailbox, question: str, exchange: Exchange) -> bytes:
    """Return all events of `exchange`; where the client leaves before, it is closed."""
    reading = asyncio.ensure_future(exchange.body(_MAX))
    left = asyncio.ensure_future(box.wait(_key(question, "left"), seconds=_LONGEST))
    try:
        await asyncio.wait((reading, left), return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            return b""
        body = reading.result()
        return body if media_type(exchange) == EVENTS else _event(body)
    finally:
        reading.cancel()
        left.cancel()
        await exchange.close()


def _refusal(request: Request, refused: Refused) -> bytes:
    return _event(error_body(request.id, refused.how.rpc, refused.message))


def _event(body: bytes) -> bytes:
    return write_event(Event(data=body.decode(), type="message"))


def _key(question: str, what: str) -> str:
    return f"older:{question}:{what}"
