"""The straight way in: one request through every step, and every refusal out of one door."""

import asyncio
from dataclasses import replace

import structlog

from ostiary_proxy.audit.record import AuditUnavailable
from ostiary_proxy.mcp.message import Response
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.oauth.pages import PAGE_HEADERS, connect_page
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.answered import answer_of, session_id
from ostiary_proxy.pipeline.behind import say
from ostiary_proxy.pipeline.cleared import Cleared, clear
from ostiary_proxy.pipeline.consented import consent
from ostiary_proxy.pipeline.decoded import Decoded, decode
from ostiary_proxy.pipeline.judge import refusal_of
from ostiary_proxy.pipeline.known import Known, know
from ostiary_proxy.pipeline.let_go import let_go
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.origin import check_origin, cors, preflight
from ostiary_proxy.pipeline.permitted import Permitted, permit
from ostiary_proxy.pipeline.received import ONCE, Received, check_headers
from ostiary_proxy.pipeline.refusal import answer_to
from ostiary_proxy.pipeline.routed import find_route
from ostiary_proxy.pipeline.screened import screen
from ostiary_proxy.pipeline.session import PENDING, pending_key, waiting_subject
from ostiary_proxy.pipeline.short_ways import leave, listen, not_allowed
from ostiary_proxy.pipeline.trail import outcome, refusal
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.wire import Headers, Incoming

__all__ = ["handle"]

log = structlog.get_logger(__name__)


async def handle(request: Incoming, live: Live) -> Answer:
    """Return the answer to one request at a route's URL; never raises but for cancellation.

    Being cancelled means that the client went away.
    """
    received = Received(request=request, live=live, id=live.new_id(), now=live.clock())
    headers: Headers = ()
    try:
        headers = cors(check_origin(request, live))
        answer = await _serve(received)
    except Refused as refused:
        answer = await _refuse(received, refused)
    except StoreUnavailable as error:
        answer = await _refuse(received, Refused("StoreUnavailable", detail=str(error)))
    except AuditUnavailable as error:
        answer = await _refuse(received, Refused("AuditUnavailable", detail=str(error)))
    except Exception as error:
        log.exception("request failed", decision=received.id)
        answer = await _refuse(received, Refused("Internal", detail=type(error).__name__))
    return replace(answer, headers=(*answer.headers, *headers)) if headers else answer


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
        return await leave(known)
    raise not_allowed()


async def _post(known: Known) -> Answer:
    decoded = await decode(known)
    if isinstance(decoded.message, Response):
        permitted = await _awaited(decoded, decoded.message)
    else:
        permitted = permit(decoded)
    cleared = await clear(screen(await consent(permitted)))
    if decoded.version == MODERN:
        return await _modern(cleared)
    return await _lasting(cleared)


async def _forward(cleared: Cleared) -> Answer:
    decoded = cleared.screened.consented.permitted.decoded
    live = decoded.known.routed.received.live
    exchange = await say(cleared.said)
    if decoded.subject.method != "initialize" or (upstream := session_id(exchange)) is None:
        return await answer_of(cleared, exchange)
    kept = False
    try:
        answer = await answer_of(cleared, exchange)
        kept = any(name == "mcp-session-id" for name, _ in answer.headers)
        return answer
    finally:
        if not kept:
            verdict = cleared.screened.consented.permitted.verdict
            live.streams.adopt(let_go(decoded.known, verdict, upstream))


async def _modern(cleared: Cleared) -> Answer:
    """Forward; a client that goes away cancels the call, and upstream sees it at once (rule 28)."""
    try:
        return await _forward(cleared)
    except asyncio.CancelledError:
        received = cleared.screened.consented.permitted.decoded.known.routed.received
        record = outcome(received.id, received.live.clock(), "cancelled", {})
        received.live.streams.adopt(received.live.audit.write(record))
        raise


async def _lasting(cleared: Cleared) -> Answer:
    """Forward; a client that goes away does not end the call (rule 29)."""
    received = cleared.screened.consented.permitted.decoded.known.routed.received
    task = received.live.streams.adopt(_forward(cleared))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        received.live.streams.adopt(_unseen(received, task))
        raise


async def _unseen(received: Received, task: "asyncio.Task[Answer]") -> None:
    """See a call to its end whose client is gone; only its outcome is written."""
    try:
        answer = await task
        if not isinstance(answer.body, bytes):
            await answer.body.abandon()
    except Refused as refused:
        await _refuse(received, refused)
    except Exception:
        log.exception("a call failed whose client had gone", decision=received.id)
        await _refuse(received, Refused("Internal"))


async def _awaited(decoded: Decoded, response: Response) -> Permitted:
    """Return the client's response as permitted: one request of the server waits for it.

    Policy is asked again: what the server may not ask any more gets no answer.
    """
    known = decoded.known
    received = known.routed.received
    if decoded.session is None or response.id is None:
        raise Refused("InvalidRequest", message="the response answers nothing")
    row = await received.live.store.take(PENDING, pending_key(decoded.session, response.id))
    if row is None:
        raise Refused("InvalidRequest", message="no request of the server waits for this response")
    subject = waiting_subject(row.value)
    verdict = known.judge.verdict(subject, received.now)
    received.seen.subject, received.seen.verdict = subject, verdict
    if not verdict.allowed:
        raise refusal_of(known.judge, subject, verdict, received.now)
    return Permitted(decoded=replace(decoded, subject=subject), verdict=verdict)
