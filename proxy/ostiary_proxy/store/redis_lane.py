"""One connection to Redis: what waits together is sent together, and answered in order.

The client library's pool takes a connection, asks about it and gives it back for each command,
which costs more than the command. It gives connections of its own and reads their answers.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Connection
from redis.exceptions import RedisError, ResponseError

__all__ = ["RedisLane"]

_BATCH: Final = 128
_LONGEST: Final = 3.0
"""Seconds for connecting, sending what waits and reading its answers."""

_Job = tuple[Sequence[Any], "asyncio.Future[Any]"]


class RedisLane:
    """Sends commands over `connection`, which is opened when needed and anew after any failure.

    Nothing is sent twice. After a failure nobody knows what of the batch was done: all are told.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: list[_Job] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, *command: Any) -> Any:
        """Return the answer; raises ResponseError where it is one, else whatever went wrong.

        A command whose caller is cancelled may be done all the same.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="store-lane")
        return await future

    async def close(self) -> None:
        """Let what waits end, and close the connection."""
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._connection.disconnect()

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            try:
                async with asyncio.timeout(_LONGEST):
                    await self._carry(batch)
            except Exception as error:  # noqa: BLE001 - it goes to the callers
                for _, future in batch:
                    _settle(future, error)
                with contextlib.suppress(Exception):  # it is gone, one way or another
                    await self._connection.disconnect(nowait=True)

    async def _carry(self, batch: Sequence[_Job]) -> None:
        await self._ready()
        packed = self._connection.pack_commands(command for command, _ in batch)
        await self._connection.send_packed_command(packed)
        for _, future in batch:
            try:
                answer = await self._connection.read_response()
            except ResponseError as error:
                answer = error
            _settle(future, answer)

    async def _ready(self) -> None:
        """Connect, also where the server ended the connection, or says what nobody asked."""
        if self._connection.is_connected:
            try:
                stale = await self._connection.can_read()
            except (RedisError, OSError):
                stale = True
            if stale:
                await self._connection.disconnect(nowait=True)
        await self._connection.connect()  # type: ignore[no-untyped-call]


def _settle(future: "asyncio.Future[Any]", answer: Any) -> None:
    if future.done():  # its caller gave up
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
