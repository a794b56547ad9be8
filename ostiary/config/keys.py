"""The key document of a gateway: what the key file or Secret holds, newest key first."""

from typing import Annotated

from pydantic import Field

from ostiary.crypto.rings import Rings, fresh_keys
from ostiary.crypto.seal import Entropy
from ostiary.crypto.secret import Secret
from ostiary.decode.model import Model

__all__ = ["KeyDocument"]

Keys = Annotated[tuple[Secret, ...], Field(min_length=1, max_length=16)]


class KeyDocument(Model):
    """PEM private keys (access, internal: P-256; audit: Ed25519) and 32-byte seal keys in hex."""

    version: int = Field(default=1, ge=1, le=1)
    access: Keys
    internal: Keys
    audit: Keys
    seal: Keys

    @classmethod
    def generate(cls, entropy: Entropy) -> "KeyDocument":
        """Return a fresh document with one key in each ring."""
        return cls(**{name: (key,) for name, key in fresh_keys(entropy).items()})

    def rings(self) -> Rings:
        """Return the rings; raises ValueError where a key is of the wrong kind."""
        return Rings.of(
            access=self.access, internal=self.internal, audit=self.audit, seal=self.seal
        )

    def reveal(self) -> dict[str, object]:
        """Return the JSON form with the keys in clear: for the key file or Secret, nowhere else."""
        names = ("access", "internal", "audit", "seal")
        keys = {name: [key.reveal() for key in getattr(self, name)] for name in names}
        return {"version": self.version, **keys}
