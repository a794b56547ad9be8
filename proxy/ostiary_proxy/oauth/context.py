"""What every step of the authorization server shares: configuration, keys, store, log, clock."""

from collections.abc import Callable
from dataclasses import dataclass

from ostiary.config.document import Config
from ostiary.crypto.base64url import base64url
from ostiary.crypto.rings import Rings
from ostiary.crypto.seal import Entropy
from ostiary_proxy.audit.record import AuditLog
from ostiary_proxy.store.port import Store
from ostiary_proxy.store.wakes import Wakes

__all__ = ["Context"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`clock` gives epoch seconds, `new_id` ids of records; `log` keeps strangers under a quota."""

    config: Config
    rings: Rings
    store: Store
    wakes: Wakes
    log: AuditLog
    clock: Callable[[], float]
    entropy: Entropy
    new_id: Callable[[], str]

    def random(self) -> str:
        """Return 256 unpredictable bits as 43 characters that are safe in URLs and cookies."""
        return base64url(self.entropy(32))

    def hashed(self, label: str, value: str) -> str:
        """Return the keyed hash under which a secret `value` is stored."""
        return self.rings.seal.keyed_hash(label, value)

    def steady(self, label: str, value: str) -> str:
        """Return that hash as it stays while keys are rotated: to compare, not to look up."""
        return self.rings.seal.steady_hash(label, value)

    def hashes(self, label: str, value: str) -> tuple[str, ...]:
        """Return that hash under every key: rows written before a rotation are found too."""
        return self.rings.seal.keyed_hashes(label, value)
