"""Authorization codes: bound to all that was asked, redeemed once (rule 84)."""

import hmac
import re
from typing import Final

from ostiary.crypto.base64url import s256
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.kept import Kept, KeptPerson, load, save

__all__ = ["CodeRow", "code_of", "is_challenge", "issue", "proves", "redeemed"]

TABLE: Final = "code"
LIFE: Final = 60.0
"""Seconds in which a code can be redeemed."""
_REMEMBERED: Final = 3600.0
"""Seconds for which a redeemed code is known again, so that its replay kills what it gave."""
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_LABEL: Final = "code"


class CodeRow(Kept):
    """What a code stands for; `gid` is the grant that its redemption made."""

    issuer: str
    client_id: str
    client_name: str
    redirect_uri: str
    challenge: str
    route: str
    resource: str
    scopes: tuple[str, ...]
    upstream_scopes: tuple[str, ...] | None
    person: KeptPerson
    created: float
    gid: str | None = None


async def issue(context: Context, row: CodeRow) -> str:
    """Store what a new code stands for, and return the code."""
    code = context.random()
    key = context.hashed(_LABEL, code)
    await save(context.store, TABLE, key, row, expires=row.created + LIFE, version=0)
    return code


async def code_of(context: Context, code: str) -> tuple[str, CodeRow, int] | None:
    """Return key, row (redeemed ones too) and version behind a code, or None."""
    for key in context.hashes(_LABEL, code):
        found = await load(context.store, TABLE, key, CodeRow)
        if found is not None:
            return key, *found
    return None


async def redeemed(context: Context, key: str, row: CodeRow, version: int) -> None:
    """Mark the code as used, for the grant `row.gid`; raises Conflict where somebody was first."""
    expires = context.clock() + _REMEMBERED
    await save(context.store, TABLE, key, row, expires=expires, version=version)


def is_challenge(text: str) -> bool:
    """Say whether `text` can be an S256 challenge (RFC 7636 section 4.2)."""
    return _CHALLENGE.fullmatch(text) is not None


def proves(challenge: str, verifier: str) -> bool:
    """Say whether `verifier` is what the challenge was made of; S256 only."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    return hmac.compare_digest(s256(verifier).encode(), challenge.encode())
