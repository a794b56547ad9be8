"""Refusals of strangers: a few a minute are written whole, the others counted into one summary.

So that nobody who can't log in fills the disk (security decision 16). A stranger's refusal is a
REFUSAL without the fact `gid`: nobody's grant stands behind it. IPv6 sources count as their /64,
which is what one stranger has.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from ostiary.crypto.seal import Entropy
from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import AuditLog, AuditUnavailable, Kind, Record

__all__ = ["RefusalQuota"]

_PER_SOURCE: Final = 10
_PER_MINUTE: Final = 300
_SOURCES: Final = 4096
_NAMED: Final = 50
_MINUTE: Final = 60.0
_OTHERS: Final = "others"
_UNKNOWN: Final = "unknown"


@dataclass(slots=True)
class _Minute:
    """What happened in one minute: refusals seen by source, and those only counted, with codes."""

    seen: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    written: int = 0


class RefusalQuota:
    """An AuditLog before another one: passes everything on but what strangers have too much of."""

    def __init__(self, log: AuditLog, *, clock: Callable[[], float], entropy: Entropy) -> None:
        self._log = log
        self._clock = clock
        self._entropy = entropy
        self._minute = _Minute()
        self._task: asyncio.Task[None] | None = None

    async def write(self, record: Record) -> None:
        """Write `record`, or count it: a stranger's, whose source or all sources had enough.

        The personal `source` and the fact `code` are what it is counted by. Raises
        AuditUnavailable where it had to be written and could not.
        """
        if record.kind is not Kind.REFUSAL or "gid" in record.facts:
            await self._log.write(record)
            return
        minute, name = self._minute, self._name(str(record.personal.get("source", _UNKNOWN)))
        minute.seen[name] += 1
        self._wait_for_the_end()
        if minute.seen[name] <= _PER_SOURCE and minute.written < _PER_MINUTE:
            minute.written += 1
            await self._log.write(record)
            return
        minute.counted[name] += 1
        minute.codes[str(record.facts.get("code", "?"))] += 1

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
            self._minute.codes += minute.codes
            raise

    async def close(self) -> None:
        """Write what was counted last; raises AuditUnavailable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.flush()

    def _name(self, source: str) -> str:
        name = _network(source)
        known = name in self._minute.seen or len(self._minute.seen) < _SOURCES
        return name if known else _OTHERS

    def _wait_for_the_end(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._end_minute(), name="audit-refusals")

    async def _end_minute(self) -> None:
        await asyncio.sleep(_MINUTE)
        while True:
            with contextlib.suppress(AuditUnavailable):
                await self.flush()
                return
            await asyncio.sleep(_MINUTE)

    def _summary(self, minute: _Minute) -> Record:
        named = dict(minute.counted.most_common(_NAMED))
        codes: dict[str, Json] = dict(minute.codes.most_common(_NAMED))
        sources: dict[str, Json] = {**named}
        return Record(
            id=self._entropy(8).hex(),
            kind=Kind.REFUSAL,
            at=self._clock(),
            facts={
                "event": "refusals-counted",
                "refused": minute.counted.total(),
                "codes": codes,
                "sources": len(minute.counted),
            },
            personal={"sources": sources},
        )


def _network(source: str) -> str:
    try:
        address = ip_address(source)
    except ValueError:
        return _UNKNOWN
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, 64), strict=False))
    return str(address)
