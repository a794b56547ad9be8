"""The offline verifier: pure over bytes, so that it runs anywhere the log was carried.

What the chain alone proves: nothing was changed, left out, added or moved by somebody who did not
compute all later hashes anew. Anchors (signed checkpoints, heads noted outside) prove the rest, up
to the last of them; what follows can have been rewritten, and the report says how much that is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ostiary_proxy.audit.chain import START, Head
from ostiary_proxy.audit.checkpoint import CheckpointInvalid, read_checkpoint
from ostiary_proxy.audit.line import Line, Malformed, parse

__all__ = ["Finding", "Place", "Report", "verify", "verify_lines"]

Place = tuple[str, int]
"""A file and a line in it, from 1."""
_MOST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong: `code` is a stable word, `line` counts from 1 in `file`."""

    code: str
    message: str
    file: str = ""
    line: int | None = None
    sequence: int | None = None

    def __str__(self) -> str:
        """Return `file:line: record n: code: message` with the parts that are known."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        record = f"record {self.sequence}" if self.sequence is not None else ""
        return ": ".join(part for part in (place, record, self.code, self.message) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a verification found; at most 100 findings are kept, `more` counts the others.

    `anchored` is the last record that an anchor vouches for, None without any anchor. `erased`
    counts values that were detached from their record, which is allowed.
    """

    records: int
    first: int | None
    head: Head
    anchors: int
    anchored: int | None
    erased: int
    findings: tuple[Finding, ...]
    more: int

    @property
    def after(self) -> int:
        """Return how many records follow the last anchor: they could have been rewritten."""
        return self.head.sequence - (self.anchored or 0)

    @property
    def exit_code(self) -> int:
        """Return 1 with findings, 3 where nothing anchors the log, else 0."""
        if self.findings:
            return 1
        return 3 if self.anchored is None else 0


def verify(
    segments: Iterable[tuple[str, bytes]],
    *,
    checkpoints: Iterable[tuple[str, bytes]] = (),
    keys: Sequence[Ed25519PublicKey] = (),
    heads: Sequence[str] = (),
    since: int = 1,
) -> Report:
    """Return what is wrong with a log, given its segments (name and bytes) in order.

    `checkpoints` are the files of checkpoints, `keys` the public keys that may sign them, `heads`
    hashes of records that were noted outside. `since` is the first record that is expected: more
    than 1 where older segments were put away.
    """
    return verify_lines(
        _lines(segments),
        checkpoints=(
            ((name, number), piece)
            for name, raw in checkpoints
            for number, piece in enumerate(raw.split(b"\n")[:-1], start=1)
        ),
        keys=keys,
        heads=heads,
        since=since,
    )


def verify_lines(
    lines: Iterable[tuple[Place, bytes]],
    *,
    checkpoints: Iterable[tuple[Place, bytes]],
    keys: Sequence[Ed25519PublicKey],
    heads: Sequence[str],
    since: int = 1,
) -> Report:
    """Return what is wrong with the lines of one chain, in order; see `verify`."""
    walk = _Walk(expected=since)
    anchors = _anchors(checkpoints, keys, walk)
    seen: dict[int, str] = {}
    hashes: dict[str, int] = dict.fromkeys(heads, 0)
    for place, raw in lines:
        line = walk.read(place, raw)
        if line is None:
            continue
        if line.hash in hashes:
            hashes[line.hash] = walk.head.sequence
        if walk.head.sequence in anchors:
            seen[walk.head.sequence] = line.hash
    _compare_anchors(anchors, seen, walk, since)
    _compare_heads(hashes, walk)
    good = [n for n, found in seen.items() if found in anchors[n]] + [
        *filter(None, hashes.values())
    ]
    return Report(
        records=walk.records,
        first=walk.first,
        head=walk.head,
        anchors=len(good),
        anchored=max(good, default=None),
        erased=walk.erased,
        findings=tuple(walk.findings),
        more=walk.more,
    )


