"""A thread with one SQLite connection and a queue: what waits together is done in one transaction.

Knows nothing of tables. Opens its connection when it is first needed and again after any failure,
so that a store recovers by itself once the disk does.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

from ostiary_proxy.store.port import Conflict, StoreUnavailable

__all__ = ["Act", "Lane"]

T = TypeVar("T")
Act = Callable[[sqlite3.Connection], T]
"""Runs inside a transaction and may run again where a neighbour made that one fail."""

_BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class _Job:
    act: Act[Any]
    durable: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Lane:
    """Runs acts in order, in a thread of its own, on the connection that `connect` returns.

    `begin` is the statement that opens a transaction. With `syncs`, a transaction with a durable
    act in it is on disk before anybody hears of it, and any other is handed to the kernel.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], *, name: str, begin: str, syncs: bool
    ) -> None:
        self._connect = connect
        self._begin = begin
        self._syncs = syncs
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        # A daemon, so that a store somebody forgot to close never keeps the process from ending;
        # what was acknowledged is committed, and close() waits for the rest.
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, act: Act[T], *, durable: bool = False) -> T:
        """Return what `act` returned, once committed; raises StoreUnavailable and its Conflict."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Job(act, durable, loop, future))
        return await future

    async def close(self) -> None:
        """Finish what waits and let the connection go."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            jobs, last = self._gather(first)
            _deliver(jobs, self._settle(jobs))
            if last:
                break
        self._drop()

    def _gather(self, first: _Job) -> tuple[Sequence[_Job], bool]:
        jobs = [first]
        with contextlib.suppress(Empty):
            while len(jobs) < _BATCH:
                job = self._queue.get_nowait()
                if job is None:
                    return jobs, True
                jobs.append(job)
        return jobs, False

    def _settle(self, jobs: Sequence[_Job]) -> Sequence[object]:
        """Return a result or an exception for each job.

        A failed transaction says nothing of which job is to blame (one large value on a disk that
        is nearly full fails its neighbours), so each is then tried alone.
        """
        try:
            return self._transact(jobs)
        except _NotBegun as error:
            return [_unavailable(error)] * len(jobs)
        except Exception as error:  # noqa: BLE001 - it goes to the caller, whose act it was
            if len(jobs) == 1:
                return [_unavailable(error) if isinstance(error, sqlite3.Error) else error]
        return [self._settle([job])[0] for job in jobs]

    def _transact(self, jobs: Sequence[_Job]) -> Sequence[object]:
        """Return the jobs' results, committed; raises _NotBegun, or what made it fail."""
        connection = self._start(durable=any(job.durable for job in jobs))
        try:
            results = [_attempt(job, connection) for job in jobs]
            connection.execute("COMMIT")
        except BaseException:
            self._drop()  # closing rolls back
            raise
        return results

    def _start(self, *, durable: bool) -> sqlite3.Connection:
        try:
            if self._connection is None:
                self._connection = self._connect()
            if self._syncs:
                self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._connection.execute(self._begin)
        except (sqlite3.Error, OSError) as error:
            self._drop()
            raise _NotBegun(str(error)) from error
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


class _NotBegun(Exception):  # noqa: N818 - a statement
    """No transaction could be opened, for nobody."""


def _attempt(job: _Job, connection: sqlite3.Connection) -> object:
    """Return the job's result; a Conflict, raised before anything was written, is one too."""
    try:
        return job.act(connection)
    except Conflict as conflict:
        return conflict


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"the store can't be used now: {error}")


def _deliver(jobs: Sequence[_Job], results: Sequence[object]) -> None:
    """Wake the callers, with one call into their event loop for all."""
    settled = list(zip(jobs, results, strict=True))
    for loop in {job.loop for job in jobs}:
        mine = [pair for pair in settled if pair[0].loop is loop]
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, mine)


def _resolve(settled: Sequence[tuple[_Job, object]]) -> None:
    for job, result in settled:
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
