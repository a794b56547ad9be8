"""Servers that let a whole wait pass: the next answer made of several waits for them only briefly.

Each question still goes to them, for the silence may have been one person's alone, and whatever is
answered to anybody ends it. One question at a time goes on unheard, so that a slow answer counts.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from ostiary_proxy.refused import Refused

__all__ = ["PATIENCE", "Silence"]

T = TypeVar("T")
PATIENCE: Final = 20.0
"""Seconds that a joined answer waits for one server: clients wait about three times as long."""
_BRIEF: Final = 1.0
"""Seconds that a joined answer waits for a server that was silent."""
_LONG: Final = 5.0
"""Seconds after which a client that goes away has waited for a silent server, for all we know."""


class Silence:
    """The silent servers, by key. One lives as long as the process."""

    __slots__ = ("_silent", "_unheard")

    def __init__(self) -> None:
        self._silent: set[str] = set()
        self._unheard: dict[str, asyncio.Task[Any]] = {}

    def __contains__(self, server: str) -> bool:
        return server in self._silent

    def patience(self, server: str) -> float:
        """Return how many seconds to wait for a server."""
        return _BRIEF if server in self._silent else PATIENCE

    async def hear(self, server: str, question: Coroutine[Any, Any, T]) -> T:
        """Return the answer to a question that ends by itself; raises Refused."""
        asking = asyncio.ensure_future(self._noted(server, question))
        try:
            await asyncio.wait((asking,), timeout=_BRIEF if server in self._silent else None)
        except asyncio.CancelledError:
            asking.cancel()
            raise
        if asking.done():
            return asking.result()
        self._leave(server, asking)
        raise Refused("UpstreamTimeout", detail="it was silent before")

    async def _noted(self, server: str, question: Coroutine[Any, Any, T]) -> T:
        began = asyncio.get_running_loop().time()
        try:
            answer = await question
        except asyncio.CancelledError:
            if asyncio.get_running_loop().time() - began >= _LONG:
                self._silent.add(server)
            raise
        except Refused as refused:
            if refused.code == "UpstreamTimeout":
                self._silent.add(server)
            else:
                self._silent.discard(server)
            raise
        self._silent.discard(server)
        return answer

    def _leave(self, server: str, asking: asyncio.Task[Any]) -> None:
        """Let a question go on unless another one does."""
        if server in self._unheard:
            asking.cancel()
            return
        self._unheard[server] = asking
        asking.add_done_callback(lambda _: self._unheard.pop(server))
        asking.add_done_callback(_retrieved)


def _retrieved(asking: asyncio.Task[Any]) -> None:
    if not asking.cancelled():
        asking.exception()  # nobody else hears of it
