"""Time windows: days and hours on the wall clock of a zone, and absolute ends."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from math import ceil
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ostiary.decode.fault import Fault
from ostiary.policy.rule import When

__all__ = ["Window", "compile_window"]

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS: Final = re.compile(
    r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))", re.ASCII
)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a rule holds.

    `hours` are (start, end) minutes of the day, end excluded and past 1440 where it wraps.
    """

    zone: ZoneInfo
    days: frozenset[int]
    hours: tuple[tuple[int, int], ...]
    not_before: float
    not_after: float

    def holds(self, now: float) -> bool:
        """Say whether `now` (epoch seconds) is inside."""
        return self.not_before <= now < self.not_after and self.open_at(now // 1)

    def open_at(self, second: float) -> bool:
        """Say whether the clock on the wall of the zone is inside, for a whole second."""
        local = datetime.fromtimestamp(second, self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        return any(
            (day in self.days and start <= minute < end)
            or ((day - 1) % 7 in self.days and minute < end - 1440)
            for start, end in self.hours
        )

    def next_edge(self, now: float) -> float | None:
        """Return a moment after `now`, at or before the next change of `holds`; None for never.

        It may come early (midnights count as edges): judging again too soon harms nothing.
        """
        edges = [edge for edge in (self.not_before, self.not_after) if now < edge < float("inf")]
        if len(self.days) < 7 or self.hours != ((0, 1440),):
            edges.append(self._clock_edge(now))
        return min(edges, default=None)

    def _clock_edge(self, now: float) -> float:
        """Return the next start or end of the hours, or an earlier change of the zone's offset."""
        midnight = datetime.combine(datetime.fromtimestamp(now, self.zone).date(), time())
        minutes = {minute % 1440 for span in self.hours for minute in span} | {0}
        walls = [
            (midnight + timedelta(days=day, minutes=minute)).replace(tzinfo=self.zone, fold=fold)
            for day in range(3)
            for minute in minutes
            for fold in (0, 1)
        ]
        edge = min(moment for wall in walls if (moment := wall.timestamp()) > now)
        return self._shift(now, edge) or edge

    def _shift(self, now: float, edge: float) -> float | None:
        """Return the second at which the zone's offset changes in between; None if it doesn't."""
        low, high, before = int(now), ceil(edge), self._offset(now)
        if before == self._offset(edge):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        return float(high)

    def _offset(self, moment: float) -> timedelta | None:
        return datetime.fromtimestamp(moment, self.zone).utcoffset()


def compile_window(when: When, path: str) -> tuple[Window | None, list[Fault]]:
    """Return the window, or None with everything that is wrong with it."""
    faults: list[Fault] = []
    window = Window(
        zone=_zone(when.time_zone, f"{path}.timeZone", faults),
        days=_days(when.days, f"{path}.days", faults),
        hours=_spans(when.hours, f"{path}.hours", faults),
        not_before=_moment(when.not_before, f"{path}.notBefore", faults, float("-inf")),
        not_after=_moment(when.not_after, f"{path}.notAfter", faults, float("inf")),
    )
    if not faults and window.not_before >= window.not_after:
        faults.append(Fault(path=f"{path}.notAfter", message="is not later than notBefore"))
    return (None, faults) if faults else (window, [])


def _zone(name: str, path: str, faults: list[Fault]) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"{name[:64]!r} is not an IANA time zone; write it like Europe/Berlin"
        faults.append(Fault(path=path, message=message))
        return ZoneInfo("UTC")


def _days(listed: tuple[str, ...] | None, path: str, faults: list[Fault]) -> frozenset[int]:
    if listed is None:
        return frozenset(range(7))
    found: set[int] = set()
    for index, text in enumerate(listed):
        first, dash, last = text.partition("-")
        last = last if dash else first
        if first not in _DAYS or last not in _DAYS:
            message = f"{text[:20]!r} is not a day; write Mon, or a range such as Mon-Fri"
            faults.append(Fault(path=f"{path}[{index}]", message=message))
            continue
        start, end = _DAYS.index(first), _DAYS.index(last)
        found.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(found)


def _spans(
    listed: tuple[str, ...] | None, path: str, faults: list[Fault]
) -> tuple[tuple[int, int], ...]:
    if listed is None:
        return ((0, 1440),)
    return tuple(
        span
        for index, text in enumerate(listed)
        if (span := _span(text, f"{path}[{index}]", faults)) is not None
    )


def _span(text: str, path: str, faults: list[Fault]) -> tuple[int, int] | None:
    found = _HOURS.fullmatch(text)
    if found is None:
        message = f"{text[:20]!r} is not a range of hours; quote it and write it like '09:00-17:30'"
        faults.append(Fault(path=path, message=message))
        return None
    hour, minute, to_hour, to_minute = (int(part) for part in found.groups() if part is not None)
    start, end = hour * 60 + minute, to_hour * 60 + to_minute
    if start == end:
        faults.append(Fault(path=path, message="starts when it ends; leave hours out for all day"))
        return None
    return (start, end if end > start else end + 1440)


def _moment(text: str | None, path: str, faults: list[Fault], absent: float) -> float:
    if text is None:
        return absent
    try:
        moment = datetime.fromisoformat(text.upper()) if _MOMENT.fullmatch(text.upper()) else None
    except ValueError:
        moment = None
    if moment is None:
        message = f"{text!r} is not an RFC 3339 time; write it like '2026-12-24T18:00:00Z'"
        faults.append(Fault(path=path, message=message))
        return absent
    return moment.timestamp()
