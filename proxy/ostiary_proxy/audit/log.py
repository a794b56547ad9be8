"""The audit log of one process: every record one line of a hash chain (decisions 16 to 18).

With durability Process a record is handed to the kernel by one write(2) on the event loop: an
append to the page cache takes a few microseconds, less than a hop to a thread would, and survives
the death of the process. With Disk the writer also waits for an fdatasync shared by all who wait.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from ostiary.crypto.rings import Rings
from ostiary.crypto.seal import Entropy
from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.arguments import Mode
from ostiary_proxy.audit.chain import START, Head, Scribe, Tokens, fresh_salts
from ostiary_proxy.audit.checkpoint import Checkpoint, CheckpointFolder, key_id
from ostiary_proxy.audit.group_sync import GroupSync
from ostiary_proxy.audit.record import AuditUnavailable, Kind, Record
from ostiary_proxy.audit.segment import Segments, Tail, whole_lines
from ostiary_proxy.audit.sink import Sink

__all__ = ["ChainedLog", "Clock", "LogSettings"]

Clock = Callable[[], float]
"""Returns the time now in epoch seconds."""
Durability = Literal["Process", "Disk"]

_CHECKPOINT_RECORDS: Final = 1000
_MOST_OPEN: Final = 10_000
_CLEAN_END: Final = b'"facts":{"event":"stopped"}'
_LAST_LINE: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How and where one log is kept; `gateway` is its `namespace/name`.

    `checkpoints` should lie in another place than `folder`: who can change one should not be able
    to change the other. A segment ends at `segment_bytes`; a checkpoint is signed after 1,000
    records or `checkpoint_seconds`. `sinks` get each line too, of records and of checkpoints; a
    record counts as written once they have it.
    """

    folder: Path
    checkpoints: Path
    gateway: str
    arguments: Mode = "Redacted"
    durability: Durability = "Process"
    segment_bytes: int = 16 * 1024 * 1024
    checkpoint_seconds: float = 10.0
    sinks: tuple[Sink, ...] = ()


