"""The records of one request: its decision before forwarding, its outcome after (decision 16)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Subject
from ostiary.policy.verdict import RuleRef, RuleTrace, Verdict
from ostiary_proxy.audit.record import Kind, Record
from ostiary_proxy.identity import Presented
from ostiary_proxy.mcp.joined.names import server_of
from ostiary_proxy.mcp.message import Id, Response
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.received import Received
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused

__all__ = ["cut", "decision", "judged", "outcome", "own_request", "refusal", "server_message"]

_LONGEST: Final = 256


def decision(
    known: Known, subject: Subject, verdict: Verdict, *, version: str, session: Session | None
) -> Record:
    """Return the record of an allowed message, written before it is forwarded."""
    received = known.routed.received
    facts: dict[str, Json] = {
        "decision": "allow",
        **_subject(subject),
        **_asked(received),
        **_who(known.presented),
        **judged(verdict),
        "version": version,
        **_server(known, subject),
    }
    if session is not None:
        facts["session"] = session.key[:16]
    return _record(Kind.DECISION, received, facts, subject)


def own_request(said: Said, record_id: str, at: float) -> Record:
    """Return the record of what we say to a server by ourselves, in the name of who says `said`.

    `during` names the decision on what it is said for, or that was the last of its session.
    """
    known, message = said.known, said.message
    received = known.routed.received
    route = known.routed.route.route
    asked = None if message is None or isinstance(message, Response) else message.method
    facts: dict[str, Json] = {
        "decision": "allow",
        "by": "gateway",
        "during": received.id,
        "http": said.http_method,
        "method": asked or said.http_method,
        "route": route.key,
        **_who(known.presented),
    }
    if said.name:
        facts["name"] = cut(said.name)
    if route.server is not None:
        facts["server"] = route.server
    if said.session is not None:
        facts["session"] = said.session.key[:16]
    return replace(_record(Kind.DECISION, received, facts, None), id=record_id, at=at)


def refusal(received: Received, refused: Refused) -> Record:
    """Return the record of a refusal: policy's decision, or a message stopped before."""
    seen = received.seen
    facts: dict[str, Json] = {
        "decision": "deny",
        **(_subject(seen.subject) if seen.subject is not None else {}),
        **_asked(received),
        "code": refused.code,
        "detail": cut(refused.detail),
    }
    if seen.presented is not None:
        facts.update(_who(seen.presented))
    if seen.verdict is not None:
        facts.update(judged(seen.verdict))
    kind = Kind.DECISION if seen.verdict is not None else Kind.REFUSAL
    return _record(kind, received, facts, seen.subject)


def outcome(record_id: str, at: float, result: str, facts: Mapping[str, Json]) -> Record:
    """Return the record that ends a decision: ok, error, refused, cut, cancelled, unknown."""
    return Record(id=record_id, kind=Kind.OUTCOME, at=at, facts={"outcome": result, **facts})


def server_message(
    record_id: str, at: float, *, parent: str, passed: bool, why: str, subject: Mapping[str, Json]
) -> Record:
    """Return the record of a message of the server's own: passed on or dropped, and why."""
    facts: dict[str, Json] = {
        "decision": "pass" if passed else "drop",
        "during": parent,
        "detail": cut(why),
        **subject,
    }
    return Record(id=record_id, kind=Kind.SERVER_MESSAGE, at=at, facts=facts)


def cut(text: str) -> str:
    """Return at most 256 characters of what somebody else wrote; the log escapes them."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _asked(received: Received) -> dict[str, Json]:
    seen = received.seen
    facts: dict[str, Json] = {"http": cut(received.request.method), "route": seen.route}
    if seen.method is not None:
        facts["method"] = cut(seen.method)
    if seen.request_id is not None:
        facts["rpc_id"] = _id(seen.request_id)
    if seen.task is not None:
        facts["task"] = cut(seen.task)
    if received.batch is not None:
        facts["batch"] = received.batch
    return facts


def _id(value: Id) -> Json:
    return cut(value) if isinstance(value, str) else value


def _who(presented: Presented) -> dict[str, Json]:
    grant = presented.grant
    return {"client_id": cut(grant.client.id), "gid": grant.gid, "jti": presented.jti}


def _subject(subject: Subject) -> dict[str, Json]:
    return {"method": cut(subject.method), "kind": subject.kind, "name": cut(subject.name)}


def _server(known: Known, subject: Subject) -> dict[str, Json]:
    """Return which of several servers a message is for."""
    server = server_of(subject)
    return {"server": server} if server in known.routed.route.servers else {}


def judged(verdict: Verdict) -> dict[str, Json]:
    """Return what a record says of a verdict: the reason, the rules, what they would have done."""
    facts: dict[str, Json] = {"reason": verdict.reason}
    if verdict.rule is not None:
        facts["rule"] = _rule(verdict.rule)
    if verdict.traces:
        facts["rules"] = _traces(verdict.traces)
    if verdict.would:
        facts["would"] = _traces(verdict.would)
    if verdict.unknowns:
        facts["unknowns"] = [_rule(ref) for ref in verdict.unknowns]
    return facts


def _traces(traces: Sequence[RuleTrace]) -> list[Json]:
    return [
        {
            **_rule(trace.ref),
            "effect": trace.effect,
            "matched": trace.matched,
            "clauses": {**trace.clauses},
        }
        for trace in traces
    ]


def _rule(ref: RuleRef) -> dict[str, Json]:
    return {"policy": ref.policy, "rule": ref.rule, "generation": ref.generation}


def _record(
    kind: Kind, received: Received, facts: Mapping[str, Json], subject: Subject | None
) -> Record:
    personal: dict[str, Json] = {"source": str(received.request.source)}
    if received.seen.presented is not None:
        person = received.seen.presented.grant.person
        personal |= {"identity_issuer": person.issuer, "subject": person.subject}
        personal |= {"email": person.email} if person.email else {}
    arguments = subject.arguments if subject is not None else None
    return Record(
        id=received.id,
        kind=kind,
        at=received.now,
        facts=facts,
        personal=personal,
        arguments=dict(arguments) if isinstance(arguments, Mapping) else None,
    )
