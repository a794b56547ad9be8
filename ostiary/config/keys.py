"""The key document of a gateway: what the key file or Secret holds, newest key first."""

from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from ostiary.crypto.rings import Rings, fresh_keys
from ostiary.crypto.seal import Entropy
from ostiary.crypto.secret import Secret
from ostiary.decode.model import Model

__all__ = ["RINGS", "KeyDocument", "Ring", "Rotating"]

Ring = Literal["access", "internal", "audit", "seal"]
RINGS: Final[tuple[Ring, ...]] = get_args(Ring)
Keys = Annotated[tuple[Secret, ...], Field(min_length=1, max_length=16)]


class Rotating(Model):
    """A ring whose key is being replaced, and since when it stands as it does (epoch seconds).

    `upcoming` verifies and opens already; once it signs it is the first of the ring's keys, and
    absent here.
    """

    upcoming: Secret | None = None
    since: float


class KeyDocument(Model):
    """PEM private keys (access, internal: P-256; audit: Ed25519) and 32-byte seal keys in hex."""

    version: int = Field(default=1, ge=1, le=1)
    access: Keys
    internal: Keys
    audit: Keys
    seal: Keys
    rotating: dict[Ring, Rotating] = Field(default_factory=dict)

    @classmethod
    def generate(cls, entropy: Entropy) -> "KeyDocument":
        """Return a fresh document with one key in each ring."""
        return cls(**{name: (key,) for name, key in fresh_keys(entropy).items()})

    def rings(self) -> Rings:
        """Return the rings; raises ValueError where a key is of the wrong kind."""
        return Rings.of(
            access=self.access,
            internal=self.internal,
            audit=self.audit,
            seal=self.seal,
            upcoming={
                name: rotating.upcoming
                for name, rotating in self.rotating.items()
                if rotating.upcoming is not None
            },
        )

    def reveal(self) -> dict[str, object]:
        """Return the JSON form with the keys in clear: for the key file or Secret, nowhere else."""
        keys: dict[str, object] = {
            name: [key.reveal() for key in getattr(self, name)] for name in RINGS
        }
        rotating = {
            name: {
                "since": stands.since,
                **({"upcoming": stands.upcoming.reveal()} if stands.upcoming else {}),
            }
            for name, stands in self.rotating.items()
        }
        return {"version": self.version, **keys, **({"rotating": rotating} if rotating else {})}
