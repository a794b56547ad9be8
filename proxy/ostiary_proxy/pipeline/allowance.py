"""How much one person's messages may put into the Store; beyond that they are refused for a while.

A client and a server that play together could ask, begin tasks and end sessions without end. Each
replica counts for itself and asks nobody: what was put runs out again as rows end.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Final

from ostiary_proxy.identity import Person
from ostiary_proxy.refused import Refused

__all__ = ["Allowance", "Room"]

Room = Callable[[int, float], None]
"""Takes note of the size and the life of one person's value; raises Refused("TooMuchKept")."""
_HOUR: Final = 3600.0
_BOUNDS: Final = ((_HOUR, 16 << 20), (25 * _HOUR, 16 << 20), (30 * 24 * _HOUR, 32 << 20))
"""Bytes of one person that may be there at once, of rows which live at most so many seconds."""
_ROW: Final = 256
"""Bytes that a row takes beside its value."""
_MOST: Final = 20_000
"""People and kinds of rows that are counted; who was counted longest ago begins anew."""


class Allowance:
    """Counts what was put for whom. One lives as long as the process."""

    __slots__ = ("_clock", "_held")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._held: OrderedDict[tuple[str, str, float], tuple[float, float]] = OrderedDict()

    def of(self, person: Person) -> Room:
        """Return what takes note of a value of so many bytes that lives so many seconds."""
        return partial(self.charge, person)

    def charge(self, person: Person, size: int, seconds: float) -> None:
        """Count a value of `size` bytes for `seconds`; raises Refused("TooMuchKept")."""
        life, most = next((found for found in _BOUNDS if seconds <= found[0]), _BOUNDS[-1])
        key, now = (person.issuer, person.subject, life), self._clock()
        held, since = self._held.pop(key, (0.0, now))
        held = max(0.0, held - max(0.0, now - since) * most / life)
        wanted = held + size + _ROW
        fits = wanted <= most
        self._held[key] = (wanted if fits else held, now)
        if len(self._held) > _MOST:
            self._held.popitem(last=False)
        if not fits:
            raise Refused("TooMuchKept", retry_after=(wanted - most) * life / most)
