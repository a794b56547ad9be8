"""From a verified ID token to a Person: what policy may read of it, and nothing else."""

import hmac
from collections.abc import Mapping
from typing import Any, Final

from ostiary.crypto.jose import TokenInvalid
from ostiary.decode.json_text import write_json
from ostiary_proxy.identity import Person

__all__ = ["ALGORITHMS", "person_of"]

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Signature algorithms taken from identity providers: asymmetric ones only."""

_PROTOCOL: Final = frozenset(
    (
        "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "auth_time", "sid", "typ",
        "at_hash", "c_hash", "s_hash", "email", "email_verified", "name",
    )
)  # fmt: skip
_SUBJECT: Final = 255
_NAME: Final = 128
_EMAIL: Final = 254
_GROUPS: Final = 2000
_CLAIMS: Final = 16 * 1024


def person_of(
    claims: Mapping[str, Any],
    *,
    client_id: str,
    nonce: str | None,
    groups_claim: str,
    source: str,
) -> Person:
    """Return the person that verified `claims` are about; raises TokenInvalid.

    Compares what verifying a signature leaves open: nonce and azp (OpenID Connect Core 3.1.3.7).
    `email` counts only where the provider says it is verified. `source` is the browser's address.
    """
    said = claims.get("nonce")
    if nonce is None or not isinstance(said, str) or not _same(said, nonce):
        raise TokenInvalid("nonce")
    audience, azp = claims.get("aud"), claims.get("azp")
    several = isinstance(audience, list) and len(audience) > 1
    if (azp is not None or several) and azp != client_id:
        raise TokenInvalid("azp")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= _SUBJECT:
        raise TokenInvalid("sub")
    return Person(
        issuer=str(claims["iss"]),
        subject=subject,
        email=_email(claims),
        name=_text(claims.get("name"), _NAME),
        groups=_groups(claims.get(groups_claim)),
        claims=_readable(claims),
        auth_time=_seconds(claims.get("auth_time")),
        login_source=source,
    )


def _same(said: str, expected: str) -> bool:
    return hmac.compare_digest(said.encode(), expected.encode())


def _email(claims: Mapping[str, Any]) -> str | None:
    email = _text(claims.get("email"), _EMAIL)
    return email if claims.get("email_verified") is True else None


def _text(value: object, longest: int) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= longest else None


def _groups(value: object) -> frozenset[str] | None:
    """Read a list, or a string whose items stand apart by commas or spaces.

    No claim is None: groups nobody told us of are unknown, and must not escape a Deny.
    """
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if value is None:
        return None
    groups = value if isinstance(value, list) else [None]
    if len(groups) > _GROUPS or not all(isinstance(group, str) for group in groups):
        raise TokenInvalid("groups")
    return frozenset(groups)


def _readable(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the other claims; too many are refused, because a cut list would change verdicts."""
    readable = {name: value for name, value in claims.items() if name not in _PROTOCOL}
    if len(write_json(readable)) > _CLAIMS:
        raise TokenInvalid("claims")
    return readable


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
