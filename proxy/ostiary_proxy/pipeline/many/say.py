"""What stands behind a route of several servers, spoken to as if it were one.

A message for one goes to that one alone; what is said to all is said to all at once.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.errors import error_body, result_body
from ostiary_proxy.mcp.joined.names import split_id
from ostiary_proxy.mcp.joined.requests import Addressed, addressed
from ostiary_proxy.mcp.joined.tasks import own_answer, own_params
from ostiary_proxy.mcp.message import Request, Response
from ostiary_proxy.mcp.methods import LISTEN
from ostiary_proxy.mcp.results import LISTS
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.many.everybody import discover, end, greet, level, lists, tell
from ostiary_proxy.pipeline.many.listening import listen, own_streams
from ostiary_proxy.pipeline.many.places import read_answer
from ostiary_proxy.pipeline.many.server import named, say_at, with_params
from ostiary_proxy.pipeline.many.turned import Turned
from ostiary_proxy.pipeline.said import Said, Say
from ostiary_proxy.refused import Refused

__all__ = ["say_joined"]


async def say_joined(said: Said, say: Say) -> Exchange:
    """Return the exchange of `said` with the servers of its route; raises Refused as `say` does."""
    if said.http_method == "GET":
        return await _stream(said, say)
    if said.http_method == "DELETE":
        return await end(said, say)
    if isinstance(said.message, Request):
        return await _request(said, said.message, say)
    return await _told(said, say)


async def _stream(said: Said, say: Say) -> Exchange:
    """Open the servers' own streams, or let one's answer go on where it broke off."""
    server, own = read_answer(said.last_event)
    if server in said.known.routed.route.servers:
        return await _turned(replace(said, last_event=own), server, say)
    return await own_streams(said, say)


async def _request(said: Said, request: Request, say: Say) -> Exchange:
    assert said.method is not None  # requests have one
    if (to := addressed(said.method, request.params)) is not None:
        return await _one(said, request, to, say)
    return await _JOINED[request.method](said, say)


async def _one(said: Said, request: Request, to: Addressed, say: Say) -> Exchange:
    """Say a request to the server that it names; every other name is that of nothing."""
    if to.server not in said.known.routed.route.servers:
        return _answer(error_body(request.id, -32602, "unknown tool, prompt or resource"))
    own = replace(with_params(said, to.params), name=to.name)
    return await _turned(own, to.server, say)


async def _turned(said: Said, server: str, say: Say) -> Exchange:
    try:
        return Turned(await say_at(said, server, say), server, version=said.version)
    except Refused as refused:
        raise named(refused, server) from refused


async def _told(said: Said, say: Say) -> Exchange:
    """Say a notification, or the answer to a server's own request."""
    message = said.message
    if isinstance(message, Response):
        server, own = _asked_by(said, message.id)
        answer = own_answer(message)
        answer = replace(answer, id=own, whole={**answer.whole, "id": own})
        own_said = replace(said, message=answer, body=write_json(answer.whole))
        return await _turned(own_said, server, say)
    assert message is not None  # POSTs have one
    if message.method == "notifications/tasks/status":
        # The id is the client's: nobody knows whose question it is about. Servers ask for it.
        return Whole(202, {}, b"")
    if message.method != "notifications/progress":
        return await tell(said, say)
    server, token = _asked_by(said, message.params.get("progressToken"))
    progress = with_params(said, {**own_params(message.params), "progressToken": token})
    return await _turned(progress, server, say)


def _asked_by(said: Said, joined: object) -> tuple[str, int | str]:
    """Return the server that asked, and by what id of its own."""
    found = split_id(joined)
    if found is None or found[0] not in said.known.routed.route.servers:
        raise Refused("InvalidRequest", message="no request of a server has this id")
    return found


async def _alive(said: Said, _: Say) -> Exchange:
    """Answer a ping: whether a server is there shows when it is called."""
    assert isinstance(said.message, Request)
    return _answer(result_body(said.message.id, {}))


def _answer(body: bytes) -> Exchange:
    return Whole(200, {"content-type": "application/json"}, body)


_JOINED: Final[Mapping[str, Callable[[Said, Say], Awaitable[Exchange]]]] = {
    "initialize": greet,
    "server/discover": discover,
    "logging/setLevel": level,
    "ping": _alive,
    LISTEN: listen,
    **dict.fromkeys((*LISTS, "tasks/list"), lists),
}
"""What is not for one server, by method: every request that no server's name leads anywhere."""
