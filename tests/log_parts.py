"""A clock that a test moves, and an audit log in a list: seams that production has too."""

from dataclasses import dataclass, field

from ostiary_proxy.audit.record import AuditUnavailable, Record

__all__ = ["NOW", "Clock", "Log"]

NOW = 1_800_000_000.0


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Log:
    """Keeps records; `full` makes it refuse them."""

    records: list[Record] = field(default_factory=list)
    full: bool = False

    async def write(self, record: Record) -> None:
        if self.full:
            raise AuditUnavailable("disk full")
        self.records.append(record)

    @property
    def events(self) -> list[object]:
        return [record.facts["event"] for record in self.records]

    def text(self) -> str:
        return repr(self.records)

    def words(self) -> list[tuple[str, object]]:
        """Return (kind, decision or outcome) of each record."""
        return [
            (record.kind.value, record.facts.get("decision") or record.facts.get("outcome"))
            for record in self.records
        ]
