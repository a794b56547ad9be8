"""Whether what is served is current, as far as the operator says.

A container that starts again finds what its volume holds, which may be a minute old. So it asks,
waits a moment for what is newer, and then serves what it has, saying that nobody confirmed it: an
operator that is away must not keep a gateway from starting.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from ostiary_proxy.reload import Reloader

__all__ = ["Confirmation"]

log = structlog.get_logger(__name__)
_PATIENCE: Final = 3.0
"""Seconds at a start for the answer and for the revision that it names."""
_STEP: Final = 0.2
_AGAIN: Final = 5.0
"""Seconds between two questions while nothing is confirmed."""


class Confirmation:
    """Asks by `ask`, which returns None where nobody answers. Without `ask` all is confirmed.

    `settled` says that the start need not wait any more.
    """

    def __init__(self, ask: Callable[[], Awaitable[int | None]] | None, reloader: Reloader) -> None:
        self._ask = ask
        self._reloader = reloader
        self._named: int | None = None
        self.settled = ask is None

    @property
    def confirmed(self) -> bool:
        """Say whether what is served is the revision that the operator named last, or newer."""
        if self._ask is None:
            return True
        return self._named is not None and self._reloader.loaded.revision >= self._named

    def hear(self, revision: int) -> None:
        """Take note that the operator sent `revision`: nothing older is current."""
        self._named = revision

    async def follow(self) -> None:
        """Settle the start, then ask on until something is confirmed; ends by itself."""
        if self._ask is None:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._settle(self._ask)
        except TimeoutError:
            log.warning("configuration not confirmed", named=self._named)
        self.settled = True
        while not self.confirmed:
            await asyncio.sleep(_AGAIN)
            named = await self._ask()
            self._named = self._named if named is None else named

    async def _settle(self, ask: Callable[[], Awaitable[int | None]]) -> None:
        while self._named is None:
            named = await ask()
            if named is None:
                await asyncio.sleep(_STEP)
            elif self._named is None:
                self._named = named
        await self._reloader.reaches(self._named)
