"""Opaque texts that clients hold for us: sealed for one purpose, person, client, route and grant.

Nothing is stored while one is out. Whoever brings another's, a damaged or an old one brings nothing
that is known. Replicas of two versions open each other's while an upgrade goes on: who changes what
is sealed here ends every session.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.crypto.base64url import base64url
from ostiary.crypto.seal import Entropy, SealBroken, SealRing
from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, read_json
from ostiary_proxy.identity import Grant

__all__ = ["BadHandle", "Handle", "Holder", "give_handle", "open_handle"]

_ASKEW: Final = 5.0
"""Seconds that the clocks of two replicas may differ."""


class BadHandle(ValueError):  # noqa: N818 - a statement
    """The text is none that we gave for this use. Nothing more is said on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """What a client held: the `value` that it stands for; `key` names it in the Store."""

    value: list[Json]
    issued_at: float
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whoever holds texts for us under one grant."""

    ring: SealRing
    grant: Grant
    entropy: Entropy

    def give(self, purpose: str, value: Sequence[Json], *, now: float, about: Json = None) -> str:
        """Return a text for `value`, as `give_handle` does."""
        return give_handle(
            self.ring, self.grant, purpose, value, now=now, entropy=self.entropy, about=about
        )

    def open(
        self,
        purpose: str,
        text: Json,
        *,
        now: float,
        max_age: float,
        longest: int,
        about: Json = None,
    ) -> Handle:
        """Return what `text` of a message stands for, as `open_handle` does."""
        if not isinstance(text, str):
            raise BadHandle("not a text")
        return open_handle(
            self.ring, self.grant, purpose, text, now=now, max_age=max_age, longest=longest,
            about=about,
        )  # fmt: skip


def give_handle(
    ring: SealRing,
    grant: Grant,
    purpose: str,
    value: Sequence[Json],
    *,
    now: float,
    entropy: Entropy,
    about: Json = None,
) -> str:
    """Return a text of visible ASCII for `value`, good for `grant`, `purpose` and `about` only."""
    aad = _bound(grant, purpose, about)
    return base64url(ring.seal(write_json([*value, now]), aad=aad, entropy=entropy))


def open_handle(
    ring: SealRing,
    grant: Grant,
    purpose: str,
    text: str,
    *,
    now: float,
    max_age: float,
    longest: int,
    about: Json = None,
) -> Handle:
    """Return what `text` stands for, of at most `longest` characters; raises BadHandle."""
    sealed = _bytes_of(text, longest)
    try:
        plain = read_json(ring.open(sealed, aad=_bound(grant, purpose, about)))
    except (SealBroken, Faulty):
        raise BadHandle("not given for this use") from None
    assert isinstance(plain, list)  # sealed by us, and so are its members
    *value, last = plain
    issued_at = float(str(last))
    if not 0 <= now - issued_at + _ASKEW < max_age:
        raise BadHandle("too old")
    return Handle(value=value, issued_at=issued_at, key=hashlib.sha256(sealed).hexdigest())


def _bytes_of(text: str, longest: int) -> bytes:
    """Return the sealed bytes; another spelling of the same ones is not another handle."""
    if len(text) > longest:
        raise BadHandle("too long")
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadHandle("not base64url") from None
    if base64url(sealed) != text:
        raise BadHandle("spelled in another way")
    return sealed


def _bound(grant: Grant, purpose: str, about: Json) -> bytes:
    """Return whom and what a text is for; a grant that ended takes its texts with it."""
    person, more = grant.person, [] if about is None else [about]
    return write_json(
        [purpose, person.issuer, person.subject, grant.client.id, grant.route, grant.gid, *more]
    )
