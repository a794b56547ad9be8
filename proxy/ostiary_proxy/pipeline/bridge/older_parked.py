"""Calls that wait for what their server asked the client, and their going on.

The server's stream stays open meanwhile, on the replica that holds it. The client makes its call
again with the answers: on this replica the stream simply goes on; from another one the answers come
by the mailbox, and what came of them goes back the same way.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.identity import Person
from ostiary_proxy.mcp.bridge.from_legacy import asking
from ostiary_proxy.mcp.bridge.to_legacy import answer_of
from ostiary_proxy.mcp.envelope import read_message
from ostiary_proxy.mcp.message import Object, Request
from ostiary_proxy.mcp.methods import MODERN, client_requests
from ostiary_proxy.mcp.server_methods import server_request
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bearer import rejudge
from ostiary_proxy.pipeline.bridge.older import PATIENCE
from ostiary_proxy.pipeline.bridge.older_call import Call
from ostiary_proxy.pipeline.bridge.older_elsewhere import attend, finish_for, hand_over
from ostiary_proxy.pipeline.bridge.older_retold import Retold
from ostiary_proxy.pipeline.bridge.older_session import bearer_of, remembered, tell, today
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = ["Parked", "go_on", "retold"]

_NAME: Final = "question"
_QUESTION: Final = re.compile(r"(?P<replica>[0-9a-z]{1,32})\.[0-9a-f]{32}")
"""A question of ours; a server that was replaced may have given its own."""


@dataclass(slots=True, kw_only=True, eq=False)
class Parked:
    """A call that waits. `asked` is the server's request; `said` whose call it is.

    `waiting` hears of answers that reach other replicas.
    """

    key: str
    said: Said
    call: Call
    asked: Request
    waiting: asyncio.Task[None] | None = None

    @property
    def person(self) -> Person:
        return self.said.known.presented.grant.person

    @property
    def gid(self) -> str:
        return self.said.known.presented.grant.gid

    @property
    def busy(self) -> bool:
        return False

    async def living(self) -> bool:
        """Say whether the grant lives; policy is asked when the call is made again."""
        live = self.said.known.routed.received.live.newest()
        return await rejudge(live, bearer_of(self.said), live.clock()) is not None

    async def end(self) -> None:
        """Cancel the call."""
        if self.waiting is not None:
            self.waiting.cancel()
        await self.call.cancel(self.said)


def retold(said: Said, request: Request, call: Call) -> Exchange:
    """Return the stream of `call`, which parks itself where the server asks something."""
    return Retold(said, request, call, park=_park)


def _park(said: Said, call: Call, asked: Request) -> dict[str, Json]:
    """Let `call` wait and return the result that asks the client.

    Where policy forbids the question the way back refuses the result, and nobody would answer.
    Raises Refused.
    """
    call.rest()
    live = said.known.routed.received.live
    key = f"{live.older.replica}.{live.entropy(16).hex()}"
    parked = Parked(key=key, said=remembered(said), call=call, asked=asked)
    subject = server_request(MODERN, asked.method, asked.params)
    if subject is None or not said.known.judge.verdict(subject, live.clock()).allowed:
        live.streams.adopt(parked.end())
    elif not live.older.parked.room(parked.person):
        live.streams.adopt(parked.end())
        raise Refused("RateLimited", message="too many calls wait here for their clients")
    else:
        live.older.parked.put(key, parked)
        # Not a call that runs: the end of the process waits for none of these.
        parked.waiting = asyncio.ensure_future(_attended(parked))
    return asking(_NAME, asked.method, asked.params, key)


async def _attended(parked: Parked) -> None:
    """Go on for the client of another replica that brings the answer there."""
    live = parked.said.known.routed.received.live
    request = await attend(live.mailbox, parked.key, parked.gid, PATIENCE)
    if request is None or live.older.parked.take(parked.key) is not parked:
        return
    parked.waiting = None
    method = client_requests(MODERN)[request.method]

    async def going(request: Request) -> Exchange:
        said = replace(today(parked.said), message=request, method=method)
        return await _answered(said, request, parked)

    await live.streams.adopt(finish_for(live.mailbox, parked.key, request, going))


async def go_on(said: Said, request: Request, question: str) -> Exchange:
    """Return the exchange of a call made again with the answer to `question`; raises Refused."""
    older = said.known.routed.received.live.older
    known = _QUESTION.fullmatch(question)
    if known is not None and known["replica"] != older.replica:
        return await hand_over(said, request, question)
    parked = older.parked.get(question)
    # The state was sealed for this grant and call already; whose stream goes on is worth a second
    # look.
    if parked is None or parked.gid != said.known.presented.grant.gid:
        raise Refused(
            "InvalidParams", message="the server waits for this answer no more; make the call anew"
        )
    older.parked.take(question)
    if parked.waiting is not None:
        parked.waiting.cancel()
    return await _answered(said, request, parked)


async def _answered(said: Said, request: Request, parked: Parked) -> Exchange:
    """Give the server its answer, or ask the client once more where it brings none."""
    answers = request.params.get("inputResponses")
    answer = answers.get(_NAME) if isinstance(answers, dict) else None
    if said.upstream.url != parked.call.kept.url:
        await parked.end()
        raise Refused("UpstreamUnavailable", detail="the route leads to another server now")
    if not isinstance(answer, dict):
        result = _park(said, parked.call, parked.asked)
        whole: Object = {"jsonrpc": "2.0", "id": request.id, "result": result}
        return Whole(200, {"content-type": "application/json"}, write_json(whole))
    await _post(said, parked, answer)
    return retold(said, request, parked.call)


async def _post(said: Said, parked: Parked, answer: Object) -> None:
    parked.call.run()
    try:
        response = read_message(answer_of(parked.asked.id, answer))
        exchange = await tell(said, parked.call.kept, response, system=False)
        await exchange.close()
    except BaseException:
        said.known.routed.received.live.streams.adopt(parked.end())
        raise
    if not 200 <= exchange.status < 300:
        await parked.end()
        raise Refused("UpstreamUnavailable", detail=f"the answer was refused: {exchange.status}")
