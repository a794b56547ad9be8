"""Time windows: days and hours on the wall clock of a zone, and absolute ends."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ostiary.decode.fault import Fault
from ostiary.policy.rule import When

__all__ = ["Window", "compile_window"]

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")
_DAY: Final = timedelta(days=1)


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
        if not self.not_before <= now < self.not_after:
            return False
        local = datetime.fromtimestamp(now, self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        return any(
            (day in self.days and start <= minute < end)
            or ((day - 1) % 7 in self.days and minute < end - 1440)
            for start, end in self.hours
        )

    def next_edge(self, now: float) -> float | None:
        """Return the next moment after `now` at which `holds` may change.

        None where it never will.
        """
        edges = [edge for edge in (self.not_before, self.not_after) if now < edge < float("inf")]
        if not self._always():
            edges.append(next(edge for edge in self._clock_edges(now) if edge > now))
        return min(edges, default=None)

    def _always(self) -> bool:
        return len(self.days) == 7 and self.hours == ((0, 1440),)

    def _clock_edges(self, now: float) -> Iterator[float]:
        """Yield starts and ends of the hours of today and the next days in order.

        They hold on every day listed.
        """
        midnight = datetime.combine(datetime.fromtimestamp(now, self.zone).date(), time())
        minutes = sorted({minute % 1440 for span in self.hours for minute in span} | {0})
        for day in range(-1, 9):
            for minute in minutes:
                wall = midnight + day * _DAY + timedelta(minutes=minute)
                yield wall.replace(tzinfo=self.zone).timestamp()


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
        first, _, last = text.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            message = f"{text[:20]!r} is not a day; write Mon, or a range such as Mon-Fri"
            faults.append(Fault(path=f"{path}[{index}]", message=message))
            continue
        start, end = _DAYS.index(first), _DAYS.index(last or first)
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
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or "T" not in text.upper():
        message = f"{text!r} is not an RFC 3339 time; write it like '2026-12-24T18:00:00Z'"
        faults.append(Fault(path=path, message=message))
        return absent
    return moment.astimezone(UTC).timestamp()
