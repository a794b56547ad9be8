"""What is kept for clients of 2026-07-28 in front of legacy servers, as long as the process lives.

Sessions, which such a client knows nothing of, and calls that wait for what their server asked.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from ostiary_proxy.mcp.bridge.to_legacy import noticed
from ostiary_proxy.pipeline.bridge.older.held import Held
from ostiary_proxy.pipeline.streams import Streams

if TYPE_CHECKING:  # they hold requests, which hold the Live, which holds this
    from ostiary_proxy.pipeline.bridge.older.parked import Parked
    from ostiary_proxy.pipeline.bridge.older.session import Opened
    from ostiary_proxy.pipeline.bridge.older.task import TaskHeld

__all__ = ["PATIENCE", "Older"]

_IDLE: Final = 300.0
"""Seconds after its last use that a session is ended."""
_TASK: Final = 3600.0
"""Seconds that a session stays open for a task that nobody asks about."""
PATIENCE: Final = 600.0
"""Seconds that a call waits for what its server asked the client."""


class Older:
    """Bounded for each person and in all.

    `replica` tells this one from others, to which `tell` carries words.
    """

    def __init__(self, streams: Streams, replica: str, *, tell: Callable[[str], None]) -> None:
        self.replica = replica
        self._tell = tell
        self.sessions: Held[Opened] = Held(streams, seconds=_IDLE, each=16, most=4096)
        self.parked: Held[Parked] = Held(streams, seconds=PATIENCE, each=16, most=1024)
        self.tasks: Held[TaskHeld] = Held(streams, seconds=_TASK, each=64, most=4096)
        self._streams = streams
        self._opening: dict[str, asyncio.Task[Opened]] = {}

    async def once(self, key: str, opens: "Callable[[], Coroutine[Any, Any, Opened]]") -> "Opened":
        """Return what `opens` returns, which runs once for all who ask for `key` meanwhile.

        It runs to its end: a session that nobody knows of could never be ended.
        """
        task = self._opening.get(key)
        if task is None:
            task = self._opening[key] = self._streams.adopt(opens())
            task.add_done_callback(lambda _: self._opening.pop(key, None))
        return await asyncio.shield(task)

    def changed(self, key: str, method: str) -> None:
        """Let other replicas know that the session at `key` was told of a change.

        Each has a session of its own there, and many servers tell only the one that they changed
        something for.
        """
        self._tell(f"{self.replica} {key} {method}")

    def hear(self, word: str) -> None:
        """Take note of what another replica was told."""
        replica, _, change = word.partition(" ")
        key, _, method = change.partition(" ")
        session = self.sessions.get(key)
        if replica != self.replica and session is not None and session.ear is not None:
            session.ear.hand(noticed(method, {}))
