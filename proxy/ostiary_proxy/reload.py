"""The life of a configuration: read, check, build, swap, and only then let the old one go.

Whatever fails leaves the last good bundle serving; the failure is kept for status and metrics. A
revision never goes back. Requests borrow a runtime and give it back, so that its pools live until
its last stream has ended.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from watchfiles import awatch

from ostiary.config.bundle import read_bundle, unpack
from ostiary.config.document import Bundle
from ostiary.decode.fault import Fault, Faulty
from ostiary_proxy.runtime import Runtime

__all__ = ["Loaded", "Reloader", "read_folder"]

log = structlog.get_logger(__name__)
_SHARDS = "bundle-*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the proxy serves and why it serves nothing newer: the answer to a push."""

    revision: int
    digest: str
    faults: tuple[str, ...] = ()


def read_folder(folder: Path) -> Bundle:
    """Return the bundle in the shards of `folder`.

    Raises Faulty, also where files can't be read.
    """
    try:
        shards = [path.read_bytes() for path in sorted(folder.glob(_SHARDS)) if path.stat().st_size]
    except OSError as error:
        raise Faulty(
            [Fault(path=str(folder), message=f"can't be read: {error.strerror}")]
        ) from None
    return read_bundle(unpack(shards))


class Reloader:
    """Holds the runtime in force and replaces it; `swapped` is told each bundle that took over."""

    def __init__(
        self,
        build: Callable[[Bundle], Runtime],
        now: Callable[[], float],
        swapped: Callable[[Bundle], None],
    ) -> None:
        self._build = build
        self._now = now
        self._swapped = swapped
        self._lock = asyncio.Lock()
        self._retired: set[asyncio.Task[None]] = set()
        self._current: Runtime | None = None
        self._revision = 0
        self.faults: tuple[str, ...] = ("no bundle was loaded yet",)
        self.last_success: float | None = None
        self.failures = 0

    @property
    def current(self) -> Runtime | None:
        """Return the runtime in force; None before the first good bundle."""
        return self._current

    @property
    def loaded(self) -> Loaded:
        """Return what is in force and what is wrong with what came later."""
        if self._current is None:
            return Loaded(revision=0, digest="", faults=self.faults)
        digest = self._current.bundle.digest
        return Loaded(revision=self._revision, digest=digest, faults=self.faults)

    async def take(self, bundle: Bundle) -> Loaded:
        """Serve `bundle` from now on, unless it is older than or equal to what is served.

        Never raises: why it is not served stands in the answer's faults.
        """
        async with self._lock:
            if bundle.revision < self._revision:
                return self._fail(
                    f"revision {bundle.revision} is older than {self._revision}, which is served"
                )
            try:
                current = self._swap(bundle)
            except (ValueError, KeyError) as error:
                return self._fail(f"the bundle can't be served: {error}")
            self._revision = bundle.revision
            self.faults = current.faults
            self.last_success = self._now()
            return self.loaded

    def _swap(self, bundle: Bundle) -> Runtime:
        """Return the runtime in force after `bundle` came: the same one where nothing changed."""
        old = self._current
        if old is not None and bundle.digest == old.bundle.digest:
            return old
        start = self._now()
        self._current = current = self._build(bundle)
        self._swapped(bundle)
        if old is not None:
            self._retire(old)
        log.info(
            "configuration loaded",
            revision=bundle.revision,
            digest=bundle.digest,
            seconds=round(self._now() - start, 3),
        )
        return current

    async def load(self, folder: Path) -> Loaded:
        """Read the folder and serve what it holds; the last good bundle stays where that fails."""
        try:
            bundle = await asyncio.to_thread(read_folder, folder)
        except Faulty as faulty:
            return self._fail(*(str(fault) for fault in faulty.faults))
        return await self.take(bundle)

    async def watch(self, folder: Path) -> None:
        """Load the folder whenever something in it changes; ends by being cancelled.

        The folder is watched, not the files: a volume swaps a symbolic link. It is read anew every
        30 seconds too.
        """
        async for _ in awatch(
            folder, debounce=50, step=20, rust_timeout=30_000, yield_on_timeout=True, recursive=True
        ):
            await self.load(folder)

    async def close(self) -> None:
        """Let the runtime in force go, and wait for retired ones to end."""
        if self._current is not None:
            self._retire(self._current)
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)

    def _fail(self, *faults: str) -> Loaded:
        if faults != self.faults:
            log.error("configuration refused", faults=faults)
        self.failures += 1
        self.faults = faults
        return self.loaded

    def _retire(self, old: Runtime) -> None:
        task = asyncio.create_task(old.retire())
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)
