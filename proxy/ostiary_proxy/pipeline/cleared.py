"""Step 8: limits charged, the decision written down; what is said goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ostiary.config.document import OAuth2Auth
from ostiary.decode.strict_json import Json
from ostiary.policy.verdict import Charge
from ostiary_proxy.audit.record import Record
from ostiary_proxy.mcp.message import Message, Response
from ostiary_proxy.mcp.methods import TASK_ID
from ostiary_proxy.mcp.parameters import PREFIX, mirrored
from ostiary_proxy.pipeline.decoded import Decoded
from ostiary_proxy.pipeline.kept import Keeping
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.rounds import MAX_AGE, Round
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.screened import Screened
from ostiary_proxy.pipeline.trail import decision
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict, Take
from ostiary_proxy.wire import Headers

__all__ = ["Cleared", "clear"]

_SPENT: Final = "mcp-spent"
_ROUNDS: Final = 10
"""As many as clients go by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A message that may leave, and what is said to the server, unless its answer is kept."""

    screened: Screened
    said: Said
    keeping: Keeping


async def clear(screened: Screened) -> Cleared:
    """Charge, record, and return what leaves.

    Raises Refused("RateLimited"); StoreUnavailable and AuditUnavailable stop the message too.
    """
    permitted = screened.consented.permitted
    decoded = permitted.decoded
    known = decoded.known
    received = known.routed.received
    if not await _is_paid(received.live, permitted.verdict.charges, screened.round, received.now):
        await charge(received.live, permitted.verdict.charges, received.now)
    record = decision(
        known, decoded.subject, permitted.verdict, version=decoded.version, session=decoded.session
    )
    await received.live.audit.write(_with_answers(record, screened.round))
    received.seen.forwarded = True
    said = Said(
        known=known,
        version=decoded.version,
        body=screened.body,
        message=screened.message,
        method=decoded.method,
        name=_name(decoded),
        modern=decoded.modern,
        session=decoded.session,
        parameters=_parameters(screened),
    )
    return Cleared(screened=screened, said=said, keeping=_keeping(screened))


def _keeping(screened: Screened) -> Keeping:
    """Return what may be kept of the answer, and recalled instead of one.

    Nothing where several servers are behind the route, whose accounts are not known yet here.
    """
    consented = screened.consented
    decoded = consented.permitted.decoded
    known = decoded.known
    kept, route = known.routed.received.live.kept, known.routed.route.route
    if any(isinstance(one.auth, OAuth2Auth) for one in route.backends or ()):
        return Keeping(kept=kept, route=route)
    whom = (known.presented.grant.gid, consented.account)
    return Keeping.of(kept, route, screened.message, decoded.version, whom=whom)


def _name(decoded: Decoded) -> str:
    """Return what the message names: the subject, or the task in whose place that stands."""
    message = decoded.message
    if decoded.method is None or decoded.method.field != TASK_ID or isinstance(message, Response):
        return decoded.subject.name
    return str(message.params[TASK_ID])


def _parameters(screened: Screened) -> Headers:
    """Return the Mcp-Param-* headers that go on: those that came, with their arguments (rule 16).

    What was redacted must not stand in a header: then they are made anew, as far as we know them.
    """
    decoded = screened.consented.permitted.decoded
    received, arguments = decoded.known.routed.received, _arguments(screened.message)
    if arguments is _arguments(decoded.message) or not isinstance(arguments, Mapping):
        return tuple((n, v) for n, v in received.request.headers if n.startswith(PREFIX))
    gid = decoded.known.presented.grant.gid
    return mirrored(received.live.learned.of(gid, decoded.subject), arguments)


def _arguments(message: Message) -> Json:
    return None if isinstance(message, Response) else message.params.get("arguments")


def _with_answers(record: Record, round_: Round) -> Record:
    """Return the record, with the kinds of the server's requests that the client answers."""
    if not round_.answers:
        return record
    return replace(
        record, facts={**record.facts, "answers": [kind.value for kind in round_.answers]}
    )


async def _is_paid(live: Live, charges: tuple[Charge, ...], round_: Round, now: float) -> bool:
    """Say whether the first round of a call paid for this one: limits count calls, not requests.

    Each state pays for one round and a call for `_ROUNDS` of them, or a state said again and again
    would call the tool for nothing.
    """
    if not charges or not round_.key or round_.number > _ROUNDS:
        return False
    try:
        await live.store.put(_SPENT, round_.key, b"", expires=now + MAX_AGE, version=0)
    except Conflict:
        return False
    return True


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
