"""The four key rings of a gateway: no key, issuer or typ is shared (security decision 5)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ostiary.crypto.jose import SigningRing
from ostiary.crypto.seal import Entropy, SealRing
from ostiary.crypto.secret import Secret

__all__ = ["ACCESS_TYP", "INTERNAL_TYP", "Rings", "fresh_keys"]

ACCESS_TYP: Final = "at+jwt"
INTERNAL_TYP: Final = "ostiary-call+jwt"


@dataclass(frozen=True, slots=True)
class Rings:
    """access signs tokens for clients, internal those for upstreams, audit checkpoints.

    Seal seals.
    """

    access: SigningRing
    internal: SigningRing
    audit: tuple[ed25519.Ed25519PrivateKey, ...]
    seal: SealRing

    @classmethod
    def of(
        cls,
        *,
        access: Sequence[Secret],
        internal: Sequence[Secret],
        audit: Sequence[Secret],
        seal: Sequence[Secret],
        upcoming: Mapping[str, Secret] | None = None,
    ) -> "Rings":
        """Return the rings of PEM (access, internal, audit) and hex (seal) keys, newest first.

        `upcoming` holds, by ring, a key that verifies and opens already, and signs later. Raises
        ValueError where a key is of the wrong kind.
        """
        later = {name: (key,) for name, key in (upcoming or {}).items()}
        access, internal, audit = (
            (*keys, *later.get(name, ()))
            for name, keys in (("access", access), ("internal", internal), ("audit", audit))
        )
        return cls(
            access=SigningRing.from_pems([key.reveal() for key in access], typ=ACCESS_TYP),
            internal=SigningRing.from_pems([key.reveal() for key in internal], typ=INTERNAL_TYP),
            audit=tuple(_audit_key(key) for key in audit),
            seal=SealRing(_raw(seal), _raw(later.get("seal", ()))),
        )

    @property
    def fingerprint(self) -> str:
        """Return what differs wherever a key or the order of keys does, and gives no key away."""
        audit = [key.public_key().public_bytes_raw().hex() for key in self.audit]
        rings = (self.access.key_ids, self.internal.key_ids, audit, self.seal.key_ids)
        text = ";".join(",".join(ring) for ring in rings)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def fresh_keys(entropy: Entropy) -> dict[str, Secret]:
    """Return one new key for each ring, in the form that `Rings.of` reads."""
    return {
        "access": _pem(ec.generate_private_key(ec.SECP256R1())),
        "internal": _pem(ec.generate_private_key(ec.SECP256R1())),
        "audit": _pem(ed25519.Ed25519PrivateKey.from_private_bytes(entropy(32))),
        "seal": Secret(entropy(32).hex()),
    }


def _raw(keys: Sequence[Secret]) -> list[bytes]:
    return [bytes.fromhex(key.reveal()) for key in keys]


def _audit_key(pem: Secret) -> ed25519.Ed25519PrivateKey:
    key = serialization.load_pem_private_key(pem.reveal().encode(), None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ValueError("audit keys must be Ed25519 private keys")  # noqa: TRY004 - bad input, not a bug
    return key


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> Secret:
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Secret(encoded.decode())
