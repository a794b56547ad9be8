"""Calls that wait for what their server asked the client, and their going on.

The server's stream stays open meanwhile, on the replica that holds it. The client makes its call
again with the answers: on this replica the stream simply goes on; from another one the answers come
by the mailbox, and what came of them goes back the same way.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.message import Request, Response
from ostiary_proxy.mcp.methods import MODERN, client_requests
from ostiary_proxy.mcp.server_methods import server_request
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.bridge.older.call import Call
from ostiary_proxy.pipeline.bridge.older.elsewhere import attend, finish_for, gone, hand_over
from ostiary_proxy.pipeline.bridge.older.refusal import is_lost, refusal_of
from ostiary_proxy.pipeline.bridge.older.retold import Retold
from ostiary_proxy.pipeline.bridge.older.session import Waits, judge_of, remembered, tell, today
from ostiary_proxy.pipeline.bridge.older.state import PATIENCE
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["Parked", "go_on", "retold"]

_STATE: Final = re.compile(r"(?P<replica>[0-9a-z]{1,32})\.[0-9a-f]{32}")
"""A state of ours; a server that was replaced may have given its own."""


@dataclass(slots=True, kw_only=True, eq=False)
class Parked(Waits):
    """A call that waits. `said` is whose call it is; `waiting` hears of answers elsewhere."""

    key: str
    call: Call
    waiting: asyncio.Task[None] | None = None

    @property
    def gid(self) -> str:
        return self.said.known.presented.grant.gid

    async def end(self) -> None:
        """Cancel the call."""
        if self.waiting is not None:
            self.waiting.cancel()
        await self.call.cancel(self.said)


def retold(said: Said, request: Request, call: Call) -> Exchange:
    """Return the stream of `call`, which parks itself where the server asks something."""
    return Retold(said, request, call, park=_park)


def _park(said: Said, call: Call) -> dict[str, Json]:
    """Let `call` wait and return the result that asks the client.

    Where policy forbids a question the way back refuses the result, and nobody would answer. Raises
    Refused.
    """
    call.rest()
    live = said.known.routed.received.live
    key = f"{live.older.replica}.{live.entropy(16).hex()}"
    parked = Parked(key=key, said=remembered(said), call=call)
    if not all(_is_allowed(said, asked) for asked in call.questions):
        live.streams.adopt(parked.end())
    elif live.streams.leaving:
        live.streams.adopt(parked.end())
        raise Refused("UpstreamUnavailable", message="this replica ends; make the call anew")
    elif not live.older.parked.room(parked.person):
        live.streams.adopt(parked.end())
        raise Refused("RateLimited", message="too many calls wait here for their clients")
    else:
        live.older.parked.put(key, parked)
        # Not a call that runs: the end of the process waits for none of these.
        parked.waiting = asyncio.ensure_future(_attended(parked))
    return call.questions.result(key)


def _is_allowed(said: Said, asked: Request) -> bool:
    subject = server_request(MODERN, asked.method, asked.params)
    now = said.known.routed.received.live.clock()
    return subject is not None and said.known.judge.verdict(subject, now).allowed


async def _attended(parked: Parked) -> None:
    """Go on for the client of another replica that brings answers there."""
    live = parked.said.known.routed.received.live
    request = await attend(live.mailbox, parked.key, parked.gid, PATIENCE)
    if request is not None and live.older.parked.take(parked.key) is parked:
        parked.waiting = None
        await live.streams.adopt(_finished(parked, request))


async def _finished(parked: Parked, request: Request) -> None:
    async def going(request: Request) -> Exchange:
        return await _answered(await _said_now(parked, request), request, parked)

    try:
        box = parked.said.known.routed.received.live.mailbox
        await finish_for(box, parked.key, request, going)
    except StoreUnavailable:
        await parked.end()


async def _said_now(parked: Parked, request: Request) -> Said:
    """Return the call as its client made it again, by what is in force now; raises Refused."""
    judge = await judge_of(parked.said)
    if judge is None:
        await parked.end()
        raise gone()
    said, method = today(parked.said), client_requests(MODERN)[request.method]
    return replace(said, known=replace(said.known, judge=judge), message=request, method=method)


async def go_on(said: Said, request: Request, state: str) -> Exchange:
    """Return the exchange of a call made again in this `state`; raises Refused."""
    older = said.known.routed.received.live.older
    known = _STATE.fullmatch(state)
    if known is not None and known["replica"] != older.replica:
        return await hand_over(said, request, state)
    parked = older.parked.get(state)
    # The state was sealed for this grant and call already; whose stream goes on is worth a second
    # look.
    if parked is None or parked.gid != said.known.presented.grant.gid:
        raise gone()
    older.parked.take(state)
    if parked.waiting is not None:
        parked.waiting.cancel()
    return await _answered(said, request, parked)


async def _answered(said: Said, request: Request, parked: Parked) -> Exchange:
    """Give the server what answers there are; the client is asked the rest once more."""
    call = parked.call
    if not said.leads_to(call.opened.url):
        await parked.end()
        raise Refused("UpstreamUnavailable", detail="the route leads to another server now")
    call.run()
    try:
        for answer in call.questions.answered(request.params.get("inputResponses")):
            await _post(said, call, answer)
    except BaseException:
        said.known.routed.received.live.streams.adopt(parked.end())
        raise
    return retold(said, request, call)


async def _post(said: Said, call: Call, answer: Response) -> None:
    """Give the server an answer; one that it wants no more is nothing to the call.

    Raises Refused where the call can't go on.
    """
    exchange = await refusal_of(await tell(said, call.opened, answer, system=False))
    await exchange.close()
    if exchange.status >= 500 or await is_lost(exchange):
        raise Refused("UpstreamUnavailable", detail=f"the answer was refused: {exchange.status}")
