"""The files of the log: appended to whole lines at a time, cut into segments, mended after a crash.

Segments are called `audit-<sequence of the first record>.jsonl`, so that their names sort in order.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_proxy.audit.chain import START, Head
from ostiary_proxy.audit.line import Line, Malformed, parse

__all__ = ["Segments", "Tail", "Torn", "segment_paths", "whole_lines"]

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """What stood after the last whole line, and was set aside in `file`."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """How a log ends: its head, the bytes of its last segment, and what was torn off."""

    head: Head
    raw: bytes
    torn: Sequence[Torn]


def segment_paths(folder: Path) -> Sequence[Path]:
    """Return the segments in `folder`, oldest first."""
    return sorted(folder.glob("audit-*.jsonl"))


class Segments:
    """The folder of segments, held by one process. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        """Create the folder and hold it; raises BlockingIOError where another process does."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._file = -1
        self._torn_at: int | None = None
        self.size = 0
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise

    def recover(self, boot: str) -> Tail:
        """Return how the log ends, and open its last segment for appending.

        What is no whole line at the end (a crash cut it) is moved to a file beside the segment.
        """
        torn: list[Torn] = []
        for path in reversed(segment_paths(self._folder)):
            raw = path.read_bytes()
            last, end = _last_whole(raw)
            if end < len(raw):
                torn.append(_set_aside(path, raw, end, boot))
            if last is not None:
                self._append_to(path)
                head = Head(int(last.body["sequence"]), last.hash)
                return Tail(head=head, raw=raw[:end], torn=torn)
        return Tail(head=START, raw=b"", torn=torn)

    def begin(self, sequence: int) -> None:
        """Append from now on to a new segment whose first record has this number."""
        self._append_to(self._folder / f"audit-{sequence:016d}.jsonl")
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def append(self, line: bytes) -> None:
        """Hand the whole line to the kernel, or leave the file as it was."""
        self._mend()
        try:
            written = os.write(self._file, line)
            if written != len(line):  # the disk filled up, or a signal came between
                written += os.write(self._file, line[written:])
            if written != len(line):
                raise OSError(errno.ENOSPC, "the line was written in part")
        except OSError:
            self.cut(self.size)
            raise
        self.size += len(line)

    def cut(self, size: int) -> None:
        """Take back what was appended after `size`; where that fails, before the next append."""
        self._torn_at = self.size = size
        with contextlib.suppress(OSError):
            self._mend()

    def gone(self) -> bool:
        """Say whether somebody deleted the segment, or wrote to it beside us."""
        status = os.fstat(self._file)
        return status.st_nlink == 0 or (self._torn_at is None and status.st_size != self.size)

    def sync(self) -> None:
        """Return once everything appended is on disk."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Let go of the folder."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def _append_to(self, path: Path) -> None:
        opened = os.open(path, _FLAGS, 0o600)
        os.fchmod(opened, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._torn_at = opened, None
        self.size = os.fstat(opened).st_size

    def _mend(self) -> None:
        if self._torn_at is not None:
            os.ftruncate(self._file, self._torn_at)
            self._torn_at = None


def whole_lines(raw: bytes) -> Iterator[Line]:
    """Iterate over the lines of a segment that are whole and say the truth of themselves."""
    for piece in raw.split(b"\n"):
        line = _whole(piece)
        if line is not None:
            yield line


def _last_whole(raw: bytes) -> tuple[Line | None, int]:
    """Return the last whole line, if any, and where it ends."""
    end = raw.rfind(b"\n") + 1
    while end > 0:
        start = raw.rfind(b"\n", 0, end - 1) + 1
        line = _whole(raw[start : end - 1])
        if line is not None:
            return line, end
        end = start
    return None, 0


def _whole(piece: bytes) -> Line | None:
    try:
        line = parse(piece)
    except Malformed:
        return None
    return line if line.own_hash == line.hash and _numbered(line) else None


def _numbered(line: Line) -> bool:
    return isinstance(line.body["sequence"], int) and line.body["sequence"] > 0


def _set_aside(path: Path, raw: bytes, end: int, boot: str) -> Torn:
    aside = path.with_name(f"{path.name}.torn-{boot}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw[end:])
        file.flush()
        os.fsync(descriptor)
    os.truncate(path, end)
    digest = hashlib.sha256(raw[end:]).hexdigest()
    return Torn(file=aside.name, bytes=len(raw) - end, sha256=digest)
