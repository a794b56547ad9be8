"""The figures of the audit log are those of what was written, and of nothing else."""

import pytest

from log_parts import Log
from mcp_parts import ALLOW_ALL, world
from ostiary_proxy.audit.record import AuditUnavailable, Kind, Record
from ostiary_proxy.audit.tally import CountedLog, Tally


def record(kind: Kind, **facts: object) -> Record:
    return Record(id="d1", kind=kind, at=1.0, facts=facts)  # type: ignore[arg-type]  # JSON


def trace(policy: str, effect: str) -> dict[str, object]:
    return {"policy": policy, "rule": "r", "generation": 1, "effect": effect, "matched": True}


async def test_decisions_are_counted_by_effect_and_code() -> None:
    tally = Tally()
    log = CountedLog(Log(), tally)
    for one in (
        record(Kind.DECISION, decision="allow", reason="Allowed"),
        record(Kind.DECISION, decision="deny", code="Denied", reason="DeniedByRule"),
        record(Kind.REFUSAL, event="oauth-refused", code="InvalidClient"),
        record(Kind.OUTCOME, outcome="ok"),
    ):
        await log.write(one)

    assert tally.decisions == {
        ("allow", "Allowed"): 1, ("deny", "Denied"): 1, ("deny", "InvalidClient"): 1,
    }  # fmt: skip
    assert tally.records == {"decision": 2, "refusal": 1, "outcome": 1}


async def test_what_audit_rules_would_refuse_counts_once_a_message_and_policy() -> None:
    tally = Tally()
    log = CountedLog(Log(), tally)
    would = [
        trace("a/p", "Deny"),
        trace("a/p", "Deny"),
        trace("b/p", "Deny"),
        trace("c/p", "Allow"),
    ]
    await log.write(record(Kind.DECISION, decision="allow", would=would))
    await log.write(record(Kind.DECISION, decision="allow", would=[trace("a/p", "Deny")]))

    assert tally.would == {"a/p": 2, "b/p": 1}


async def test_a_denial_and_what_audit_rules_say_of_it_reach_the_figures() -> None:
    audit = {"name": "no-a", "effect": "Deny", "mode": "Audit", "match": {"tools": ["a"]}}
    w = world(None, ALLOW_ALL, audit)
    for name in ("a", "b"):
        await w.modern("tools/call", {"name": name})
    w.allow({"name": "no", "effect": "Deny"})
    await w.modern("tools/call", {"name": "a"})
    tally = Tally()
    for record in w.log.records:
        tally.count(record)

    assert tally.would == {"team/p": 1}
    assert tally.decisions == {("allow", "Allowed"): 2, ("deny", "Hidden"): 1}


async def test_a_record_that_can_not_be_written_is_not_counted_as_written() -> None:
    tally = Tally()
    with pytest.raises(AuditUnavailable):
        await CountedLog(Log(full=True), tally).write(record(Kind.DECISION, decision="allow"))

    assert (tally.unwritten, dict(tally.decisions), dict(tally.records)) == (1, {}, {})
