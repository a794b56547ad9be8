"""What `handle` returns to an edge: a whole answer, or a head and a stream to iterate over."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from ostiary_proxy.wire import Headers

__all__ = ["Answer", "Stream"]


class Stream(Protocol):
    """A body in pieces; everything that must precede a piece was done when it is yielded."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the pieces, each to be written and flushed at once.

        The head of the answer goes with the first, which is empty where nothing else is there yet.
        """

    async def abandon(self) -> None:
        """Take note that the client went away.

        2026-07-28 and GET: the upstream exchange ends. Older calls finish unseen (rule 29).
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: an edge writes the head, then `body`, bytes at once or a `Stream` by pieces."""

    status: int
    headers: Headers = ()
    body: bytes | Stream = b""
