"""A log, its keys, and its bytes, for the tests of the audit trail."""

import hashlib
import itertools
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ostiary.config.keys import KeyDocument
from ostiary.crypto.rings import Rings
from ostiary_proxy.audit.checkpoint import checkpoint_paths
from ostiary_proxy.audit.line import Line, parse
from ostiary_proxy.audit.log import ChainedLog, LogSettings
from ostiary_proxy.audit.record import Kind, Record
from ostiary_proxy.audit.segment import segment_paths
from ostiary_proxy.audit.verify import Report, verify

NOW = 1_800_000_000.0


def counting_entropy() -> Callable[[int], bytes]:
    """Return bytes that differ from call to call and are the same in each run."""
    numbers = itertools.count(1)
    return lambda size: hashlib.shake_256(next(numbers).to_bytes(8, "big")).digest(size)


RINGS = KeyDocument.generate(counting_entropy()).rings()


@dataclass
class Place:
    """A folder with a log and its checkpoints; `open` may be called again and again."""

    folder: Path
    rings: Rings = RINGS
    now: float = NOW
    entropy: Callable[[int], bytes] = field(default_factory=counting_entropy)

    @property
    def audit(self) -> Path:
        return self.folder / "audit"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "keys" / "checkpoints"

    def start(self, **settings: Any) -> Any:
        """Return the coroutine that opens the log."""
        chosen = {
            "folder": self.audit,
            "checkpoints": self.checkpoints,
            "gateway": "default/dev",
            **settings,
        }
        return ChainedLog.open(
            LogSettings(**chosen), self.rings, clock=lambda: self.now, entropy=self.entropy
        )

    @asynccontextmanager
    async def open(self, **settings: Any) -> AsyncIterator[ChainedLog]:
        log = await self.start(**settings)
        try:
            yield log
        finally:
            await log.close()

    def segments(self) -> list[tuple[str, bytes]]:
        return [(path.name, path.read_bytes()) for path in segment_paths(self.audit)]

    def raw_lines(self) -> list[bytes]:
        return [line for _, raw in self.segments() for line in raw.splitlines(keepends=True)]

    def lines(self) -> list[Line]:
        return [parse(raw) for raw in self.raw_lines()]

    def facts(self) -> list[dict[str, Any]]:
        return [{"kind": line.body["kind"], **line.body["facts"]} for line in self.lines()]

    def verify(self, **changed: Any) -> Report:
        given: dict[str, Any] = {
            "checkpoints": [(p.name, p.read_bytes()) for p in checkpoint_paths(self.checkpoints)],
            "keys": [key.public_key() for key in self.rings.audit],
            **changed,
        }
        return verify(given.pop("segments", self.segments()), **given)


def crash(log: ChainedLog) -> None:
    """Let go of the files as a killed process does: nothing more is written."""
    if log._task is not None:
        log._task.cancel()
    log._release()


def decision(name: str, **changed: Any) -> Record:
    given: dict[str, Any] = {
        "id": name,
        "kind": Kind.DECISION,
        "at": NOW,
        "facts": {"decision": "allow", "method": "tools/call", "name": "search"},
        **changed,
    }
    return Record(**given)


def outcome(name: str, **facts: Any) -> Record:
    return Record(id=name, kind=Kind.OUTCOME, at=NOW, facts={"outcome": "ok", **facts})


@contextmanager
def full_disk(beyond: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes: writes fall short, then fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
