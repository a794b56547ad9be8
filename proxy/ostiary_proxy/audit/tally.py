"""Figures of what the audit log was given: behind the metrics and the would-deny counts."""

from collections import Counter

from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import AuditLog, AuditUnavailable, Kind, Record

__all__ = ["CountedLog", "Tally"]


class Tally:
    """Plain integers, for every request passes by; `unwritten` records met AuditUnavailable.

    `decisions` are by (allow or deny, code): `Allowed`, or the code of the refusal. `would` counts,
    by policy, the messages that its Audit rules would have refused. `own`, by method, is what the
    gateway said by itself; `rounds` and `resumed` are calls with input, and streams gone on with.
    """

    __slots__ = ("decisions", "own", "records", "resumed", "rounds", "unwritten", "would")

    def __init__(self) -> None:
        self.records: Counter[str] = Counter()
        self.decisions: Counter[tuple[str, str]] = Counter()
        self.would: Counter[str] = Counter()
        self.own: Counter[str] = Counter()
        self.rounds = self.resumed = self.unwritten = 0

    def count(self, record: Record) -> None:
        """Count one record."""
        facts = record.facts
        self.records[record.kind.value] += 1
        if record.kind is not Kind.DECISION and record.kind is not Kind.REFUSAL:
            return
        if facts.get("by") == "gateway":
            self.own[str(facts.get("method"))] += 1
            return
        self.rounds += "answers" in facts
        self.resumed += "resumes" in facts
        if facts.get("decision") == "allow":
            self.decisions["allow", "Allowed"] += 1
        else:
            self.decisions["deny", str(facts.get("code"))] += 1
        would = facts.get("would")
        if isinstance(would, list):
            self.would.update(_refusing(would))


class CountedLog:
    """An AuditLog before another one, for its figures."""

    __slots__ = ("_log", "_tally")

    def __init__(self, log: AuditLog, tally: Tally) -> None:
        self._log = log
        self._tally = tally

    async def write(self, record: Record) -> None:
        """Write `record`; raises AuditUnavailable."""
        try:
            await self._log.write(record)
        except AuditUnavailable:
            self._tally.unwritten += 1
            raise
        self._tally.count(record)


def _refusing(would: list[Json]) -> set[str]:
    """Return the policies of which some rule would have refused the message."""
    rules = [rule for rule in would if isinstance(rule, dict) and rule.get("effect") != "Allow"]
    return {str(rule["policy"]) for rule in rules}
