"""Saying a request of 2026-07-28 to whatever stands behind, a legacy server too.

A server of which nothing is known is asked as it is. Only where it refuses as a legacy server does,
so that nothing ran, can't be discovered by ourselves either, so that it was not the client that was
odd, and then opens a session for us, the request is said there.
"""

from typing import Final

from ostiary_proxy.mcp.bridge.declared import Declared
from ostiary_proxy.mcp.bridge.from_legacy import discovered, offered
from ostiary_proxy.mcp.bridge.older_table import NEEDED, REQUESTS
from ostiary_proxy.mcp.bridge.way import Way
from ostiary_proxy.mcp.errors import error_body, result_body
from ostiary_proxy.mcp.message import Object, Request, Response
from ostiary_proxy.mcp.methods import LISTEN
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.newer.opening import discover
from ostiary_proxy.pipeline.bridge.older.call import Call, begin
from ostiary_proxy.pipeline.bridge.older.listen import listen
from ostiary_proxy.pipeline.bridge.older.opening import NotLegacy, session_for
from ostiary_proxy.pipeline.bridge.older.parked import go_on, retold
from ostiary_proxy.pipeline.bridge.older.refusal import looked_at
from ostiary_proxy.pipeline.bridge.older.retold import AGAIN, retold_refusal, retold_whole
from ostiary_proxy.pipeline.bridge.older.task_tools import as_meant
from ostiary_proxy.pipeline.bridge.older.tasks import about_task
from ostiary_proxy.pipeline.native import say_natively
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.spoken import Era

__all__ = ["say_in_2026"]

_AT_ONCE: Final = 0.5
"""Seconds that the head of an answer waits for the answer itself."""
_DISCOVER: Final = "server/discover"
_CALL: Final = "tools/call"
_OF_TASKS: Final = ("tasks/get", "tasks/update", "tasks/cancel")
_NOBODY: Final = Declared(capabilities={})
_JSON: Final = {"content-type": "application/json"}


async def say_in_2026(said: Said) -> Exchange:
    """Return the exchange of a 2026-07-28 request; raises Refused as `say_natively` does."""
    spoken = said.known.routed.received.live.spoken
    if spoken.only(said.upstream.url) is Era.LEGACY:
        try:
            return await _bridged(said)
        except NotLegacy:  # it was replaced by one that does not
            spoken.forget(said.upstream.url)
            return await say_natively(said)
    exchange, legacy = await looked_at(said, await say_natively(said))
    if not legacy or await discover(said, _NOBODY) is not None:
        return exchange
    try:
        return await _bridged(said)
    except NotLegacy:
        return exchange


async def _bridged(said: Said) -> Exchange:
    request = said.message
    assert isinstance(request, Request)  # clients of 2026-07-28 post nothing else
    said.known.routed.received.live.spoken.bridged[Era.LEGACY] += 1
    question = request.params.get("requestState")
    if question is not None and question != AGAIN:
        return await go_on(said, request, str(question))
    if request.method == LISTEN:
        return await listen(said, request)
    if request.method in _OF_TASKS and (answer := await about_task(said, request)) is not None:
        return answer
    initialized = await _initialized(said, request)
    if request.method == _DISCOVER:
        return Whole(200, _JSON, result_body(request.id, discovered(initialized)))
    forwarded = REQUESTS.get(request.method) is Way.FORWARDED
    if not forwarded or NEEDED[request.method] not in offered(initialized):
        return Whole(404, _JSON, error_body(request.id, -32601, "Method not found"))
    if request.method == _CALL:
        request = await as_meant(said, request)
    begun = await begin(said, request)
    if not isinstance(begun, Call):
        return await retold_refusal(request, begun)
    if begun.reading.streams and not await _is_answered(said, begun):
        return retold(said, request, begun)
    return await retold_whole(said, request, begun)


async def _is_answered(said: Said, call: Call) -> bool:
    """Say whether the answer is here at once: only then can its status be the right one.

    Raises Refused.
    """
    async with call.awaited(said):
        first = await call.reading.first(_AT_ONCE)
        return isinstance(first, Response) and first.id == call.id


async def _initialized(said: Said, request: Request) -> Object:
    """Return what the server said to initialize."""
    opened = await session_for(said, request)
    opened.left()
    return opened.initialized
