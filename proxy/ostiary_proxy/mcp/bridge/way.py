"""What the gateway can do with a message where client and server are of different eras."""

from enum import StrEnum

__all__ = ["Way"]


class Way(StrEnum):
    """What the gateway does with a message."""

    FORWARDED = "forwarded"
    """As the same method, with what the other revision adds or lacks."""
    TRANSLATED = "translated"
    """As another message with the same sense."""
    KEPT = "kept"
    """Remembered for the session; later messages carry it."""
    ANSWERED = "answered"
    """By the gateway; the other side hears nothing."""
    DROPPED = "dropped"
    """Taken and not passed on: the other revision has nothing like it."""
    REFUSED = "refused"
    """With an error that says so."""
