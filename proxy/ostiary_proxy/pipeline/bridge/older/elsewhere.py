"""A parked call whose answer reached another replica: the two hand each other what they have.

The replica that got the call with the answers leaves it in the mailbox and waits; the one that
holds the server's stream goes on as if the call had come to it, and leaves what came of it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import read_json
from ostiary_proxy.mcp.envelope import read_message
from ostiary_proxy.mcp.errors import error_body
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bridge.older.events import OurEvents
from ostiary_proxy.pipeline.bridge.older.reading import EVENTS
from ostiary_proxy.pipeline.forward import failure_of, media_type
from ostiary_proxy.pipeline.mailbox import Mailbox
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["Elsewhere", "attend", "finish_for", "gone", "hand_over"]

_TAKEN: Final = 5.0
"""Seconds until the replica that holds the stream must have said so."""
_LONGEST: Final = 300.0
_PAUSE: Final = 1.0
_MAX: Final = 4 * 1024 * 1024

Going = Callable[[Request], Awaitable[Exchange]]
"""Goes on with a parked call as its client made it again."""


async def hand_over(said: Said, request: Request, state: str) -> Exchange:
    """Return the exchange of a call that goes on at another replica; raises Refused."""
    box = said.known.routed.received.live.mailbox
    mail = write_json([said.known.presented.grant.gid, request.whole])
    there = Elsewhere(said, state)
    try:
        await box.put(_key(state, "answers"), mail, seconds=_TAKEN)
        if await box.wait(_key(state, "taken"), seconds=_TAKEN) is None:
            raise gone()
    except BaseException:
        await there.close()
        raise
    return there


def gone() -> Refused:
    """Return the refusal of answers that no call waits for (any more)."""
    message = "the server waits for this answer no more; make the call anew"
    return Refused("InvalidParams", message=message)


class Elsewhere(OurEvents):
    """What comes of the call at the replica that holds its stream."""

    def __init__(self, said: Said, state: str) -> None:
        super().__init__(said)
        self._state = state

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the events, all at once; raises Refused."""
        try:
            found = await self.live.mailbox.wait(_key(self._state, "end"), seconds=_LONGEST)
        except StoreUnavailable as away:
            raise Refused("StoreUnavailable", detail=str(away)) from None
        self.over = True
        if found is not None:
            yield found

    async def leave(self) -> None:
        """Let the other replica know."""
        await self.live.mailbox.put(_key(self._state, "left"), b"", seconds=_LONGEST)


async def attend(box: Mailbox, state: str, gid: str, seconds: float) -> Request | None:
    """Return the call that was made again at another replica, None where it was not."""
    deadline = asyncio.get_running_loop().time() + seconds
    while (left := deadline - asyncio.get_running_loop().time()) > 0:
        try:
            mail = await box.wait(_key(state, "answers"), seconds=left)
        except StoreUnavailable:
            await asyncio.sleep(_PAUSE)
            continue
        return None if mail is None else _request(mail, gid)
    return None


def _request(mail: bytes, gid: str) -> Request | None:
    plain = read_json(mail)
    assert isinstance(plain, list)  # written by `hand_over` and sealed since
    message = read_message(write_json(plain[1]))
    assert isinstance(message, Request)
    return message if plain[0] == gid else None


async def finish_for(box: Mailbox, state: str, request: Request, going: Going) -> None:
    """Go on with a call for the client of another replica, until its end or the next questions.

    From the moment that the other one knows it waits: it is told an end even where this replica has
    no time left. Raises StoreUnavailable where it can't be let know.
    """
    try:
        await box.put(_key(state, "taken"), b"", seconds=_TAKEN)
        await _end(box, state, await _outcome(box, state, request, going))
    except asyncio.CancelledError:
        ended = Refused("UpstreamUnavailable", message="the replica that ran this call has ended")
        await _end(box, state, _refusal(request, ended))
        raise


async def _end(box: Mailbox, state: str, body: bytes) -> None:
    with suppress(StoreUnavailable):
        await box.put(_key(state, "end"), body, seconds=_LONGEST)


async def _outcome(box: Mailbox, state: str, request: Request, going: Going) -> bytes:
    try:
        return await _unless_left(box, state, await going(request))
    except OutboundFailed as failed:
        return _refusal(request, failure_of(failed))
    except Refused as refused:
        return _refusal(request, refused)


async def _unless_left(box: Mailbox, state: str, exchange: Exchange) -> bytes:
    """Return all events of `exchange`; where the client leaves before, it is closed."""
    reading = asyncio.ensure_future(exchange.body(_MAX))
    left = asyncio.ensure_future(box.wait(_key(state, "left"), seconds=_LONGEST))
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


def _key(state: str, what: str) -> str:
    return f"older:{state}:{what}"
