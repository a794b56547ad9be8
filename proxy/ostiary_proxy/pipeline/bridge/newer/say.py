"""A legacy client in front of a server of 2026-07-28 alone: its messages, one by one.

To the rest of the pipeline it looks as if the server spoke the client's revision and kept its
session.
"""

import asyncio
from dataclasses import replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.bridge.from_modern import wanted_in
from ostiary_proxy.mcp.bridge.newer_table import REQUESTS
from ostiary_proxy.mcp.bridge.tasks_from_modern import able, extended, only_runs_as_task
from ostiary_proxy.mcp.bridge.to_modern import CallEnds, standing_alone
from ostiary_proxy.mcp.bridge.way import Way
from ostiary_proxy.mcp.errors import error_body
from ostiary_proxy.mcp.message import Notification, Request, Response
from ostiary_proxy.mcp.results import BadResult
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.newer.answers import answer_here
from ostiary_proxy.pipeline.bridge.newer.bridged import Bridged, bridged_in
from ostiary_proxy.pipeline.bridge.newer.call import Call
from ostiary_proxy.pipeline.bridge.newer.calling import ANSWER_TIME, Calling, wants_task
from ostiary_proxy.pipeline.bridge.newer.listening import listen
from ostiary_proxy.pipeline.bridge.newer.made import settled
from ostiary_proxy.pipeline.bridge.newer.opening import discover, open_session
from ostiary_proxy.pipeline.bridge.newer.parameters import learn_from, say_with_parameters
from ostiary_proxy.pipeline.bridge.newer.remembered import Remembered, change, look_up
from ostiary_proxy.pipeline.bridge.newer.speaking import (
    answer_in,
    is_stream,
    message_in,
    say_modern,
    unless,
)
from ostiary_proxy.pipeline.bridge.newer.tasks import about_task
from ostiary_proxy.pipeline.forward import read_body
from ostiary_proxy.pipeline.native import say_natively
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session, pending_key
from ostiary_proxy.pipeline.spoken import Era
from ostiary_proxy.refused import Refused

__all__ = ["say_newer"]

_JSON: Final = {"content-type": "application/json"}
_MAX_BODY: Final = 16 * 1024 * 1024
_OTHER_ERA: Final = -32022
_FORGOTTEN: Final = Whole(404, {}, b"")
"""As a server answers that forgot the session: clients initialize again."""


async def say_newer(said: Said) -> Exchange:
    """Return the exchange with the server in the client's legacy revision, bridged where needed.

    Raises Refused as `say` does, and StoreUnavailable.
    """
    message = said.message
    if isinstance(message, Request) and message.method == "initialize":
        return await open_session(said, message)
    bridged, session = bridged_in(said.session), said.session
    if bridged is None or session is None:
        return await _natively(said)
    if message is None:
        return await _bare(said, session, bridged)
    if isinstance(message, Response):
        return await _answer(said, session, message)
    if isinstance(message, Notification):
        return _notify(said, session, message)
    said.known.routed.received.live.spoken.bridged[Era.MODERN] += 1
    if REQUESTS.get(message.method) is Way.FORWARDED:
        return await _forward(said, session, bridged, message)
    if bridged.tasks and message.method.startswith("tasks/"):
        return await about_task(said, session, bridged, message)
    return Whole(200, _JSON, await answer_here(said, session, bridged, message))


async def _natively(said: Said) -> Exchange:
    """Say it in a session of the server's own; one that gave up its era has forgotten it."""
    exchange = await say_natively(said)
    if exchange.status != 400 or not isinstance(said.message, Request):
        return exchange
    body = await read_body(exchange, _MAX_BODY)
    answer = message_in(body)
    if not isinstance(answer, Response) or not _refuses_version(answer):
        return Whole(exchange.status, exchange.headers, body)
    if said.session is None or said.session.upstream is None:
        raise Refused("UnknownSession", detail="the server gave up the legacy era")
    return _FORGOTTEN


async def _bare(said: Said, session: Session, bridged: Bridged) -> Exchange:
    """Open the GET stream, or end the session, which is ours alone."""
    if said.http_method == "GET":
        return await listen(said, session, bridged)
    live = said.known.routed.received.live
    if await look_up(live.store, session) != Remembered():
        room = live.allowance.of(said.known.presented.grant.person)
        await change(live.store, session, lambda now: replace(now, ended=True), room=room)
    live.underway.end(session)
    return Whole(204, {}, b"")


