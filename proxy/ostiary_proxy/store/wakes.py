"""Telling every replica at once that something was revoked.

Only faster, never needed: each replica reads a grant anew after 500 ms and looks at open streams
every two seconds, whether or not it heard anything.
"""

from collections.abc import Callable
from typing import Protocol

__all__ = ["LocalWakes", "Wakes"]


class Wakes(Protocol):
    """Carries one word: look again."""

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` from now on whenever a replica, this one too, published; called once."""

    async def publish(self) -> None:
        """Have every replica look again; never raises."""

    async def close(self) -> None:
        """Listen no more."""


class LocalWakes:
    """For a store that one replica has to itself."""

    def __init__(self) -> None:
        self._heard: Callable[[], None] = lambda: None

    def listen(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    async def publish(self) -> None:
        self._heard()

    async def close(self) -> None:
        pass
