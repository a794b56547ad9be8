"""Refresh tokens as pure steps: rotation, 30 s of grace, reuse (security decision 10).

A token is `<gid>.<secret>.<mac>`: the mac tells an old token of ours (reuse: the family dies) from
a made-up one. The successor of a token is derived from it, a salt of the row and our key, so that
the same request gets the same answer again for 30 s and yet nothing but hashes is ever stored.
"""

import hmac
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ostiary.crypto.seal import Entropy, SealRing

__all__ = ["GRACE", "Family", "Rotated", "Verdict", "begin", "family_of", "rotate"]

GRACE: Final = 30.0
"""Seconds for which the previous token still returns the successor: an answer may get lost."""
_MAC: Final = 32


class Verdict(Enum):
    """Why a token gives nothing: it never was ours, or it was replaced and comes back."""

    UNKNOWN = "unknown"
    REUSED = "reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The state of one chain: keyed hashes of its tokens, when it turned, and the next salt."""

    current: str
    salt: str
    previous: str | None = None
    previous_salt: str | None = None
    rotated: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """`issued` goes to the client; `family` is to be stored where it `changed`."""

    issued: str
    family: Family
    changed: bool


def begin(ring: SealRing, gid: str, entropy: Entropy) -> Rotated:
    """Return the first token of a grant and its family."""
    issued = _issue(ring, gid, entropy(32).hex())[0]
    family = Family(current=_hashes(ring, issued)[0], salt=entropy(16).hex())
    return Rotated(issued=issued, family=family, changed=True)


def family_of(ring: SealRing, presented: str) -> str | None:
    """Return the gid of a token that this gateway issued at some time, else None."""
    body, _, mac = presented.rpartition(".")
    gid, _, secret = body.rpartition(".")
    macs = _macs(ring, body)
    known = any(hmac.compare_digest(mac.encode(), candidate.encode()) for candidate in macs)
    return gid if gid and secret and known else None


def rotate(
    ring: SealRing, family: Family, presented: str, now: float, entropy: Entropy
) -> Rotated | Verdict:
    """Return the successor of `presented`, or why there is none."""
    gid = family_of(ring, presented)
    if gid is None:
        return Verdict.UNKNOWN
    hashes = _hashes(ring, presented)
    if family.current in hashes:
        return _turn(ring, gid, family, presented, now=now, entropy=entropy)
    if family.previous in hashes and _in_grace(family, now):
        issued = _again(ring, gid, family, presented)
        if issued is not None:
            return Rotated(issued=issued, family=family, changed=False)
    return Verdict.REUSED


def _turn(
    ring: SealRing, gid: str, family: Family, presented: str, *, now: float, entropy: Entropy
) -> Rotated:
    issued = _successors(ring, gid, family.salt, presented)[0]
    turned = Family(
        current=_hashes(ring, issued)[0],
        salt=entropy(16).hex(),
        previous=family.current,
        previous_salt=family.salt,
        rotated=now,
    )
    return Rotated(issued=issued, family=turned, changed=True)


def _in_grace(family: Family, now: float) -> bool:
    """Clocks of two replicas may differ, so a little before counts too."""
    return family.rotated is not None and abs(now - family.rotated) < GRACE


def _again(ring: SealRing, gid: str, family: Family, presented: str) -> str | None:
    """Return the successor that was given out, whichever key of the ring was newest then."""
    candidates = _successors(ring, gid, family.previous_salt or "", presented)
    return next((c for c in candidates if family.current in _hashes(ring, c)), None)


def _successors(ring: SealRing, gid: str, salt: str, presented: str) -> list[str]:
    secrets = ring.keyed_hashes("refresh-successor", f"{salt}.{presented}")
    return [_issue(ring, gid, secret)[index] for index, secret in enumerate(secrets)]


def _issue(ring: SealRing, gid: str, secret: str) -> tuple[str, ...]:
    body = f"{gid}.{secret}"
    return tuple(f"{body}.{mac}" for mac in _macs(ring, body))


def _macs(ring: SealRing, body: str) -> tuple[str, ...]:
    return tuple(mac[:_MAC] for mac in ring.keyed_hashes("refresh-mac", body))


def _hashes(ring: SealRing, issued: str) -> tuple[str, ...]:
    return ring.keyed_hashes("refresh", issued)
