"""Who may act, by what a Lease says and how long it was seen to say so."""

from typing import Any

import pytest

from ostiary_operator.lease import (
    DURATION,
    LeaseView,
    claimed,
    may_take,
    new_lease,
    released,
    view,
)

NOW = 1_800_000_000.0


def lease(version: int = 1, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}, "spec": spec}


def test_a_new_lease_is_held_by_who_makes_it() -> None:
    assert new_lease("system", "ostiary-operator", "me", NOW) == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": "system", "name": "ostiary-operator"},
        "spec": {
            "holderIdentity": "me",
            "leaseDurationSeconds": 15,
            "acquireTime": "2027-01-15T08:00:00.000000Z",
            "renewTime": "2027-01-15T08:00:00.000000Z",
            "leaseTransitions": 0,
        },
    }


def test_a_lease_counts_from_when_it_was_first_seen_so() -> None:
    first = view(lease(1, holderIdentity="other"), None, 100.0)
    same = view(lease(1, holderIdentity="other"), first, 110.0)
    renewed = view(lease(2, holderIdentity="other"), same, 112.0)

    assert [seen.since for seen in (first, same, renewed)] == [100.0, 100.0, 112.0]


@pytest.mark.parametrize(
    ("holder", "now", "taken"),
    [
        ("me", 100.0, True),
        ("", 100.0, True),
        ("other", 100.0 + DURATION, False),
        ("other", 100.1 + DURATION, True),
    ],
)
def test_a_lease_is_taken_where_it_is_mine_free_or_run_out(
    holder: str, now: float, taken: bool
) -> None:
    seen = LeaseView(holder=holder, duration=DURATION, version="1", since=100.0)

    assert may_take(seen, "me", now) is taken


def test_the_time_written_in_a_lease_decides_nothing() -> None:
    old = lease(holderIdentity="other", renewTime="2001-01-01T00:00:00.000000Z")

    assert not may_take(view(old, None, 100.0), "me", 101.0)


def test_a_renewal_keeps_when_it_was_taken_and_what_else_stands_there() -> None:
    mine = lease(holderIdentity="me", acquireTime="then", leaseTransitions=3, strategy="x")

    spec = claimed(mine, "me", NOW)["spec"]

    assert (spec["acquireTime"], spec["leaseTransitions"], spec["strategy"]) == ("then", 3, "x")
    assert spec["renewTime"] == "2027-01-15T08:00:00.000000Z"


def test_taking_over_counts_a_transition() -> None:
    spec = claimed(lease(holderIdentity="other", leaseTransitions=3), "me", NOW)["spec"]

    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("me", 4)


def test_a_released_lease_is_free() -> None:
    freed = released(lease(2, holderIdentity="me"))

    assert may_take(view(freed, None, 0.0), "other", 0.0)
