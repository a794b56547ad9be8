"""Group commit: many writers wait for one fdatasync, which a thread does."""

import asyncio
from collections.abc import Callable
from typing import Protocol

__all__ = ["GroupSync", "Syncing"]


class Syncing(Protocol):
    """What is synced: called on the event loop, but for `sync`."""

    def sync(self) -> None:
        """Return once everything appended is on disk; blocks; raises OSError."""

    def mark(self) -> Callable[[], None]:
        """Remember what is appended now; the returned function notes that it is on disk."""

    def undo(self) -> None:
        """Take back what is not on disk: a failed sync may have lost any of it."""


class GroupSync:
    """Lets writers wait until what they appended is on disk."""

    def __init__(self, target: Syncing) -> None:
        self._target = target
        self._waiting: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Say whether somebody waits."""
        return self._task is not None

    async def wait(self) -> None:
        """Return once everything appended before this call is on disk; raises OSError."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="audit-sync")
        await future

    async def drain(self) -> None:
        """Return once nobody waits."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            on_disk = self._target.mark()
            try:
                await asyncio.to_thread(self._target.sync)
                on_disk()
                outcome = None
            except OSError as error:
                # Whoever appended meanwhile stands behind what may be lost, so all are told.
                batch, self._waiting = batch + self._waiting, []
                self._target.undo()
                outcome = error
            _tell(batch, outcome)
        self._task = None


def _tell(waiting: list[asyncio.Future[None]], error: OSError | None) -> None:
    for future in waiting:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(OSError(error.errno, error.strerror))
