"""The four key rings of a gateway, and the key document they are read from (security decision 5)."""

from dataclasses import dataclass
from typing import Annotated

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from pydantic import Field

from ostiary.crypto.jose import SigningRing
from ostiary.crypto.seal import Entropy, SealRing
from ostiary.crypto.secret import Secret
from ostiary.decode.model import Model

__all__ = ["ACCESS_TYP", "INTERNAL_TYP", "KeyDocument", "Rings"]

ACCESS_TYP = "at+jwt"
INTERNAL_TYP = "ostiary-call+jwt"

Pems = Annotated[tuple[Secret, ...], Field(min_length=1, max_length=16)]


class KeyDocument(Model):
    """The keys of a gateway as stored: PEM private keys (access, internal: P-256; audit: Ed25519) and hex seal keys, newest first."""

    version: int = Field(default=1, ge=1, le=1)
    access: Pems
    internal: Pems
    audit: Pems
    seal: Pems

    @classmethod
    def generate(cls, entropy: Entropy) -> "KeyDocument":
        """Return a fresh document with one key in each ring."""
        return cls(
            access=(_ec_pem(),),
            internal=(_ec_pem(),),
            audit=(_pem(ed25519.Ed25519PrivateKey.from_private_bytes(entropy(32))),),
            seal=(Secret(entropy(32).hex()),),
        )

    def reveal(self) -> dict[str, object]:
        """Return the JSON form with the keys in clear: for the key file or Secret, nowhere else."""
        rings = {name: getattr(self, name) for name in ("access", "internal", "audit", "seal")}
        return {
            "version": self.version,
            **{name: [key.reveal() for key in keys] for name, keys in rings.items()},
        }


@dataclass(frozen=True, slots=True)
class Rings:
    """access signs tokens for clients, internal signs tokens for upstreams, audit signs checkpoints, seal seals rows."""

    access: SigningRing
    internal: SigningRing
    audit: tuple[ed25519.Ed25519PrivateKey, ...]
    seal: SealRing

    @classmethod
    def of(cls, document: KeyDocument) -> "Rings":
        """Return the rings of a key document; raises ValueError where a key is of the wrong kind."""
        audit = [
            serialization.load_pem_private_key(pem.reveal().encode(), None)
            for pem in document.audit
        ]
        if not all(isinstance(key, ed25519.Ed25519PrivateKey) for key in audit):
            raise ValueError("audit keys must be Ed25519 private keys")
        return cls(
            access=SigningRing.from_pems([pem.reveal() for pem in document.access], typ=ACCESS_TYP),
            internal=SigningRing.from_pems(
                [pem.reveal() for pem in document.internal], typ=INTERNAL_TYP
            ),
            audit=tuple(key for key in audit if isinstance(key, ed25519.Ed25519PrivateKey)),
            seal=SealRing([bytes.fromhex(key.reveal()) for key in document.seal]),
        )


def _ec_pem() -> Secret:
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> Secret:
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Secret(encoded.decode())
