"""Replacing keys so that nothing that was issued stops working.

A new key is first known to every replica, then signs and seals, and what it replaced goes when
nothing issued with it lives any more. Pure: a key document in, the next one out. Each step may be
asked for again and again; it is taken when it is due.
"""

from dataclasses import dataclass
from typing import Final, Literal

from ostiary.config.keys import RINGS, KeyDocument, Ring, Rotating
from ostiary.crypto.rings import fresh_keys
from ostiary.crypto.seal import Entropy

__all__ = ["KNOWN_AFTER", "Stage", "advance", "begin", "drop_older", "replace_key", "stages"]

KNOWN_AFTER: Final = 600.0
"""Seconds until everybody knows a new key: volumes take 90 s, and JWK sets are kept for 300 s."""
_GONE_AFTER: Final[dict[Ring, float]] = {
    "access": 3600 + KNOWN_AFTER,
    "internal": 60 + KNOWN_AFTER,
    "audit": 86400,
}
"""Seconds for which a replaced key is needed: the longest life of a token, a proxy's long absence.

No time is enough for a seal key: an account is sealed anew when its person comes back.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the rotation of a ring is; `since` is epoch seconds."""

    ring: Ring
    stage: Literal["Published", "Signing"]
    since: float


def stages(document: KeyDocument) -> tuple[Stage, ...]:
    """Return the rotations that are under way."""
    return tuple(
        Stage(ring=ring, stage="Published" if found.upcoming else "Signing", since=found.since)
        for ring in RINGS
        if (found := document.rotating.get(ring)) is not None
    )


def begin(document: KeyDocument, ring: Ring, *, now: float, entropy: Entropy) -> KeyDocument:
    """Return the document with a new key that verifies; the same one while a rotation runs.

    A seal key that stays for old accounts' sake hinders no further rotation.
    """
    under_way = document.rotating.get(ring)
    if under_way is not None and (under_way.upcoming is not None or ring != "seal"):
        return document
    return _with(document, ring, Rotating(upcoming=fresh_keys(entropy)[ring], since=now))


def advance(document: KeyDocument, *, now: float) -> KeyDocument:
    """Return the document with every step taken that is due."""
    for stands in stages(document):
        document = _advanced(document, stands, now)
    return document


def replace_key(document: KeyDocument, ring: Ring, *, entropy: Entropy) -> KeyDocument:
    """Return the document with a new key alone: what was issued under the others ends at once."""
    return _only(document, ring, (fresh_keys(entropy)[ring],))


def drop_older(document: KeyDocument, ring: Ring) -> KeyDocument:
    """Return the document without the keys that the first of the ring took the place of."""
    stands = document.rotating.get(ring)
    if stands is not None and stands.upcoming is not None:
        return document
    return _only(document, ring, getattr(document, ring)[:1])


def _advanced(document: KeyDocument, stands: Stage, now: float) -> KeyDocument:
    ring, upcoming = stands.ring, document.rotating[stands.ring].upcoming
    age = now - stands.since
    if upcoming is not None:
        if age < KNOWN_AFTER:
            return document
        keys = (upcoming, *getattr(document, ring))
        promoted = document.model_copy(update={ring: keys})
        return _with(promoted, ring, Rotating(since=now))
    return drop_older(document, ring) if age >= _GONE_AFTER.get(ring, float("inf")) else document


def _with(document: KeyDocument, ring: Ring, stands: Rotating) -> KeyDocument:
    return document.model_copy(update={"rotating": {**document.rotating, ring: stands}})


def _only(document: KeyDocument, ring: Ring, keys: tuple[object, ...]) -> KeyDocument:
    rotating = {name: stands for name, stands in document.rotating.items() if name != ring}
    return document.model_copy(update={ring: keys, "rotating": rotating})
