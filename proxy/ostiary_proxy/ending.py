"""How a process is asked to end: once, and it finishes what runs; a second time, at once."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final

__all__ = ["UNUSABLE", "Ending"]

UNUSABLE: Final = 2
"""Exit code where the process can't start with what it was given."""


class Ending:
    """Remembers that SIGTERM or SIGINT came, or that going on makes no sense."""

    __slots__ = ("_asked", "_at_once", "exit_code")

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._at_once = asyncio.Event()
        self.exit_code = 0

    def __bool__(self) -> bool:
        """Say whether the process was asked to end."""
        return self._asked.is_set()

    def listen(self) -> None:
        """Take SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.ask)

    def ask(self) -> None:
        """Ask to end, or not to wait any more."""
        (self._at_once if self else self._asked).set()

    def fail(self, exit_code: int) -> None:
        """Ask to end with `exit_code`, for a reason that was logged."""
        self.exit_code = exit_code
        self._asked.set()

    async def wait(self) -> None:
        """Return once the process was asked to end."""
        await self._asked.wait()

    async def unless_at_once(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, and leave it where the process is asked a second time."""
        tasks = (asyncio.create_task(work), asyncio.create_task(self._at_once.wait()))
        _, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
