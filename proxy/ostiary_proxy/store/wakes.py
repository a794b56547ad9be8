"""Telling every replica at once what one of them saw.

Only faster, never needed: each replica reads a grant anew after 500 ms and looks at open streams
every two seconds, whether or not it heard anything, and what it keeps of servers has an end.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

__all__ = ["Crier", "LocalWakes", "Wakes"]

_PAUSE: Final = 0.2
"""Seconds between two cries of one word: who has many reasons for it must not wake all for each."""


class Wakes(Protocol):
    """Carries words.

    The empty one says to look again at everything; it also comes where words may have been lost.
    """

    def listen(self, heard: Callable[[str], None]) -> None:
        """Call `heard` from now on with what a replica, this one too, published; called once."""

    async def publish(self, word: str = "") -> None:
        """Have every replica hear `word`; never raises."""

    async def close(self) -> None:
        """Listen no more."""


class LocalWakes:
    """For a store that one replica has to itself."""

    def __init__(self) -> None:
        self._heard: Callable[[str], None] = lambda _: None

    def listen(self, heard: Callable[[str], None]) -> None:
        self._heard = heard

    async def publish(self, word: str = "") -> None:
        self._heard(word)

    async def close(self) -> None:
        pass


class Crier:
    """Publishes words without anybody waiting for it; `adopt` lets a task run to its end."""

    def __init__(self, wakes: Wakes, adopt: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._wakes = wakes
        self._adopt = adopt
        self._again: dict[str, bool] = {}

    def cry(self, word: str) -> None:
        """Publish `word` at once, or once more where it was published just now."""
        if word in self._again:
            self._again[word] = True
            return
        self._again[word] = True
        self._adopt(self._publish(word))

    async def _publish(self, word: str) -> None:
        while self._again[word]:
            self._again[word] = False
            await self._wakes.publish(word)
            await asyncio.sleep(_PAUSE)
        del self._again[word]
