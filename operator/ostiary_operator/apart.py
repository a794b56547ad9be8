"""An event loop in a thread of its own, for what must not wait until ours has time."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

__all__ = ["Apart"]

T = TypeVar("T")


class Apart:
    """Runs coroutines there while the context lasts; objects made there have to be used there."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="apart", daemon=True)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` comes to; cancelling this cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def __aenter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it; what still runs there is not waited for."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()
