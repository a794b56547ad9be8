"""The life of a configuration: read, check, build, swap, and only then let the old one go.

It comes by a volume and by pushes, whichever is first. Whatever fails leaves the last good bundle
serving; the failure is kept for status and metrics. A revision never goes back. Requests borrow a
runtime and give it back, so that its pools live until its last stream has ended.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import structlog

from ostiary.config.bundle import newest_revision, read_bundle, unpack
from ostiary.config.document import Bundle
from ostiary.decode.fault import Fault, Faulty
from ostiary_proxy.pipeline.routes import ClosedFault
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.watched import looks

__all__ = ["Loaded", "Reloader"]

log = structlog.get_logger(__name__)
_SHARDS: Final = "bundle-*"
_NOTHING: Final = "no bundle was loaded yet"
T = TypeVar("T")
Way = Literal["volume", "push"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the proxy serves: `faults` are closed in it, `failures` keep it from newer ones."""

    revision: int
    digest: str
    failures: tuple[str, ...] = ()
    faults: tuple[ClosedFault, ...] = ()


def _shards(folder: Path) -> list[bytes]:
    """Return the shards in `folder`, none of them empty; raises Faulty where one can't be read."""
    try:
        return [path.read_bytes() for path in sorted(folder.glob(_SHARDS)) if path.stat().st_size]
    except OSError as error:
        raise Faulty(
            [Fault(path=str(folder), message=f"can't be read: {error.strerror}")]
        ) from None


def _whole(shards: list[bytes]) -> bytes | None:
    """Return the bytes in `shards`, None where they don't belong together (yet)."""
    try:
        return unpack(shards)
    except Faulty:
        return None


class Reloader:
    """Holds the runtime in force and replaces it; `swapped` is told each bundle that took over."""

    def __init__(
        self,
        build: Callable[[Bundle], Awaitable[Runtime]],
        now: Callable[[], float],
        swapped: Callable[[Bundle], None],
    ) -> None:
        self._build = build
        self._now = now
        self._swapped = swapped
        self._taking = asyncio.Condition()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._current: Runtime | None = None
        self._revision = 0
        self._pushed = b""
        self._held: int | None = None
        self._failures: dict[Way, tuple[str, ...]] = {}
        self.last_success: float | None = None
        self.refused = 0

    @property
    def current(self) -> Runtime | None:
        """Return the runtime in force; None before the first good bundle."""
        return self._current

    @property
    def loaded(self) -> Loaded:
        """Return what is in force and what is wrong with what came later."""
        failures = tuple(text for texts in self._failures.values() for text in texts)
        if self._current is None:
            return Loaded(revision=0, digest="", failures=failures or (_NOTHING,))
        return Loaded(
            revision=self._revision,
            digest=self._current.bundle.digest,
            failures=failures,
            faults=self._current.faults,
        )

    async def take(self, bundle: Bundle, way: Way = "push") -> Loaded:
        """Serve `bundle` from now on, unless what is served is newer or equal.

        Never raises: why it is not served stands in the answer's failures. One after the other.
        """
        async with self._taking:
            if bundle.revision >= self._revision:
                try:
                    await self._swap(bundle)
                except (ValueError, KeyError) as error:
                    return self._fail(way, f"the bundle can't be served: {error}")
                self._revision = bundle.revision
                self.last_success = self._now()
                self._failures.clear()
                self._taking.notify_all()
            return self.loaded

    async def _swap(self, bundle: Bundle) -> None:
        """Put `bundle` in force; one of the same digest is there already."""
        old = self._current
        if old is not None and bundle.digest == old.bundle.digest:
            return
        start = self._now()
        await self._put_in_force(bundle)
        log.info(
            "configuration loaded",
            revision=bundle.revision,
            digest=bundle.digest,
            seconds=round(self._now() - start, 3),
        )

    async def _put_in_force(self, bundle: Bundle) -> None:
        old = self._current
        self._current = await self._build(bundle)
        self._swapped(bundle)
        if old is not None:
            self._keep(old.retire())

    async def rebuild(self) -> None:
        """Build what is served once more: what it was built with beside its bundle has changed."""
        async with self._taking:
            if self._current is not None:
                await self._put_in_force(self._current.bundle)

    async def reaches(self, revision: int) -> None:
        """Return once `revision` or a newer one is served."""
        async with self._taking:
            await self._taking.wait_for(
                lambda: self._current is not None and self._revision >= revision
            )

    async def push(self, data: bytes) -> Loaded:
        """Serve the bundle in gzip JSON `data`; the bytes that were taken last cost nothing.

        Who pushes may be too busy to wait: the bundle is served all the same where they go away.
        """
        digest = hashlib.sha256(data).digest()
        if digest == self._pushed:
            self._failures.pop("push", None)
            return self.loaded
        try:
            bundle = await asyncio.to_thread(read_bundle, data)
        except Faulty as faulty:
            return self._fail("push", *(str(fault) for fault in faulty.faults))
        loaded = await asyncio.shield(self._keep(self.take(bundle)))
        if not loaded.failures:
            self._pushed = digest
        return loaded

    async def load(self, folder: Path) -> Loaded:
        """Read the folder and serve what it holds; the last good bundle stays where that fails.

        A volume follows a push by up to a minute: while it holds what is older, or shards of which
        some are, nothing is wrong. That it loses what it held is.
        """
        try:
            shards = await asyncio.to_thread(_shards, folder)
            newest = newest_revision(shards)
            data = await asyncio.to_thread(_whole if self._follows(newest) else unpack, shards)
            if self._current is not None and (newest or 0) <= self._revision:
                self._held = newest if data is not None else self._held
                self._failures.pop("volume", None)
                return self.loaded
            bundle = await asyncio.to_thread(read_bundle, data or b"")
        except Faulty as faulty:
            return self._fail("volume", *(str(fault) for fault in faulty.faults))
        self._held = newest
        return await self.take(bundle, "volume")

    def _follows(self, newest: int | None) -> bool:
        """Say whether a volume with this newest revision is only on its way to what is served."""
        if self._current is None:
            return False
        if newest is None:
            return self._held is None
        return newest <= self._revision and newest != self._held

    async def watch(self, folder: Path) -> None:
        """Load the folder now and whenever something in it changes; ends by being cancelled."""
        async for _ in looks(folder):
            await self.load(folder)

    async def close(self) -> None:
        """End what still runs, then close the runtime in force."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._current is not None:
            await self._current.close()

    def _fail(self, way: Way, *failures: str) -> Loaded:
        if failures != self._failures.get(way):
            log.error("configuration refused", way=way, failures=failures)
        self.refused += 1
        self._failures[way] = failures
        return self.loaded

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let `work` run to its end, until `close`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
