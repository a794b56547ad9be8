"""A quota on records that others can make us write: some a minute whole, the rest in one summary.

What comes under one stands in `counted`.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ostiary.crypto.seal import Entropy
from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import AuditLog, AuditUnavailable, Kind, Record

__all__ = ["Counted", "Quota"]

_NAMES: Final = 4096
_SHOWN: Final = 50
_MINUTE: Final = 60.0
_OTHERS: Final = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Records under a quota: those that `name` names.

    `each` of one name and `most` in all are written in a minute. The summary of the others is the
    `event`; it says how many they were as `total`, counts what their `fact` says, and how many had
    which of the `names`.
    """

    name: Callable[[Record], str | None]
    each: int
    most: int
    event: str
    total: str
    fact: str
    names: str


@dataclass(slots=True)
class _Minute:
    """What happened in one minute: records seen by name, and those only counted, with facts."""

    seen: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)
    written: int = 0


class Quota:
    """An AuditLog before another one: passes everything on but what there is too much of."""

    def __init__(
        self, log: AuditLog, counted: Counted, *, clock: Callable[[], float], entropy: Entropy
    ) -> None:
        self._log = log
        self._of = counted
        self._clock = clock
        self._entropy = entropy
        self._minute = _Minute()
        self._decisions: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def write(self, record: Record) -> None:
        """Write `record`, or count it: one of a name, or of them all, that had enough.

        The outcome of what was only counted is not written either. Raises AuditUnavailable where
        it had to be written and could not.
        """
        if record.kind is Kind.OUTCOME and record.id in self._decisions:
            self._decisions.remove(record.id)
        elif (name := self._of.name(record)) is None or self._may(name):
            await self._log.write(record)
        else:
            self._count(_known(name, self._minute.seen, _NAMES), record)

    async def flush(self) -> None:
        """Write the summary of what was only counted, and begin a new minute.

        Raises AuditUnavailable; the counts are then kept for the next summary.
        """
        minute, self._minute = self._minute, _Minute()
        if not minute.counted:
            return
        try:
            await self._log.write(self._summary(minute))
        except AuditUnavailable:
            self._minute.counted += minute.counted
            self._minute.facts += minute.facts
            raise

    async def close(self) -> None:
        """Write what was counted last; raises AuditUnavailable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.flush()

    def _may(self, name: str) -> bool:
        """Say whether one more of `name` may be written in this minute."""
        minute, name = self._minute, _known(name, self._minute.seen, _NAMES)
        minute.seen[name] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._end_minute(), name=self._of.event)
        if minute.seen[name] > self._of.each or minute.written >= self._of.most:
            return False
        minute.written += 1
        return True

    def _count(self, name: str, record: Record) -> None:
        minute = self._minute
        minute.counted[name] += 1
        minute.facts[_known(str(record.facts.get(self._of.fact, "?")), minute.facts, _SHOWN)] += 1
        if record.kind is Kind.DECISION:
            self._decisions.add(record.id)

    async def _end_minute(self) -> None:
        await asyncio.sleep(_MINUTE)
        while True:
            with contextlib.suppress(AuditUnavailable):
                await self.flush()
                return
            await asyncio.sleep(_MINUTE)

    def _summary(self, minute: _Minute) -> Record:
        facts: dict[str, Json] = {**minute.facts}
        names: dict[str, Json] = dict(minute.counted.most_common(_SHOWN))
        return Record(
            id=self._entropy(8).hex(),
            kind=Kind.SYSTEM,
            at=self._clock(),
            facts={
                "event": self._of.event,
                self._of.total: minute.counted.total(),
                f"{self._of.fact}s": facts,
                self._of.names: len(minute.counted),
            },
            personal={self._of.names: names},
        )


def _known(name: str, counts: Counter[str], most: int) -> str:
    """Return `name`, or that of all others where `most` are known already."""
    return name if name in counts or len(counts) < most else _OTHERS
