"""Lines that a platform collected from the standard output of several processes. Pure.

Every pod of a gateway has a chain of its own, which its restarts continue. Lines of all of them
stand mixed, some perhaps twice, among lines that are none of ours; here they are sorted back into
chains and each is verified. Of a pod whose every line and checkpoint is gone nothing can be known.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ostiary_proxy.audit.line import GENESIS, Line, Malformed, parse
from ostiary_proxy.audit.verify import Finding, Place, Report, verify_lines

__all__ = ["Collected", "verify_collected"]

_RECORD: Final = b'{"hash":"'
_CHECKPOINT: Final = b'{"checkpoint":'


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The report of each chain by the id of the process that began it.

    `findings` are those that belong to no chain.
    """

    reports: dict[str, Report]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """Return 1 with findings, 3 where something vouches for not every chain, else 0."""
        codes = {report.exit_code for report in self.reports.values()}
        if self.findings or 1 in codes:
            return 1
        return 3 if 3 in codes or not codes else 0


@dataclass(slots=True)
class _Boot:
    """What one process wrote, from its start to its end."""

    lines: list[tuple[int, Place, bytes, Line]] = field(default_factory=list)
    checkpoints: list[tuple[Place, bytes]] = field(default_factory=list)


def verify_collected(
    files: Iterable[tuple[str, bytes]],
    *,
    keys: Sequence[Ed25519PublicKey] = (),
    heads: Sequence[str] = (),
) -> Collected:
    """Return what is wrong with collected lines, given files (name and bytes) of them.

    `keys` are the public keys that may sign checkpoints; without any, checkpoints are passed over.
    `heads` are hashes of records that were noted outside.
    """
    boots, findings = _read(files)
    known = {line.hash for boot in boots.values() for *_, line in boot.lines}
    for head in heads:
        if head not in known:
            said = f"no record has the hash {head[:16]}… that was noted outside"
            findings.append(Finding(code="head", message=said))
    reports = {
        chain[0]: _verify([boots[name] for name in chain], keys, heads) for chain in _chains(boots)
    }
    return Collected(reports=reports, findings=tuple(findings))


def _verify(
    chain: Sequence[_Boot], keys: Sequence[Ed25519PublicKey], heads: Sequence[str]
) -> Report:
    own = {line.hash for boot in chain for *_, line in boot.lines}
    return verify_lines(
        ((place, raw) for boot in chain for _, place, raw, _ in boot.lines),
        checkpoints=[pair for boot in chain for pair in boot.checkpoints] if keys else (),
        keys=keys,
        heads=[head for head in heads if head in own],
    )


def _read(files: Iterable[tuple[str, bytes]]) -> tuple[dict[str, _Boot], list[Finding]]:
    """Return what each process wrote, in its own order, and the lines that nobody wrote so."""
    boots: dict[str, _Boot] = {}
    findings: list[Finding] = []
    seen: set[bytes] = set()
    for place, raw in _ours(files):
        if raw in seen:
            continue  # collectors deliver some lines twice
        seen.add(raw)
        if raw.startswith(_CHECKPOINT):
            boots.setdefault(_boot_of(raw), _Boot()).checkpoints.append((place, raw))
            continue
        try:
            line = parse(raw)
            boot, sequence = str(line.body["boot"]), int(line.body["sequence"])
        except (Malformed, ValueError, TypeError):
            said = "this is no line that a gateway wrote"
            findings.append(Finding(code="malformed", message=said, file=place[0], line=place[1]))
        else:
            boots.setdefault(boot, _Boot()).lines.append((sequence, place, raw, line))
    for found in boots.values():
        found.lines.sort(key=lambda entry: entry[0])
    return boots, findings


def _ours(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[Place, bytes]]:
    """Iterate over lines of the log; a time or a pod's name that stands before one is cut off."""
    for name, data in files:
        for number, raw in enumerate(data.split(b"\n"), start=1):
            starts = [at for at in (raw.find(_RECORD), raw.find(_CHECKPOINT)) if at >= 0]
            if starts:
                yield (name, number), raw[min(starts) :].removesuffix(b"\r")


def _boot_of(raw: bytes) -> str:
    """Return which process a checkpoint speaks of; its signature is verified with its chain."""
    try:
        fields, _ = json.JSONDecoder().raw_decode(raw.decode("ascii"), len(_CHECKPOINT))
        return str(fields["boot"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _chains(boots: dict[str, _Boot]) -> Iterator[Sequence[str]]:
    """Iterate over chains: processes in the order in which each continued the one before."""
    ends = {boot.lines[-1][3].own_hash: name for name, boot in boots.items() if boot.lines}
    follows: dict[str, str] = {}
    for name, boot in boots.items():
        before = boot.lines[0][3].body["previous"] if boot.lines else GENESIS
        if before in ends and ends[before] != name and ends[before] not in follows:
            follows[ends[before]] = name
    continued = set(follows.values())
    for name in boots:
        if name not in continued:
            chain = [name]
            while chain[-1] in follows:
                chain.append(follows[chain[-1]])
            yield chain
