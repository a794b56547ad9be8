"""How the servers behind routes answer, as real traffic shows it; no probe is ever sent."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Final

__all__ = ["Upstreams"]

_FAILED: Final[Mapping[str, str]] = {
    "forbidden-address": "its address is not one that this route may name",
    "dns": "its name does not resolve",
    "connect": "nothing takes connections there",
    "tls": "its certificate is not trusted",
    "timeout": "it did not answer in time",
    "protocol": "what it answers is not valid HTTP",
    "closed": "it closed the connection before it answered",
}
_AWAY: Final = frozenset((502, 503, 504))
"""What something in front of a server answers for it."""


class Upstreams:
    """The last outcome by route, failures by reason, and the time until answers began.

    One lives as long as the process; plain integers, for every call passes by. `buckets[i]` counts
    the times up to `BOUNDS[i]` seconds that no smaller bound holds, the last one all others.
    """

    __slots__ = ("buckets", "failures", "last", "seconds")

    BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

    def __init__(self) -> None:
        self.last: dict[str, str] = {}
        self.failures: Counter[str] = Counter()
        self.buckets = [0] * (len(self.BOUNDS) + 1)
        self.seconds = 0.0

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Take note that an answer of this status began after so many seconds."""
        self.last[route] = f"HTTP {status} was answered for it" if status in _AWAY else ""
        self.buckets[bisect_left(self.BOUNDS, seconds)] += 1
        self.seconds += seconds

    def failed(self, route: str, reason: str) -> None:
        """Take note that no answer came, for the reason of an OutboundFailed."""
        self.last[route] = _FAILED.get(reason, reason)
        self.failures[reason] += 1
