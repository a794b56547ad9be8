"""Wakes by publish/subscribe in Redis; a message that is lost costs at most two seconds."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.store.redis_server import RedisServer

__all__ = ["RedisWakes"]

_AGAIN: Final = 1.0
"""Seconds between two attempts to subscribe."""


class RedisWakes:
    """Wakes among the replicas of `gateway` on `server`, which its owner closes afterwards."""

    def __init__(self, server: RedisServer, gateway: str) -> None:
        self._server = server
        self._channel = f"ostiary:{{{gateway}}}:wake"
        self._heard: Callable[[], None] = lambda: None
        self._task: asyncio.Task[None] | None = None

    def listen(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._task = asyncio.create_task(self._follow(), name="store-wakes")

    async def publish(self) -> None:
        self._heard()
        with contextlib.suppress(StoreUnavailable):
            await self._server.publish(self._channel, "")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(Exception):  # whatever broke it: it is tried again
                await self._hear()
            await asyncio.sleep(_AGAIN)

    async def _hear(self) -> None:
        """Hear until the connection breaks.

        The confirmation of the subscription counts too: something may have been said before it.
        """
        async with self._server.pubsub() as channel:
            await channel.subscribe(self._channel)
            async for _ in channel.listen():
                self._heard()
