"""The short ways of GET and DELETE: a session's own stream, and its end.

Neither carries a message: policy is asked about the housekeeping of a session.
"""

from ostiary.policy.facts import Kind, Subject
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.answered import EVENT_STREAM, finish, stream_of
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.behind import say
from ostiary_proxy.pipeline.decoded import session_of
from ostiary_proxy.pipeline.forward import media_type
from ostiary_proxy.pipeline.judge import refusal_of
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.relay import Relay
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session, end
from ostiary_proxy.pipeline.trail import decision
from ostiary_proxy.refused import Refused

__all__ = ["leave", "listen", "not_allowed"]


def not_allowed() -> Refused:
    """Return the refusal of an HTTP method that is not served."""
    return Refused("MethodNotAllowed", headers=(("allow", "POST, GET, DELETE, OPTIONS"),))


async def listen(known: Known) -> Answer:
    """Open the server's own stream of a session; 405 for callers that have none (rule 1)."""
    received = known.routed.received
    request = received.request
    modern = request.header("mcp-protocol-version") == MODERN
    wants = "text/event-stream" in (request.header("accept") or "").lower()
    if modern or not wants or request.header("mcp-session-id") is None:
        raise not_allowed()
    session = await session_of(known)
    subject = await _short_way(known, session, "GET")
    exchange = await say(_bare(known, session, "GET"))
    if exchange.status == 200 and media_type(exchange) == "text/event-stream":
        asked = Asked(
            decision=received.id, version=session.version, subject=subject, session=session
        )
        relay = Relay(asked, known.judge, received.live.new_id)
        stream = stream_of(known, exchange, relay, session=session, listening=True, lingers=False)
        return Answer(status=200, headers=EVENT_STREAM, body=stream)
    await exchange.close()
    if exchange.status == 404:
        raise Refused("UnknownSession", detail="upstream: 404")
    if exchange.status == 405:
        raise not_allowed()
    raise Refused("UpstreamInvalid", detail=str(exchange.status))


async def leave(known: Known) -> Answer:
    """End a session: whatever upstream says, its id is not taken again (pitfall 5)."""
    received = known.routed.received
    if received.request.header("mcp-protocol-version") == MODERN:
        raise not_allowed()
    session = await session_of(known)
    await _short_way(known, session, "DELETE")
    await end(received.live.store, session)
    if session.upstream is not None:
        exchange = await say(_bare(known, session, "DELETE"))
        await exchange.close()
    await finish(known, "ok", {})
    return Answer(status=204)


async def _short_way(known: Known, session: Session, http_method: str) -> Subject:
    """Judge, consent and record a request without a message: housekeeping of its session."""
    received = known.routed.received
    live = received.live
    subject = Subject(kind=Kind.HOUSEKEEPING, method=http_method)
    verdict = known.judge.verdict(subject, received.now)
    received.seen.subject, received.seen.verdict = subject, verdict
    if not verdict.allowed:
        raise refusal_of(known.judge, subject, verdict, received.now)
    await live.credentials.connected(known.routed.route.route, known.presented)
    record = decision(known, subject, verdict, version=session.version, session=session)
    await live.audit.write(record)
    received.seen.forwarded = True
    return subject


def _bare(known: Known, session: Session, http_method: str) -> Said:
    """Return what GET and DELETE say: nothing but the session."""
    return Said(known=known, version=session.version, http_method=http_method, session=session)