class ChainedLog:
    """An AuditLog in files. Made by `open`, ended by `close`; used on one event loop."""

    def __init__(self, settings: LogSettings, rings: Rings, clock: Clock, entropy: Entropy) -> None:
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._scribe = Scribe(
            gateway=settings.gateway,
            boot=entropy(8).hex(),
            mode=settings.arguments,
            tokens=Tokens(rings.seal.keyed_hash),
            salts=fresh_salts(entropy),
        )
        self._checkpoints = CheckpointFolder(settings.checkpoints, rings.audit)
        self._segments: Segments | None = None
        # `_safe` is the last record that somebody relies on: as durability asks, on disk or not.
        self._head = self._safe = self._anchor = START
        self._safe_size = self._segment = 0
        self._open: dict[str, None] = {}
        self._sync = GroupSync(self)
        self._due = asyncio.Event()
        self._anchoring = asyncio.Lock()
        self._anchor_failed = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, settings: LogSettings, rings: Rings, *, clock: Clock, entropy: Entropy
    ) -> "ChainedLog":
        """Return the log, continued where the last process left it.

        Writes what it found: a torn end, records that a checkpoint vouches for and that are not
        there, decisions whose outcome nobody will ever know. Raises AuditUnavailable, also where
        another process holds the folder.
        """
        log = cls(settings, rings, clock, entropy)
        try:
            tail, anchor = await asyncio.to_thread(log._recover)
            await log._continue(tail, anchor)
        except BlockingIOError:
            raise AuditUnavailable(
                f"another process writes the audit log in {settings.folder}; stop it first"
            ) from None
        except OSError as error:
            log._release()
            raise _unavailable(settings, error) from error
        except AuditUnavailable:
            log._release()
            raise
        log._task = asyncio.create_task(log._keep_checkpoints(), name="audit-checkpoints")
        return log

    @property
    def head(self) -> Head:
        """Return the newest record, to be noted down elsewhere as an anchor."""
        return self._head

    def keep(
        self, *, arguments: Mode, durability: Durability, sinks: tuple[Sink, ...] = ()
    ) -> None:
        """Write what comes from now on in another way, and note that in the log."""
        changed = replace(self._settings, arguments=arguments, durability=durability, sinks=sinks)
        if changed == self._settings:
            return
        self._settings = changed
        self._scribe = replace(self._scribe, mode=arguments)
        with contextlib.suppress(OSError):  # the next record that can't be written is refused
            self._append(self._system("settings", arguments=arguments, durability=durability))

    async def rekey(self, rings: Rings) -> None:
        """Go on with other keys; a checkpoint that an old one signed vouches for the new ones."""
        names = [key_id(key.public_key()) for key in rings.audit]
        with contextlib.suppress(OSError):  # as above
            self._append(self._system("keys", audit=",".join(names)))
        await self.checkpoint()
        async with self._anchoring:
            self._checkpoints = CheckpointFolder(self._settings.checkpoints, rings.audit)
            self._scribe = replace(self._scribe, tokens=Tokens(rings.seal.keyed_hash))
            with contextlib.suppress(OSError):  # whoever verifies asks for the key that is missing
                await asyncio.to_thread(self._checkpoints.publish)

    async def write(self, record: Record) -> None:
        """Write `record`; raises AuditUnavailable, and TypeError where it can't be JSON."""
        try:
            self._append(record)
            if self._on_disk:
                await self._sync.wait()
        except OSError as error:
            self._forget(record)
            raise _unavailable(self._settings, error) from error

    async def checkpoint(self) -> None:
        """Sign how far the chain has come, where it has moved since the last time.

        A checkpoint that can't be kept stops no request: it is recorded once, and tried again.
        """
        async with self._anchoring:
            head = self._safe
            if head.sequence <= self._anchor.sequence:
                return
            statement = Checkpoint(
                at=round(self._clock(), 3),
                boot=self._scribe.boot,
                gateway=self._settings.gateway,
                head=head,
            )
            try:
                line = await asyncio.to_thread(self._checkpoints.keep, statement)
                self._tell(line)
            except OSError as error:
                await self._note_failed_anchor(error)
                return
            self._anchor, self._anchor_failed = head, False

    async def close(self) -> None:
        """Write the end, sync, and sign the last checkpoint; no write may follow."""
        if self._segments is None:
            return
        self._closing = True
        self._due.set()
        if self._task is not None:
            await self._task
        try:
            await self._close_open("the process ended")
            await self.write(self._system("stopped"))
            await asyncio.to_thread(self.sync)
            await self.checkpoint()
        except OSError as error:
            raise _unavailable(self._settings, error) from error
        finally:
            await self._sync.drain()
            self._release()

    # What GroupSync asks of the log.

    def sync(self) -> None:
        """Return once everything appended is on disk; blocks; raises OSError."""
        self._files.sync()

    def mark(self) -> Callable[[], None]:
        """Remember the head of now; the returned function notes that it is on disk."""
        head, files, segment = self._head, self._files, self._segment
        size = files.size

        def on_disk() -> None:
            if self._segment != segment or head.sequence < self._safe.sequence:
                return
            self._safe, self._safe_size = head, size
            if files.size >= self._settings.segment_bytes:
                files.sync()  # the few records that came meanwhile must not stay behind
                self._safe, self._safe_size = self._head, files.size
                with contextlib.suppress(OSError):
                    self._rotate()

        return on_disk

    def undo(self) -> None:
        """Forget the records that nobody may rely on; each of their writers is told."""
        self._files.cut(self._safe_size)
        self._head = self._safe

    # The chain.

    @property
    def _on_disk(self) -> bool:
        return self._settings.durability == "Disk"

    @property
    def _files(self) -> Segments:
        if self._segments is None:
            raise AuditUnavailable("the audit log is closed")
        return self._segments

    def _append(self, record: Record) -> None:
        files = self._files
        if files.gone():
            self._rotate()
        line, head = self._scribe.line(record, self._head)
        self._put(line)
        self._head = head
        self._remember(record)
        behind = head.sequence - self._anchor.sequence
        if behind >= _CHECKPOINT_RECORDS and not self._anchor_failed:
            self._due.set()
        if self._on_disk:
            return
        if files.size >= self._settings.segment_bytes and not self._sync.busy:
            with contextlib.suppress(OSError):  # no room for another file: this one grows on
                self._rotate()
        self._safe, self._safe_size = self._head, files.size

    def _put(self, line: bytes) -> None:
        """Append the line and tell the sinks, or leave the file as it was."""
        size = self._files.size
        self._files.append(line)
        try:
            self._tell(line)
        except OSError:
            self._files.cut(size)
            raise

    def _tell(self, line: bytes) -> None:
        for sink in self._settings.sinks:
            sink(line)

    def _remember(self, record: Record) -> None:
        if record.kind is Kind.DECISION and record.facts.get("decision") != "deny":
            self._open[record.id] = None
            if len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]
        elif record.kind is Kind.OUTCOME:
            self._open.pop(record.id, None)

    def _forget(self, record: Record) -> None:
        """Undo `_remember` for a record that was not written: what was open stays open."""
        if record.kind is Kind.DECISION:
            self._open.pop(record.id, None)
        elif record.kind is Kind.OUTCOME:
            self._open[record.id] = None

    def _rotate(self) -> None:
        """Begin a segment; it names the decisions still open, so that a restart reads only it."""
        self._files.begin(self._head.sequence + 1)
        self._segment += 1
        self._safe_size = 0
        record = self._system("segment", open=list(self._open))
        line, head = self._scribe.line(record, self._head)
        self._put(line)
        self._head = head

    def _system(self, event: str, **facts: Json) -> Record:
        return Record(
            id=self._entropy(8).hex(),
            kind=Kind.SYSTEM,
            at=self._clock(),
            facts={"event": event, **facts},
        )

    # Start and end.

    def _recover(self) -> tuple[Tail, Head]:
        """Read how the log ends and what the last checkpoint says; blocks; raises OSError."""
        self._segments = Segments(self._settings.folder)
        tail = self._segments.recover(self._scribe.boot)
        self._checkpoints.publish()
        latest = self._checkpoints.latest(self._settings.gateway)
        return tail, latest.head if latest else START

    async def _continue(self, tail: Tail, anchor: Head) -> None:
        """Go on after `tail`, never with a number that the chain had before."""
        lost: Mapping[str, Json] = {}
        self._anchor = tail.head
        if anchor.sequence > tail.head.sequence:
            lost = {
                "lost": {
                    "from": tail.head.sequence + 1,
                    "to": anchor.sequence,
                    "anchor": anchor.hash,
                }
            }
        self._head = Head(max(tail.head.sequence, anchor.sequence), tail.head.hash)
        if lost or not tail.raw:
            self._files.begin(self._head.sequence + 1)
        self._safe, self._safe_size = self._head, self._files.size
        self._open = _open_decisions(tail.raw)
        if tail.raw:
            # The last process may have died between the file and the sinks.
            self._tell(tail.raw[tail.raw.rfind(b"\n", 0, -1) + 1 :])
        torn: list[Json] = [
            {"file": one.file, "bytes": one.bytes, "sha256": one.sha256} for one in tail.torn
        ]
        await self.write(self._system("started", torn=torn, unfinished=len(self._open), **lost))
        await self._close_open("the process ended before the outcome")
        await self.checkpoint()

    async def _close_open(self, why: str) -> None:
        for name in list(self._open):
            facts: Mapping[str, Json] = {"outcome": "unknown", "why": why}
            await self.write(Record(id=name, kind=Kind.OUTCOME, at=self._clock(), facts=facts))

    async def _keep_checkpoints(self) -> None:
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.checkpoint_seconds):
                    await self._due.wait()
            self._due.clear()
            await self.checkpoint()

    async def _note_failed_anchor(self, error: OSError) -> None:
        if self._anchor_failed:
            return
        self._anchor_failed = True
        with contextlib.suppress(AuditUnavailable):
            await self.write(self._system("checkpoint-failed", why=str(error.strerror)))

    def _release(self) -> None:
        segments, self._segments = self._segments, None
        if segments is not None:
            segments.close()


def _open_decisions(segment: bytes) -> dict[str, None]:
    """Return the ids of decisions in a segment whose outcome is not there, in order."""
    found: dict[str, None] = {}
    if _CLEAN_END in segment[-_LAST_LINE:]:
        return found  # nothing to look for, and a large segment takes a while
    for line in whole_lines(segment):
        body = line.body
        if body["kind"] == Kind.SYSTEM and body["facts"].get("event") == "segment":
            found = dict.fromkeys(body["facts"]["open"])
        elif body["kind"] == Kind.DECISION and body["facts"].get("decision") != "deny":
            found[body["id"]] = None
        elif body["kind"] == Kind.OUTCOME:
            found.pop(body["id"], None)
    return found


def _unavailable(settings: LogSettings, error: OSError) -> AuditUnavailable:
    return AuditUnavailable(f"the audit log in {settings.folder} can't be written: {error}")
