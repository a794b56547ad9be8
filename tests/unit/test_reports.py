"""Counts and conditions that come from proxies: shown as seldom as they may be."""

from typing import Any

import pytest

from ostiary.translate.reports import left_out, reachable, would_deny
from ostiary.translate.world import Reported

NOW = 1_795_000_000.0
SHOWN: dict[str, Any] = {"calls": 100, "lastChanged": "2026-11-18T11:05:40Z"}  # a minute ago


def changed(calls):
    return {"calls": calls, "lastChanged": "2026-11-18T11:06:40Z"}


def proxy(name, *, ready=True, **upstreams):
    reported = {route.replace("_", "/"): said for route, said in upstreams.items()}
    return Reported(proxy=name, ready=ready, revision=1, upstreams=reported)


@pytest.mark.parametrize(
    ("calls", "shown"),
    [
        (100, SHOWN),
        (110, SHOWN),
        (90, SHOWN),
        (111, changed(111)),
        (89, changed(89)),
        (0, changed(0)),
    ],
)
def test_a_count_changes_by_more_than_a_tenth_or_to_nothing(calls, shown):
    assert would_deny({"wouldDeny": SHOWN}, calls, NOW) == shown


def test_a_count_stays_for_a_minute_whatever_happens():
    assert would_deny({"wouldDeny": SHOWN}, 900, NOW - 1) == SHOWN
    assert would_deny({"wouldDeny": SHOWN}, 0, NOW - 1) == SHOWN


def test_a_clock_that_was_ahead_holds_no_count():
    assert would_deny({"wouldDeny": SHOWN}, 900, NOW - 3600) == {
        "calls": 900,
        "lastChanged": "2026-11-18T10:06:40Z",
    }


def test_nothing_is_shown_before_the_first_call():
    assert would_deny({}, 0, NOW) is None
    assert would_deny({}, 1, NOW) == changed(1)


@pytest.mark.parametrize("odd", [None, 7, {}, {"calls": "x"}, {"calls": 5, "lastChanged": "?"}])
def test_a_status_that_somebody_spoilt_is_written_anew(odd):
    assert would_deny({"wouldDeny": odd}, 900, NOW) == changed(900)


def test_a_server_counts_as_reachable_while_any_proxy_reaches_it():
    said = reachable(["a/b"], [proxy("x", a_b="refused"), proxy("y", a_b=""), proxy("z")])

    assert said is not None
    assert (said.status, said.reason) == ("True", "Reachable")


def test_a_server_is_unreachable_where_every_last_request_failed():
    said = reachable(["a/b"], [proxy("x", a_b="time-out"), proxy("y", a_b="refused"), proxy("z")])

    assert said is not None
    assert (said.status, said.reason, said.message) == ("False", "UpstreamFailed", "refused")


def test_nothing_is_said_of_a_server_before_a_proxy_is_ready():
    assert reachable(["a/b"], [proxy("x", ready=False, a_b="refused")]) is None
    said = reachable(["a/b"], [proxy("x", a_c="refused")])
    assert said is not None
    assert said.status == "Unknown"


def test_of_several_servers_those_that_are_away_are_named():
    def of(**upstreams):
        return reachable(["a/b/files", "a/b/web"], [proxy("x", **upstreams)])

    said = [of(), of(a_b_web=""), of(a_b_files="", a_b_web="refused")]
    said.append(of(a_b_files="time-out", a_b_web="refused"))

    assert [(one.status, one.reason, one.message) for one in said if one] == [
        ("Unknown", "Pending", "no request has gone to the server yet"),
        ("True", "Reachable", "the server answers"),
        ("False", "PartlyReachable", "web: refused; the others' part is served"),
        ("False", "UpstreamFailed", "files: time-out; web: refused"),
    ]


def test_tools_that_are_left_out_are_named_once():
    reported = [
        Reported(proxy=name, ready=True, revision=1, unfit={"a/b/web": ("z", "y"), "a/c/x": ("w",)})
        for name in ("x", "y")
    ]

    assert left_out(["a/b/web", "a/b/files"], reported) == ("y", "z")
