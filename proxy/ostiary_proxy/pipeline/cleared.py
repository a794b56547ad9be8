"""Step 8: limits charged, the decision written down, the upstream credential attached."""

from dataclasses import dataclass
from typing import Final

from ostiary.config.document import Upstream
from ostiary.policy.verdict import Charge
from ostiary_proxy.mcp.message import Request, Response
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.mcp.mirrored import encode_mirror
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.pipeline.decoded import Decoded
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.ports import UpstreamCall
from ostiary_proxy.pipeline.screened import Screened
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.pipeline.trail import decision
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Take
from ostiary_proxy.wire import Headers, Incoming

__all__ = ["Cleared", "call_of", "clear", "outgoing", "session_headers"]

_ACCEPT: Final = "application/json, text/event-stream"
TIMEOUT: Final = 60.0
"""Seconds until upstream's answer must begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A message that may leave: the call for the credential, and the request without it."""

    screened: Screened
    call: UpstreamCall
    request: Outgoing


async def clear(screened: Screened) -> Cleared:
    """Charge, record, and return what leaves.

    Raises Refused("RateLimited"); StoreUnavailable and AuditUnavailable stop the message too.
    """
    permitted = screened.consented.permitted
    decoded = permitted.decoded
    known = decoded.known
    received = known.routed.received
    await charge(received.live, permitted.verdict.charges, received.now)
    await received.live.audit.write(
        decision(
            known, decoded.subject, permitted.verdict, version=decoded.version,
            session=decoded.session,
        )
    )  # fmt: skip
    received.seen.forwarded = True
    call = call_of(known, "POST", screened.body, decoded.session, decoded)
    headers = _headers(decoded, received.request)
    request = outgoing(known, "POST", headers, screened.body)
    return Cleared(screened=screened, call=call, request=request)


async def charge(live: Live, charges: tuple[Charge, ...], now: float) -> None:
    """Take one unit from every limit that binds, or from none; raises Refused("RateLimited")."""
    if not charges:
        return
    takes = [Take(key=one.key, requests=one.requests, per=one.per) for one in charges]
    full = await live.store.charge(takes, now)
    if full is not None:
        index, seconds = full
        limit = charges[index]
        raise Refused(
            "RateLimited",
            message=limit.message,
            detail=f"{limit.rule.policy}#{limit.rule.rule}",
            retry_after=seconds,
        )


def call_of(
    known: Known,
    http_method: str,
    body: bytes,
    session: Session | None,
    decoded: Decoded | None = None,
) -> UpstreamCall:
    """Return the call that a credential is asked for."""
    received = known.routed.received
    message = decoded.message if decoded is not None else None
    live = received.live
    return UpstreamCall(
        route=known.routed.route.route,
        presented=known.presented,
        http_method=http_method,
        body=body,
        txn=received.id,
        now=live.clock(),
        method=None if message is None or isinstance(message, Response) else message.method,
        name=(decoded.subject.name or None) if decoded is not None else None,
        rpc_id=message.id if isinstance(message, Request) else None,
        session=live.seal.steady_hash("mcp-session", session.key) if session is not None else None,
    )


def outgoing(known: Known, http_method: str, headers: Headers, body: bytes = b"") -> Outgoing:
    """Return the request to the route's upstream, without its credential."""
    upstream = known.routed.route.route.upstream
    assert isinstance(upstream, Upstream)  # a route without upstream was refused in `know`
    return Outgoing(
        method=http_method,
        url=upstream.url,
        headers=headers,
        body=body,
        named_by=upstream.named_by,
        timeout=TIMEOUT,
    )


def session_headers(session: Session) -> Headers:
    """Return the headers of every legacy request in `session`."""
    version = ("mcp-protocol-version", session.version)
    if session.upstream is None:
        return (version,)
    return (version, ("mcp-session-id", session.upstream))


def _headers(decoded: Decoded, request: Incoming) -> Headers:
    """Return headers built anew from what was decided on; the client's tool parameters pass.

    They are opaque to us and upstream compares them with the arguments (rule 16).
    """
    headers: Headers = (
        ("content-type", "application/json"),
        ("accept", _ACCEPT),
        ("accept-encoding", "identity"),
    )
    if decoded.session is not None:
        return (*headers, *session_headers(decoded.session))
    message = decoded.message
    if decoded.version != MODERN or decoded.modern is None or isinstance(message, Response):
        return headers
    headers = (*headers, ("mcp-protocol-version", MODERN), ("mcp-method", message.method))
    if decoded.method is not None and decoded.method.named:
        headers = (*headers, ("mcp-name", encode_mirror(decoded.subject.name)))
    return (*headers, *((n, v) for n, v in request.headers if n.startswith("mcp-param-")))
