"""Processes that `ostiary dev` runs.

Each says in a file when it serves, and none outlives its parent.
"""

import asyncio
import contextlib
import ctypes
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["Child", "ChildFailed"]

_PR_SET_PDEATHSIG = 1
_STEP = 0.02


class ChildFailed(Exception):  # noqa: N818 - a statement
    """The process ended, or did not say in time that it serves.

    The message has the end of its log.
    """


class Child:
    """One running process; what it writes goes to `log`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    @classmethod
    async def start(
        cls, name: str, arguments: Sequence[str], *, log: Path, ready: Path, wait: float = 30
    ) -> tuple["Child", dict[str, Any]]:
        """Start `python -m …` and return it with what it wrote to `ready`; raises ChildFailed."""
        ready.unlink(missing_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        child = cls(name, process, log)
        try:
            async with asyncio.timeout(wait):
                return child, await child._until(ready)
        except TimeoutError:
            await child.stop()
            raise ChildFailed(f"{name} did not start in {wait:.0f} s\n{child.tail()}") from None

    async def stop(self, grace: float = 10) -> None:
        """Ask it to end, and end it after `grace` seconds."""
        if self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), grace)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    def tail(self, lines: int = 12) -> str:
        """Return the last lines of its log."""
        try:
            text = self._log.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    async def _until(self, ready: Path) -> dict[str, Any]:
        """Return the ready file once it is whole; it is renamed into place."""
        while not ready.exists():
            if self.process.returncode is not None:
                raise ChildFailed(f"{self.name} ended at once\n{self.tail()}")
            await asyncio.sleep(_STEP)
        said: dict[str, Any] = json.loads(ready.read_text())
        return said


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
