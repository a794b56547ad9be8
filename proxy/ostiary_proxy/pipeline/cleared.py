"""Step 8: limits charged, the decision written down; what is said goes on."""

from dataclasses import dataclass
from typing import Final

from ostiary.policy.verdict import Charge
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.screened import Screened
from ostiary_proxy.pipeline.trail import decision
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Take

__all__ = ["Cleared", "clear"]

_PARAMETER: Final = "mcp-param-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A message that may leave, and what is said to the server."""

    screened: Screened
    said: Said


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
    said = Said(
        known=known,
        version=decoded.version,
        body=screened.body,
        message=screened.message,
        method=decoded.method,
        name=decoded.subject.name,
        modern=decoded.modern,
        session=decoded.session,
        parameters=tuple((n, v) for n, v in received.request.headers if n.startswith(_PARAMETER)),
    )
    return Cleared(screened=screened, said=said)


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
