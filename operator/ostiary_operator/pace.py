"""When to plan: soon after a change, once for many, and later and later where it fails."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["Pace", "backoff"]

_QUIET: Final = 0.05
"""Seconds without a further change after which a plan is made."""
_LONGEST: Final = 0.5
"""Seconds after which it is made in any case."""
_MOST: Final = 30.0


def backoff(failures: int, jitter: float) -> float:
    """Return the seconds to wait after so many failures; `jitter` is between 0 and 1."""
    return float(min(0.1 * 2 ** min(failures, 10), _MOST)) * (0.5 + jitter / 2)


class Pace:
    """Gathers changes and says when they are to be planned."""

    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._first: float | None = None
        self._taken: float | None = None
        self._last = 0.0
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Say that something changed."""
        self._last = self._clock()
        if self._first is None:
            self._first = self._last
        self._rung.set()

    @property
    def age(self) -> float:
        """Return for how many seconds the oldest change that is not carried out has waited."""
        oldest = self._first if self._taken is None else self._taken
        return 0.0 if oldest is None else self._clock() - oldest

    async def due(self, at_latest: float) -> None:
        """Wait until what changed is to be planned, or for `at_latest` seconds without a change."""
        try:
            async with asyncio.timeout(at_latest):
                await self._rung.wait()
        except TimeoutError:
            return
        assert self._first is not None
        while (left := min(self._last + _QUIET, self._first + _LONGEST) - self._clock()) > 0:
            await self._sleep(left)
        self._taken = self._first if self._taken is None else self._taken
        self._first = None
        self._rung.clear()

    def done(self) -> None:
        """Say that everything up to what was due last is carried out."""
        self._taken = None
