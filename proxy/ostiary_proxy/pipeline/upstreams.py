"""How the servers behind routes answer, as real traffic shows it; no probe is ever sent."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from ostiary_proxy.pipeline.many.silence import Silence

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


_LOOK: Final = 4.0
"""Seconds between two looks for a server that is away, however many streams wait for it."""
_MOST: Final = 16
_LONGEST: Final = 250


class Upstreams:
    """The last outcome by server, failures by reason, and the time until answers began.

    `unfit` are tools, by server, that are left out of lists because no client can read them.
    `silence` are those of several servers that did not answer in time.

    One lives as long as the process; plain integers, for every call passes by. `buckets[i]` counts
    the times up to `BOUNDS[i]` seconds that no smaller bound holds, the last one all others.
    """

    __slots__ = ("_looked", "buckets", "failures", "last", "seconds", "silence", "unfit")

    BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

    def __init__(self) -> None:
        self.last: dict[str, str] = {}
        self.unfit: dict[str, set[str]] = {}
        self._looked: dict[str, float] = {}
        self.failures: Counter[str] = Counter()
        self.buckets = [0] * (len(self.BOUNDS) + 1)
        self.seconds = 0.0
        self.silence = Silence()

    def answered(self, server: str, status: int, seconds: float) -> None:
        """Take note that an answer of this status began after so many seconds."""
        self.last[server] = f"HTTP {status} was answered for it" if status in _AWAY else ""
        self.buckets[bisect_left(self.BOUNDS, seconds)] += 1
        self.seconds += seconds

    def left_out(self, server: str, names: Iterable[str], *, anew: bool) -> list[str]:
        """Take note of tools that are left out, of 16 at most; return those that are new.

        `anew` says that a list began: what it does not leave out is mended.
        """
        before = self.unfit.get(server, set())
        known = set() if anew else set(before)
        known.update(sorted({name[:_LONGEST] for name in names} - known)[: _MOST - len(known)])
        if known or before:
            self.unfit[server] = known
        return sorted(known - before)

    def may_look(self, server: str, now: float) -> bool:
        """Say whether a stream may look for a server: for one that is away one may at a time."""
        if not self.last.get(server):
            return True
        if 0 <= now - self._looked.get(server, 0.0) < _LOOK:
            return False
        self._looked[server] = now
        return True

    def failed(self, server: str, reason: str) -> None:
        """Take note that no answer came, for the reason of an OutboundFailed."""
        self.last[server] = _FAILED.get(reason, reason)
        self.failures[reason] += 1
