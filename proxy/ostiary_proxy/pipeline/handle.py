"""The straight way in: one request through every step, and every refusal out of one door."""

import asyncio
import functools
from collections.abc import Awaitable, Coroutine
from dataclasses import replace
from typing import Any

import structlog

from ostiary_proxy.audit.record import AuditUnavailable
from ostiary_proxy.mcp.envelope import is_array
from ostiary_proxy.mcp.message import Response
from ostiary_proxy.mcp.methods import MODERN, TASK_ID
from ostiary_proxy.oauth.pages import PAGE_HEADERS, connect_page
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.answered import answer_of, session_id
from ostiary_proxy.pipeline.ask import ask
from ostiary_proxy.pipeline.awaited import await_answer
from ostiary_proxy.pipeline.batch import answer_batch, passes_of
from ostiary_proxy.pipeline.cleared import Cleared, clear
from ostiary_proxy.pipeline.consented import consent
from ostiary_proxy.pipeline.decoded import Decoded, body_of, decode
from ostiary_proxy.pipeline.known import Known, know, know_again
from ostiary_proxy.pipeline.let_go import let_go
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.origin import check_origin, cors, preflight
from ostiary_proxy.pipeline.permitted import Permitted, permit
from ostiary_proxy.pipeline.permitted_tasks import check_related, permit_task, with_tasks
from ostiary_proxy.pipeline.received import ONCE, Received, check_headers
from ostiary_proxy.pipeline.refusal import answer_to
from ostiary_proxy.pipeline.routed import find_route
from ostiary_proxy.pipeline.screened import screen
from ostiary_proxy.pipeline.short_ways import leave, listen, not_allowed
from ostiary_proxy.pipeline.trail import outcome, refusal
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.wire import Incoming

__all__ = ["handle"]

log = structlog.get_logger(__name__)


async def handle(request: Incoming, live: Live) -> Answer:
    """Return the answer to one request at a route's URL; never raises but for cancellation.

    Being cancelled means that the client went away.
    """
    received = Received(request=request, live=live, id=live.new_id(), now=live.clock())
    answer = await _or_refused(received, _serve(received))
    cors_headers = received.seen.cors
    return replace(answer, headers=(*answer.headers, *cors_headers)) if cors_headers else answer


async def _or_refused(received: Received, way: Awaitable[Answer]) -> Answer:
    """Return the answer at the end of the way, or that of the refusal on it."""
    try:
        return await way
    except Refused as refused:
        return await _refuse(received, refused)
    except StoreUnavailable as error:
        return await _refuse(received, Refused("StoreUnavailable", detail=str(error)))
    except AuditUnavailable as error:
        return await _refuse(received, Refused("AuditUnavailable", detail=str(error)))
    except Exception as error:
        log.exception("request failed", decision=received.id)
        return await _refuse(received, Refused("Internal", detail=type(error).__name__))


async def _refuse(received: Received, refused: Refused) -> Answer:
    """Return the answer of a refusal once it is written down (trust rule 4)."""
    live = received.live
    try:
        if received.seen.forwarded:
            facts = {"code": refused.code, "detail": refused.detail[:256]}
            await live.audit.write(outcome(received.id, live.clock(), "error", facts))
        else:
            await live.audit.write(refusal(received, refused))
    except AuditUnavailable as error:
        log.error("a refusal could not be recorded", decision=received.id, reason=str(error))
        refused = Refused("AuditUnavailable", headers=refused.headers)
    return _page(received, refused) or answer_to(refused, received.id, received.seen)


def _page(received: Received, refused: Refused) -> Answer | None:
    """Return the page that tells a person in a browser what to paste where, under the same 401."""
    request = received.request
    route = received.live.route_at(request.origin, request.path)
    if refused.code != "NoToken" or request.method != "GET" or route is None:
        return None
    if "text/html" not in (request.header("accept") or "").lower():
        return None
    headers = (*PAGE_HEADERS, *refused.headers)
    return Answer(status=401, headers=headers, body=connect_page(route.route))


async def _serve(received: Received) -> Answer:
    request = received.request
    received.seen.cors = cors(check_origin(request, received.live))
    check_headers(request, ONCE)
    routed = find_route(received)
    if request.method == "OPTIONS":
        return preflight(request, request.header("origin"))
    known = await know(routed)  # before anything that would tell a stranger more than "log in"
    if request.method == "POST":
        return await _post(known)
    if request.method == "GET":
        return await listen(known)
    if request.method == "DELETE":
        return await _lasting(known, leave(known))
    raise not_allowed()


async def _post(known: Known) -> Answer:
    body = await body_of(known)
    known = await know_again(known)
    if is_array(body):
        passes = await passes_of(known, body)
        return await _lasting(known, answer_batch(passes, _element))
    decoded = await decode(known, body)
    cleared = await clear(screen(await consent(await _permitted(decoded))))
    if decoded.version == MODERN:
        return await _modern(cleared)
    return await _lasting(known, _forward(cleared))


async def _permitted(decoded: Decoded) -> Permitted:
    """Return the message with the verdict on its subject, wherever that is written."""
    await check_related(decoded)
    if isinstance(decoded.message, Response):
        return await await_answer(decoded, decoded.message)
    if decoded.method is not None and decoded.method.field == TASK_ID:
        return await permit_task(decoded)
    return await with_tasks(permit(decoded))


async def _element(received: Received) -> Answer:
    """Return the answer to one message of a batch, which goes the way of one that came alone."""
    return await _or_refused(received, _serve(received))


async def _forward(cleared: Cleared) -> Answer:
    decoded = cleared.screened.consented.permitted.decoded
    live = decoded.known.routed.received.live
    exchange = await ask(cleared)
    if decoded.subject.method != "initialize" or (upstream := session_id(exchange)) is None:
        return await answer_of(cleared, exchange)
    kept = False
    try:
        answer = await answer_of(cleared, exchange)
        kept = any(name == "mcp-session-id" for name, _ in answer.headers)
        return answer
    finally:
        if not kept:
            live.streams.adopt(let_go(decoded.known, upstream))


async def _modern(cleared: Cleared) -> Answer:
    """Forward; a client that goes away cancels the call, and upstream sees it at once (rule 28)."""
    try:
        return await _forward(cleared)
    except asyncio.CancelledError:
        _note_cancelled(cleared.screened.consented.permitted.decoded.known.routed.received)
        raise


def _note_cancelled(received: Received) -> None:
    record = outcome(received.id, received.live.clock(), "cancelled", {})
    received.live.streams.adopt(received.live.audit.write(record))


async def _lasting(known: Known, way: Coroutine[Any, Any, Answer]) -> Answer:
    """Go the way to its end; a client that goes away does not end the call (rule 29).

    But where too many go on already, for they take as much of a proxy as calls that are seen.
    """
    received = known.routed.received
    live, gid = received.live, known.presented.grant.gid
    task = live.streams.adopt(way)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        unseen = functools.partial(_unseen, received, task)
        if not live.streams.linger(gid, unseen, holding=live.borrowed()):
            task.cancel()
            if received.seen.forwarded:
                _note_cancelled(received)
        raise


async def _unseen(received: Received, task: "asyncio.Task[Answer]") -> None:
    """See a call to its end whose client is gone; only its outcome is written."""
    answer = await _or_refused(received, task)
    if not isinstance(answer.body, bytes):
        await answer.body.abandon()
