"""Where the Store keeps what broken-off streams answer: a few places for each person, in turn.

A server decides whether an answer can be resumed, and a client how many it asks for: the oldest
makes room, and nobody has to look for it.
"""

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

__all__ = ["LARGEST", "Places"]

LARGEST: Final = 64 * 1024
"""Bytes of a request whose answer can be resumed."""
_PLACES: Final = ((4 * 1024, 128), (LARGEST, 16))
"""How many requests of up to so many bytes one person has a place for: 1.5 MiB in all."""
_MOST: Final = 20_000
"""People and sizes whose turn is known; who comes back begins with the first place again."""


class Places:
    """Gives places at one replica, which `replica` tells from others.

    One lives as long as the process.
    """

    __slots__ = ("_replica", "_turns")

    def __init__(self, replica: str) -> None:
        self._replica = replica
        self._turns: OrderedDict[tuple[str, int], Iterator[int]] = OrderedDict()

    def next(self, person: str, size: int) -> str:
        """Return the Store key for a request of `size` bytes, in place of that person's oldest."""
        largest, places = next(found for found in _PLACES if size <= found[0])
        turn = self._turns.pop((person, largest), None) or itertools.cycle(range(places))
        self._turns[person, largest] = turn
        if len(self._turns) > _MOST:
            self._turns.popitem(last=False)
        return f"{self._replica}.{person}.{largest}.{next(turn)}"