async def _answer(said: Said, session: Session, response: Response) -> Exchange:
    """Hand the client's response to the call that waits for it, on whatever replica.

    What there is no room for leaves nobody waiting: its question was taken, the call ends.
    """
    assert response.id is not None  # one request of the server's was found under it
    key, live = pending_key(session, response.id), said.known.routed.received.live
    try:
        live.allowance.charge(said.known.presented.grant.person, len(said.body), ANSWER_TIME)
    except Refused as full:
        short = error_body(response.id, full.how.rpc, full.message)
        await live.mailbox.put(key, short, seconds=ANSWER_TIME)
        raise
    await live.mailbox.put(key, said.body, seconds=ANSWER_TIME)
    return Whole(202, {}, b"")


def _notify(said: Said, session: Session, told: Notification) -> Exchange:
    """Take a notification; only a cancellation has a sense for the server."""
    request_id = told.params.get("requestId")
    if told.method == "notifications/cancelled" and isinstance(request_id, int | str):
        said.known.routed.received.live.underway.cancel(session, request_id)
    return Whole(202, {}, b"")


# -- what goes on to the server ------------------------------------------------------------------


async def _forward(said: Said, session: Session, bridged: Bridged, asked: Request) -> Exchange:
    """Make the call stand for itself; what is not answered at once goes on as a stream."""
    live = said.known.routed.received.live
    level = await live.underway.level(live.store, session) if bridged.logs else None
    declared = extended(bridged.declared) if wants_task(bridged, asked) else bridged.declared
    request = standing_alone(asked.method, asked.params, declared, request_id=asked.id, level=level)
    calling = Calling(said=said, session=session, bridged=bridged, request=request)
    cancelled = live.underway.started(session, asked.id)
    answer: Exchange | None = None
    try:
        calling, exchange = await unless(cancelled, say_with_parameters(calling))
        if is_stream(exchange):
            answer = Call(calling, exchange, cancelled)
        else:
            answer = await unless(cancelled, _whole(calling, exchange, cancelled))
    finally:
        if not isinstance(answer, Call):
            live.underway.ended(session, cancelled)
    return answer


async def _whole(calling: Calling, exchange: Exchange, cancelled: asyncio.Event) -> Exchange:
    """Return the answer that came at once, or the call that the server wants input for."""
    body = await read_body(exchange, _MAX_BODY)
    own = _own(calling, exchange, body)
    if await _gave_up(calling, exchange.status, own):
        calling.live.spoken.forget(calling.said.upstream.url)
        return _FORGOTTEN
    if own is None:
        return Whole(exchange.status, exchange.headers, b"")
    if only_runs_as_task(own) and calling.asked.method == "tools/call" and not calling.as_task:
        return await _awaiting(calling, cancelled)
    try:
        wanted = wanted_in(own, retried=calling.may_ask, as_task=calling.as_task)
        if wanted is not None:
            return Call(calling, Whole(200, _JSON, body), cancelled)
        learn_from(calling, own)
        return Whole(200, _JSON, write_json(await settled(calling, own)))
    except BadResult as bad:
        raise Refused("UpstreamInvalid", detail=str(bad)) from None
    except CallEnds as ended:
        return Whole(200, _JSON, write_json(ended.answer(calling.client_id)))


async def _awaiting(calling: Calling, cancelled: asyncio.Event) -> Exchange:
    """Make a call once more that only runs as a task; its client waits for what that brings."""
    calling = replace(calling, request=able(calling.request), awaits=True)
    exchange = await say_modern(calling.said, calling.request, parameters=calling.parameters)
    return Call(calling, exchange, cancelled)


def _own(calling: Calling, exchange: Exchange, body: bytes) -> Response | None:
    """Return the answer to what was asked; who refuses without reading the id invents one."""
    answer = answer_in(exchange, body)
    if answer is not None and exchange.status == 200 and answer.id != calling.request.id:
        return None
    return answer


async def _gave_up(calling: Calling, status: int, answer: Response | None) -> bool:
    """Say whether the server does not speak 2026-07-28 any more."""
    if answer is not None:
        return _refuses_version(answer)
    if status not in (400, 404, 405):
        return False
    return await discover(calling.said, calling.bridged.declared) is None


def _refuses_version(answer: Response) -> bool:
    return answer.error is not None and answer.error.get("code") == _OTHER_ERA