@dataclass(slots=True, kw_only=True)
class _Walk:
    """Goes along the chain and collects what is wrong with it."""

    expected: int
    head: Head = START
    first: int | None = None
    records: int = 0
    erased: int = 0
    more: int = 0
    findings: list[Finding] = field(default_factory=list)

    def find(
        self,
        code: str,
        message: str,
        place: tuple[str, int | None] = ("", None),
        at: int | None = None,
    ) -> None:
        if len(self.findings) >= _MOST:
            self.more += 1
            return
        self.findings.append(
            Finding(code=code, message=message, file=place[0], line=place[1], sequence=at)
        )

    def read(self, place: Place, raw: bytes) -> Line | None:
        """Check one line against itself and the one before; return it where it can be read."""
        try:
            line = parse(raw)
            sequence, previous = line.body["sequence"], line.body["previous"]
            if not isinstance(sequence, int) or not isinstance(line.body["commitments"], dict):
                raise Malformed("members")
        except Malformed:
            self.find("malformed", "this is no line that a gateway wrote", place)
            return None
        if line.own_hash != line.hash:
            self.find("changed", "the record is not the one that was hashed", place, sequence)
        self._check_order(sequence, previous, place)
        self._check_detached(line, place, sequence)
        self.records += 1
        self.first = self.first or sequence
        self.head = Head(sequence, line.hash)
        return line

    def _check_order(self, sequence: int, previous: str, place: Place) -> None:
        expected = self.head.sequence + 1 if self.records else self.expected
        if sequence > expected:
            gap = f"{expected}" if sequence == expected + 1 else f"{expected} to {sequence - 1}"
            self.find("missing", f"before it, record {gap} should stand", place, sequence)
        elif sequence < expected:
            self.find("order", f"record {expected} should stand here", place, sequence)
        elif previous != self.head.hash and (self.records or sequence == 1):
            self.find("link", "it does not follow the record before it", place, sequence)

    def _check_detached(self, line: Line, place: Place, sequence: int) -> None:
        commitments: Mapping[str, object] = line.body["commitments"]
        for name, value in line.detached.items():
            if commitments.get(name) != value.commitment:
                message = f"the detached {name} are not those that were committed to"
                self.find("detached", message, place, sequence)
        self.erased += len(commitments.keys() - line.detached.keys())


def _lines(segments: Iterable[tuple[str, bytes]]) -> Iterator[tuple[Place, bytes]]:
    """Iterate over every line; one without its end is given with a byte that makes it malformed."""
    for name, raw in segments:
        pieces = raw.split(b"\n")
        unfinished = pieces.pop()
        for number, piece in enumerate(pieces, start=1):
            yield (name, number), piece
        if unfinished:
            yield (name, len(pieces) + 1), b"\0" + unfinished


def _anchors(
    lines: Iterable[tuple[Place, bytes]], keys: Sequence[Ed25519PublicKey], walk: _Walk
) -> dict[int, set[str]]:
    """Return the hashes that checkpoints vouch for, by sequence number."""
    reasons = {
        "malformed": "this is no checkpoint that a gateway wrote",
        "unknown-key": "the checkpoint is signed with a key that was not given",
        "signature": "the checkpoint's signature is wrong",
    }
    found: dict[int, set[str]] = {}
    for place, piece in lines:
        try:
            head = read_checkpoint(piece, keys).head
        except CheckpointInvalid as error:
            walk.find("checkpoint", reasons[error.reason], place)
        else:
            found.setdefault(head.sequence, set()).add(head.hash)
    return found


def _compare_anchors(
    anchors: Mapping[int, set[str]], seen: Mapping[int, str], walk: _Walk, since: int
) -> None:
    last = max(anchors, default=0)
    if last > walk.head.sequence:
        gone = f"the log ends at record {walk.head.sequence}"
        walk.find("truncated", f"{gone}, and a checkpoint vouches for record {last}", at=last)
    for sequence, hashes in sorted(anchors.items()):
        if sequence < since or sequence > walk.head.sequence:
            continue
        if sequence not in seen:
            walk.find("anchor", "a checkpoint vouches for it, and it is not there", at=sequence)
        elif hashes != {seen[sequence]}:
            walk.find("anchor", "it is not the record that a checkpoint vouches for", at=sequence)


def _compare_heads(heads: Mapping[str, int], walk: _Walk) -> None:
    for wanted, sequence in heads.items():
        if not sequence:
            walk.find("head", f"no record has the hash {wanted[:16]}… that was noted outside")
