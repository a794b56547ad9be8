"""Which eras the servers behind routes speak, as their own answers showed."""

from collections import Counter
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

__all__ = ["Era", "Spoken"]

_KEPT: Final = 300.0
"""Seconds until a server is asked again in the era that it did not speak: it may be a new one."""


class Era(Enum):
    """The two ways to speak MCP: with a session (2025), or each request for itself (2026)."""

    LEGACY = auto()
    MODERN = auto()


class Spoken:
    """Remembers by URL the one era that a server speaks.

    A server of which nothing is known is spoken to in the client's own era. `bridged` counts the
    requests that were said in another era than the client's, by that one. One lives as long as the
    process.
    """

    __slots__ = ("_clock", "_only", "bridged")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.bridged: Counter[Era] = Counter()
        self._only: dict[str, tuple[Era, float]] = {}

    def only(self, url: str) -> Era | None:
        """Return the era outside which the server at `url` does not speak, if that showed."""
        era, until = self._only.get(url, (None, 0.0))
        return era if self._clock() < until else None

    def showed(self, url: str, era: Era) -> None:
        """Take note that the server at `url` refused the other era and speaks this one."""
        self._only[url] = (era, self._clock() + _KEPT)

    def forget(self, url: str) -> None:
        """Take note that the server at `url` does not speak as it did."""
        self._only.pop(url, None)
