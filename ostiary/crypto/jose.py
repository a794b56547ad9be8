"""The one JOSE door.

Tokens are signed and verified here only, always with algorithm, typ, iss, aud and exp.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt  # noqa: TID251 - this is the door
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

__all__ = ["Claims", "SigningRing", "TokenInvalid", "verify_foreign"]

Claims = Mapping[str, Any]
"""The claims of a verified token."""

LEEWAY: Final = 5.0
"""Seconds by which clocks of two machines may differ."""


class TokenInvalid(ValueError):  # noqa: N818 - reads as a statement
    """The token can't be trusted; `reason` is a stable word for audit.

    Malformed, signature, typ, iss, aud, expired, early, claims.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"token invalid: {reason}")


class SigningRing:
    """ES256 keys, newest first: the first signs, any verifies.

    One ring serves one issuer and one typ.
    """

    __slots__ = ("_keys", "_public", "typ")

    def __init__(self, keys: Sequence[ECKey], *, typ: str) -> None:
        if not keys:
            raise ValueError("a signing ring needs at least one key")
        self._keys = tuple(keys)
        self._public = KeySet(list(keys))
        self.typ = typ

    @classmethod
    def from_pems(cls, pems: Sequence[str], *, typ: str) -> "SigningRing":
        """Return the ring of these PEM private keys (P-256), newest first; raises ValueError."""
        try:
            keys = [ECKey.import_key(pem, {"use": "sig", "alg": "ES256"}) for pem in pems]
        except JoseError:
            raise ValueError("signing keys must be P-256 private keys") from None
        for key in keys:
            key.ensure_kid()
        return cls(keys, typ=typ)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Return the thumbprints of the keys, in order."""
        return tuple(str(key.kid) for key in self._keys)

    def sign(self, claims: Claims) -> str:
        """Return the compact token over `claims`; the caller gives iss, aud, iat and exp."""
        key = self._keys[0]
        header = {"alg": "ES256", "typ": self.typ, "kid": key.kid}
        return jwt.encode(header, dict(claims), key, algorithms=["ES256"])

    def verify(self, token: str, *, iss: str, aud: str, now: float) -> Claims:
        """Return the claims of a token of this ring; raises TokenInvalid."""
        return _verify(
            token, self._public, algorithms=("ES256",), typ=self.typ, iss=iss, aud=aud, now=now
        )

    def jwks(self) -> dict[str, Any]:
        """Return the public keys as a JWK set."""
        return {"keys": [key.as_dict(private=False) for key in self._keys]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    typ: str | None
    iss: str
    aud: str
    now: float


def verify_foreign(
    token: str,
    jwks: Mapping[str, Any],
    *,
    algorithms: Sequence[str],
    iss: str,
    aud: str,
    now: float,
) -> Claims:
    """Return the claims of an ID token that another issuer signed; raises TokenInvalid.

    `algorithms` may name asymmetric algorithms only (no HS*, no none): a public key must never
    serve as a shared secret. Nonce, azp and auth_time are the caller's to compare.
    """
    if any(name.startswith("HS") or name == "none" for name in algorithms):
        raise ValueError("only asymmetric algorithms may verify a foreign token")
    try:
        keys = KeySet.import_key_set(dict(jwks))  # type: ignore[arg-type]  # a JWK set as it came from the issuer
    except (JoseError, ValueError, KeyError, TypeError):
        raise TokenInvalid("keys") from None
    return _verify(token, keys, algorithms=algorithms, typ=None, iss=iss, aud=aud, now=now)


def _verify(
    token: str,
    keys: KeySet,
    *,
    algorithms: Sequence[str],
    typ: str | None,
    iss: str,
    aud: str,
    now: float,
) -> Claims:
    try:
        decoded = jwt.decode(token, keys, algorithms=list(algorithms))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise TokenInvalid(
            "signature" if type(error).__name__ == "BadSignatureError" else "malformed"
        ) from None
    _check(decoded.header, decoded.claims, _Expected(typ=typ, iss=iss, aud=aud, now=now))
    return decoded.claims


def _check(header: Mapping[str, Any], claims: Claims, expected: _Expected) -> None:
    if expected.typ is not None and str(header.get("typ", "")).lower() != expected.typ:
        raise TokenInvalid("typ")
    if claims.get("iss") != expected.iss:
        raise TokenInvalid("iss")
    if not _audience_is(claims.get("aud"), expected):
        raise TokenInvalid("aud")
    exp, early = claims.get("exp"), claims.get("nbf", claims.get("iat", 0))
    if not _is_time(exp) or not _is_time(early):
        raise TokenInvalid("claims")
    if expected.now >= exp + (LEEWAY if expected.typ is None else 0):  # type: ignore[operator]  # checked above
        raise TokenInvalid("expired")
    if early > expected.now + LEEWAY:
        raise TokenInvalid("early")


def _audience_is(audience: object, expected: _Expected) -> bool:
    """Our own tokens carry one string; an identity provider may send a list that holds us."""
    if expected.typ is not None:
        return audience == expected.aud
    return audience == expected.aud or (isinstance(audience, list) and expected.aud in audience)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
