"""The streams that are open now, so that a reload or a revocation reaches each of them at once.

One `Streams` lives as long as the process; every `Live` refers to the same one.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

__all__ = ["Judged", "Streams"]


class Judged(Protocol):
    """A stream that can be told to judge its original request again."""

    def wake(self) -> None:
        """Judge again soon; never blocks."""


class Streams:
    """Keeps open streams and the calls that finish after their client went away.

    `leaving` says that the process ends: streams that would listen for ever end too.
    """

    __slots__ = ("_calls", "_heeding", "_open", "leaving")

    def __init__(self) -> None:
        self.leaving = False
        self._open: set[Judged] = set()
        self._heeding: list[Judged] = []
        self._calls: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, stream: Judged) -> None:
        """Remember `stream` until `closed`."""
        self._open.add(stream)

    def closed(self, stream: Judged) -> None:
        """Forget `stream`."""
        self._open.discard(stream)

    def heed(self, other: Judged) -> None:
        """Let `other`, which is no stream, judge itself again too, as long as the process lives."""
        self._heeding.append(other)

    def wake(self) -> None:
        """Let every open stream judge itself again: policy, identity or a grant changed."""
        for stream in (*self._open, *self._heeding):
            stream.wake()

    def leave(self) -> None:
        """Let listening streams end, so that their clients come back to another replica."""
        self.leaving = True
        self.wake()

    def adopt(self, call: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> asyncio.Task[Any]:
        """Let `call` run to its end although nobody waits for it."""
        task = asyncio.ensure_future(call)
        self._calls.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved: what went wrong stands in the call's own outcome record

    async def settle(self, seconds: float) -> None:
        """Wait up to `seconds` for adopted calls, then cancel the rest: the end of the process."""
        if self._calls:
            _, late = await asyncio.wait(tuple(self._calls), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
