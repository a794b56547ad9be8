"""The rules that every store keeps, pure: keys, versions, full buckets (GCRA), running leases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ostiary_proxy.store.port import Conflict, Row, Take

__all__ = [
    "SWEEP_GRACE", "Admitted", "Full", "Lease", "admit", "check_key", "depth_of", "lease",
    "nanoseconds", "next_version",
]  # fmt: skip

MAX_KEY: Final = 512
SWEEP_GRACE: Final = 600.0
"""Seconds for which ended rows stay stored, so that a clock that jumped ahead and comes back within
them has deleted nothing. They are never returned."""
_NANO: Final = 1_000_000_000


def check_key(key: str) -> str:
    """Return `key`; raises ValueError where a store could not hold it."""
    if not 1 <= len(key) <= MAX_KEY:
        raise ValueError(f"a store key has 1 to {MAX_KEY} characters")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ValueError("a store key is valid Unicode") from None
    return key


def next_version(there: Row | None, version: int | None) -> int:
    """Return the version that a write makes of the row `there`; raises Conflict (see Store.put)."""
    current = there.version if there else 0
    if version is not None and version != current:
        raise Conflict(f"version {version} was read, version {current} is there")
    return current + 1


def nanoseconds(seconds: float) -> int:
    """Return seconds as whole nanoseconds."""
    return int(seconds * _NANO)


def depth_of(take: Take) -> tuple[int, int]:
    """Return the nanoseconds that one unit takes up, and those that the whole bucket holds."""
    interval = -(-nanoseconds(take.per) // take.requests)
    return interval, interval * take.requests


@dataclass(frozen=True, slots=True)
class Admitted:
    """Every bucket had room: the new theoretical arrival time (epoch nanoseconds) by key."""

    arrivals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Full:
    """The bucket at `index` has no room for `seconds`; `arrivals` holds what was pulled in."""

    index: int
    seconds: float
    arrivals: Mapping[str, int]


def admit(takes: Sequence[Take], arrivals: Mapping[str, int], now: float) -> Admitted | Full:
    """Take one unit from each bucket by GCRA, or from none; `arrivals` is what was stored before.

    Whole nanoseconds: sums of floats near the epoch would drift by more than a short interval.
    A stored arrival further ahead than the bucket is deep means that the clock stepped back or the
    limit was tightened; it is pulled in, so that a full bucket has room again within `per`.
    """
    at = nanoseconds(now)
    after: dict[str, int] = {}
    for index, take in enumerate(takes):
        interval, depth = depth_of(take)
        stored = after.get(take.key, arrivals.get(take.key, at))
        arrival = min(max(stored, at), at + depth) + interval
        if arrival > at + depth:
            pulled = {take.key: at + depth} if arrivals.get(take.key, at) > at + depth else {}
            return Full(index, (arrival - depth - at) / _NANO, pulled)
        after[take.key] = arrival
    return Admitted(after)


@dataclass(frozen=True, slots=True)
class Lease:
    """`holder` has it until `until` (epoch seconds), taken for `seconds`."""

    holder: str
    until: float
    seconds: float


def lease(there: Lease | None, holder: str, seconds: float, now: float) -> tuple[bool, Lease]:
    """Return whether `holder` has the lease now, and the lease to store.

    Where the clock stepped back, a lease would seem to run longer than it was taken for: it is cut
    to its length from now, so that a dead holder blocks the others for one length more at most, and
    a living one keeps what it was promised.
    """
    if there is None or there.holder == holder or there.until <= now:
        return True, Lease(holder, now + seconds, seconds)
    return False, Lease(there.holder, min(there.until, now + there.seconds), there.seconds)
