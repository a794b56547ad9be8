"""A server's share of the audit log in one exchange: what goes beyond it is counted, not written.

Every request needs the log, so no server may fill it by sending what nobody asked for.
"""

from typing import Final

__all__ = ["Share"]

_MOST: Final = 100
"""Records of a server's own messages that one exchange may cause in a minute."""
_MINUTE: Final = 60.0


class Share:
    """Says what may still be written; `counted` is what was not."""

    __slots__ = ("_left", "_until", "counted")

    def __init__(self) -> None:
        self._left = 0
        self._until = 0.0
        self.counted = 0

    def takes(self, now: float) -> bool:
        """Say whether one more record may be written now; count it where not."""
        if now >= self._until:
            self._left, self._until = _MOST, now + _MINUTE
        if not self._left:
            self.counted += 1
            return False
        self._left -= 1
        return True
