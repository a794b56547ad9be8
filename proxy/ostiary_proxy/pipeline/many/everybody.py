"""What is said to all servers of a route, each at the same time, and answered as one."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

import structlog

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.errors import error_body, result_body
from ostiary_proxy.mcp.joined.fit import items_of
from ostiary_proxy.mcp.joined.greetings import discovery, freshness, greeting, marked
from ostiary_proxy.mcp.joined.lists import Pages, joined_list, read_cursor
from ostiary_proxy.mcp.message import Object, Request
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.many.answers import Answers, ask_all
from ostiary_proxy.pipeline.many.greeting import opened_by
from ostiary_proxy.pipeline.many.server import end_at, key_of, named, patience, say_at, with_params
from ostiary_proxy.pipeline.many.sessions import Opened, joined_text
from ostiary_proxy.pipeline.said import Said, Say
from ostiary_proxy.refused import Refused

__all__ = ["discover", "end", "greet", "level", "lists", "tell"]

log = structlog.get_logger(__name__)


async def greet(said: Said, say: Say) -> Exchange:
    """Initialize every server that is there; the others get another chance with each message."""
    request = _request(said)
    answers = await ask_all(dict.fromkeys(_servers(said), said), say)
    opened, missing = _opened(answers)
    if not opened:
        raise next(iter(missing.values()), Refused("UpstreamRejected", detail="no initialize"))
    results = {server: answers.results[server] for server in opened}
    why = {server: refused.message for server, refused in missing.items()}
    result = greeting(results, why, said.known.routed.route.route.display_name)
    text = joined_text(request.params, opened)
    return _result(request, marked(result, missing), {"mcp-session-id": text})


def _opened(answers: Answers) -> tuple[Mapping[str, Opened], Mapping[str, Refused]]:
    """Return the sessions that were opened, and why the others' are missing."""
    opened: dict[str, Opened] = {}
    missing = dict(answers.missing)
    for server, heard in answers.heard.items():
        try:
            opened[server] = opened_by(heard)
        except Refused as refused:
            missing[server] = named(refused, server)
    return opened, missing


async def discover(said: Said, say: Say) -> Exchange:
    """Ask every server what it can do (2026-07-28)."""
    answers = await ask_all(dict.fromkeys(_servers(said), said), say)
    why = {server: refused.message for server, refused in answers.missing.items()}
    result = discovery(answers.results, why, said.known.routed.route.route.display_name)
    return _result(_request(said), marked(result, answers.missing))


async def lists(said: Said, say: Say) -> Exchange:
    """Ask every server for a page of what it has, or those that have more pages."""
    request = _request(said)
    cursor = request.params.get("cursor")
    try:
        saids = _pages(said, cursor)
    except BadResult as error:
        return _answer(error_body(request.id, -32602, str(error)))
    answers = await ask_all(saids, say)
    pages = joined_list(request.method, answers.results)
    if request.method == "tools/list":
        _take_note(said, pages, answers, anew=not cursor)
    result: dict[str, Json] = {items_of(request.method): list(pages.items)}
    if pages.cursor is not None:
        result["nextCursor"] = pages.cursor
    if said.version == MODERN:
        fresh = freshness(answers.results.values(), answers.missing)
        result |= {"resultType": "complete", **fresh}
    return _result(request, marked(result, answers.missing))


def _pages(said: Said, cursor: Json) -> Mapping[str, Said]:
    """Return what each server is asked for; raises BadResult for a cursor that is none of ours."""
    if cursor is None or cursor == "":
        return dict.fromkeys(_servers(said), said)
    params = _request(said).params
    own = read_cursor(cursor)
    return {
        server: with_params(said, {**params, "cursor": own[server]})
        for server in _servers(said)
        if server in own
    }


def _take_note(said: Said, pages: Pages, answers: Answers, *, anew: bool) -> None:
    """Say which tools no client sees; each list from its start says it anew."""
    upstreams = said.known.routed.received.live.upstreams
    for server in answers.heard:
        key = key_of(said, server)
        if new := upstreams.left_out(key, pages.unfit.get(server, ()), anew=anew):
            log.warning("tools are left out: no client can read them", server=key, tools=new)


async def level(said: Said, say: Say) -> Exchange:
    """Set the log level everywhere; a server that does not know levels has none to set."""
    await ask_all(dict.fromkeys(_servers(said), said), say)
    return _result(_request(said), {})


async def tell(said: Said, say: Say) -> Exchange:
    """Tell every server that has a session something that it does not answer."""
    exchanges = await asyncio.gather(*(_tell(said, server, say) for server in _servers(said)))
    if not any(exchanges):
        raise Refused("UpstreamUnavailable", detail="no server took it")
    return Whole(202, {}, b"")


async def end(said: Said, say: Say) -> Exchange:
    """End the session at every server."""
    await asyncio.gather(*(_end(said, server, say) for server in _servers(said)))
    return Whole(200, {}, b"")


async def _end(said: Said, server: str, say: Say) -> None:
    # One that can't be told finds out by itself: its session is not used any more.
    with contextlib.suppress(Refused, TimeoutError):
        async with asyncio.timeout(patience(said, server)):
            await end_at(said, server, say)


async def _tell(said: Said, server: str, say: Say) -> bool:
    """Say whether `server` took it."""
    try:
        async with asyncio.timeout(patience(said, server)):
            exchange = await say_at(said, server, say, greets=False)
    except (Refused, TimeoutError):
        return False
    await exchange.close()
    return exchange.status < 300


def _servers(said: Said) -> Iterable[str]:
    return said.known.routed.route.servers


def _request(said: Said) -> Request:
    assert isinstance(said.message, Request)
    return said.message


def _result(request: Request, result: Object, headers: Mapping[str, str] | None = None) -> Exchange:
    return _answer(result_body(request.id, result), headers)


def _answer(body: bytes, headers: Mapping[str, str] | None = None) -> Exchange:
    return Whole(200, {"content-type": "application/json", **(headers or {})}, body)
