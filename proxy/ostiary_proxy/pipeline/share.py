"""How often a server may ask in one exchange: each question takes a record and a Store row."""

from typing import Final

__all__ = ["Share"]

_MOST: Final = 100
"""Messages of one exchange that ask for something, in a minute."""
_MINUTE: Final = 60.0


class Share:
    """Says whether a server may ask once more."""

    __slots__ = ("_left", "_until")

    def __init__(self) -> None:
        self._left = 0
        self._until = 0.0

    def takes(self, now: float) -> bool:
        """Say whether one more may be asked now, and count it."""
        if now >= self._until:
            self._left, self._until = _MOST, now + _MINUTE
        if not self._left:
            return False
        self._left -= 1
        return True
