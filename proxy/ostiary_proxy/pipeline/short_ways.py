"""The short ways of GET and DELETE: a session's own stream, and its end.

Neither carries a message: policy is asked about the housekeeping of a session.
"""

from dataclasses import replace

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind, Subject
from ostiary.policy.verdict import Verdict
from ostiary_proxy.mcp.methods import MODERN, client_requests
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.answered import EVENT_STREAM, finish, stream_of
from ostiary_proxy.pipeline.asked import Asked
from ostiary_proxy.pipeline.behind import say
from ostiary_proxy.pipeline.decoded import session_of
from ostiary_proxy.pipeline.event_ids import EventIds, Resumed, resume
from ostiary_proxy.pipeline.forward import media_type
from ostiary_proxy.pipeline.judge import refusal_of
from ostiary_proxy.pipeline.kept import Keeping
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.relay import Relay
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import MAX_AGE, Session, end
from ostiary_proxy.pipeline.trail import decision
from ostiary_proxy.refused import Refused

__all__ = ["leave", "listen", "not_allowed"]


def not_allowed() -> Refused:
    """Return the refusal of an HTTP method that is not served."""
    return Refused("MethodNotAllowed", headers=(("allow", "POST, GET, DELETE, OPTIONS"),))


async def listen(known: Known) -> Answer:
    """Open the server's own stream of a session, or one that broke off.

    405 for callers that have no session (rule 1).
    """
    received = known.routed.received
    request = received.request
    modern = request.header("mcp-protocol-version") == MODERN
    wants = "text/event-stream" in (request.header("accept") or "").lower()
    if modern or not wants or request.header("mcp-session-id") is None:
        raise not_allowed()
    session = await session_of(known)
    last = request.header("last-event-id")
    resumed = await resume(known, session, last) if last else Resumed()
    asked = await _asked(known, session, resumed)
    exchange = await say(_bare(known, session, "GET", resumed.event_id))
    if exchange.status == 200 and media_type(exchange) == "text/event-stream":
        relay = Relay(asked, known.judge, received.live.new_id)
        try:
            stream = stream_of(
                known, exchange, relay, session=session, listening=True, lingers=False
            )
        except Refused:
            await exchange.close()
            raise
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
    received.live.allowance.charge(known.presented.grant.person, 0, MAX_AGE)
    subject = Subject(kind=Kind.HOUSEKEEPING, method="DELETE")
    await _write(known, session, subject, _permitted(known, subject))
    await end(received.live.store, session)
    if session.upstream is not None:
        exchange = await say(_bare(known, session, "DELETE"))
        await exchange.close()
    await finish(known, "ok", {})
    return Answer(status=204)


async def _asked(known: Known, session: Session, resumed: Resumed) -> Asked:
    """Return what the stream answers, permitted by today's policy and written down.

    What is played again is permitted, and told, like the answer that broke off.
    """
    received = known.routed.received
    subject = Subject(kind=Kind.HOUSEKEEPING, method="GET")
    verdict = _permitted(known, subject)
    if resumed.subject is not None:
        subject = resumed.subject
        verdict = _permitted(known, subject)
    more: dict[str, Json] = {"resumes": resumed.stream} if resumed.event_id else {}
    await _write(known, session, subject, verdict, **more)
    return Asked(
        decision=received.id,
        version=session.version,
        subject=subject,
        holder=known.holder,
        learned=received.live.learned,
        keeping=Keeping(kept=received.live.kept, route=known.routed.route.route),
        request=resumed.request,
        method=client_requests(session.version).get(subject.method),
        session=session,
        redactions=verdict.redactions,
        ids=EventIds(known=known, session=session, stream=resumed.stream, place=resumed.place),
    )


def _permitted(known: Known, subject: Subject) -> Verdict:
    """Return the verdict that allows a request without a message; raises Refused for another."""
    received = known.routed.received
    verdict = known.judge.verdict(subject, received.now)
    received.seen.subject, received.seen.verdict = subject, verdict
    received.seen.notification = True  # no JSON-RPC error could answer it
    if not verdict.allowed:
        raise refusal_of(known.judge, subject, verdict, received.now)
    return verdict


async def _write(
    known: Known, session: Session, subject: Subject, verdict: Verdict, **more: Json
) -> None:
    """Write the decision down, once the account that is needed is there."""
    received = known.routed.received
    await received.live.credentials.connected(known.routed.route.route, known.presented)
    record = decision(known, subject, verdict, version=session.version, session=session)
    await received.live.audit.write(replace(record, facts={**record.facts, **more}))
    received.seen.forwarded = True


def _bare(known: Known, session: Session, http_method: str, last_event: str = "") -> Said:
    """Return what GET and DELETE say: nothing but the session."""
    return Said(
        known=known, version=session.version, http_method=http_method, session=session,
        last_event=last_event,
    )  # fmt: skip
