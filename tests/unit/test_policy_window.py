"""Time windows: zones, days, hours past midnight, and the days on which clocks change."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from ostiary.decode.model import validate
from ostiary.policy.rule import When
from ostiary.policy.window import Window, compile_window


def window(**written: Any) -> Window:
    compiled, faults = compile_window(validate(When, written), "when")
    assert compiled is not None, faults
    return compiled


def at(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


BERLIN = "Europe/Berlin"  # +01:00; +02:00 from 2026-03-29 01:00Z to 2026-10-25 01:00Z


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-23T08:59:59.999+01:00", False),
        ("2026-11-23T09:00:00+01:00", True),
        ("2026-11-23T17:29:59+01:00", True),
        ("2026-11-23T17:30:00+01:00", False),
        ("2026-11-28T12:00:00+01:00", False),
        ("2026-06-01T08:59:00+02:00", False),
        ("2026-06-01T09:00:00+02:00", True),
    ],
)
def test_hours_are_read_on_the_wall_clock_of_the_zone(moment: str, *, expected: bool) -> None:
    office = window(timeZone=BERLIN, days=["Mon-Fri"], hours=["09:00-17:30"])
    assert office.holds(at(moment)) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-27T21:59:59Z", False),
        ("2026-11-27T22:00:00Z", True),
        ("2026-11-28T05:59:59Z", True),
        ("2026-11-28T06:00:00Z", False),
        ("2026-11-27T02:00:00Z", False),
        ("2026-11-28T23:00:00Z", False),
    ],
)
def test_a_range_past_midnight_belongs_to_the_day_it_starts_on(
    moment: str, *, expected: bool
) -> None:
    friday_night = window(days=["Fri"], hours=["22:00-06:00"])
    assert friday_night.holds(at(moment)) is expected


def test_days_may_wrap_around_the_week() -> None:
    weekend = window(days=["Sat-Mon"])
    held = [weekend.holds(at(f"2026-11-{day}T12:00:00Z")) for day in range(23, 30)]
    assert held == [True, False, False, False, False, True, True]


def test_the_hour_that_comes_twice_counts_twice_and_the_one_left_out_never() -> None:
    night = window(timeZone=BERLIN, hours=["02:00-03:00"])
    twice = [night.holds(at(f"2026-10-25T0{hour}:30:00Z")) for hour in range(3)]
    never = [night.holds(at(f"2026-03-29T0{hour}:30:00Z")) for hour in range(3)]
    assert (twice, never) == ([True, True, False], [False, False, False])


def test_absolute_ends_hold_from_the_first_to_before_the_last() -> None:
    term = window(notBefore="2026-01-01T00:00:00Z", notAfter="2026-02-01T00:00:00+01:00")
    moments = ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-31T22:59:59Z"]
    assert [term.holds(at(moment)) for moment in moments] == [False, True, True]
    assert not term.holds(at("2026-01-31T23:00:00Z"))
    assert term.next_edge(at("2025-01-01T00:00:00Z")) == at("2026-01-01T00:00:00Z")
    assert term.next_edge(at("2026-01-15T00:00:00Z")) == at("2026-02-01T00:00:00+01:00")
    assert term.next_edge(at("2026-03-01T00:00:00Z")) is None


def test_empty_lists_of_days_and_hours_never_hold() -> None:
    assert not window(days=[]).holds(at("2026-11-23T12:00:00Z"))
    assert not window(hours=[]).holds(at("2026-11-23T12:00:00Z"))


def test_what_always_holds_has_no_edge() -> None:
    assert window(timeZone=BERLIN).next_edge(at("2026-11-23T12:00:00Z")) is None
    assert window(hours=["00:00-24:00"]).next_edge(at("2026-11-23T12:00:00Z")) is None


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, "2026-03-28T12:00:00Z", ["02:30-05:00"]),  # starts in the hour left out
        (BERLIN, "2026-03-28T12:00:00Z", ["01:00-02:30"]),  # ends in it
        (BERLIN, "2026-10-24T12:00:00Z", ["02:30-05:00"]),  # starts twice
        (BERLIN, "2026-10-24T12:00:00Z", ["01:00-02:30"]),  # ends twice
        ("America/Sao_Paulo", "2018-11-03T12:00:00Z", ["00:00-01:00", "22:00-23:30"]),
        ("Australia/Lord_Howe", "2026-04-04T00:00:00Z", ["01:45-02:15"]),  # half an hour
        ("Asia/Kathmandu", "2026-04-04T00:00:00Z", ["23:00-01:00"]),
        ("Pacific/Apia", "2011-12-29T00:00:00Z", ["09:00-17:00"]),  # a day left out
    ],
)
def test_no_change_comes_before_the_edge_that_was_told(
    zone: str, day: str, hours: list[str]
) -> None:
    span = window(timeZone=zone, hours=hours, days=["Mon-Sat"])
    now, end = at(day), at(day) + timedelta(days=3).total_seconds()
    while now < end:
        edge = span.next_edge(now)
        assert edge is not None
        assert edge > now
        moments = [now + 300 * n for n in range(int((edge - now) // 300) + 1)]
        held = {span.holds(moment) for moment in (*moments, edge - 0.001) if now <= moment < edge}
        assert held == {span.holds(now)}
        now = edge


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"timeZone": "Europe/Atlantis"}, "when.timeZone"),
        ({"timeZone": "../../etc/passwd"}, "when.timeZone"),
        ({"timeZone": "Europe"}, "when.timeZone"),
        ({"days": ["Mo"]}, "when.days[0]"),
        ({"days": ["Mon", "Tue-"]}, "when.days[1]"),
        ({"days": ["mon"]}, "when.days[0]"),
        ({"hours": ["9-17"]}, "when.hours[0]"),
        ({"hours": ["09:00-17:00", "24:00-25:00"]}, "when.hours[1]"),
        ({"hours": ["09:00-09:00"]}, "when.hours[0]"),
        ({"hours": ["09:00-24:30"]}, "when.hours[0]"),
        ({"hours": ["0\u0669:00-17:00"]}, "when.hours[0]"),
        ({"notBefore": "2026-01-01"}, "when.notBefore"),
        ({"notBefore": "2026-01-01T00:00:00"}, "when.notBefore"),
        ({"notBefore": "20260101T000000Z"}, "when.notBefore"),
        ({"notAfter": "2026-02-30T00:00:00Z"}, "when.notAfter"),
        ({"notAfter": "tomorrow"}, "when.notAfter"),
        (
            {"notBefore": "2026-02-01T00:00:00Z", "notAfter": "2026-01-01T00:00:00Z"},
            "when.notAfter",
        ),
    ],
)
def test_a_window_that_can_not_be_read_says_where(written: dict[str, Any], path: str) -> None:
    compiled, faults = compile_window(validate(When, written), "when")
    assert compiled is None
    assert [fault.path for fault in faults] == [path]
