"""Wakes by publish/subscribe in Redis; a revocation that is lost costs at most two seconds."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

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
        self._heard: Callable[[str], None] = lambda _: None
        self._task: asyncio.Task[None] | None = None

    def listen(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._task = asyncio.create_task(self._follow(), name="store-wakes")

    async def publish(self, word: str = "") -> None:
        self._heard(word)
        with contextlib.suppress(StoreUnavailable):
            await self._server.publish(self._channel, word)

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
            async for said in channel.listen():
                self._heard(_word(said))


def _word(said: Mapping[str, Any]) -> str:
    if said["type"] != "message":
        return ""
    data = said["data"]
    return data if isinstance(data, str) else bytes(data).decode(errors="replace")
