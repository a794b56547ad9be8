"""Sealing.

AES-256-GCM under a fresh data key per value, the data key wrapped by the newest key of a ring.

Layout of a sealed value (bytes): version 0x01 · key id (8) · wrap nonce (12) · wrapped data key
(48) · nonce (12) · ciphertext and tag. The caller's AAD and the key id are authenticated by both
layers, so neither rows nor keys can be swapped (security decision 14).
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["Entropy", "SealBroken", "SealRing"]

Entropy = Callable[[int], bytes]
"""Returns that many unpredictable bytes; `os.urandom` at the edge."""

_VERSION: Final = b"\x01"
_ID: Final = 8
_NONCE: Final = 12
_WRAPPED: Final = 32 + 16


class SealBroken(ValueError):  # noqa: N818 - reads as a statement
    """The value was not sealed by this ring for this AAD, or was changed since.

    Nothing more is said on purpose.
    """


class SealRing:
    """The ring that seals rows, session ids and hand-off values.

    And keys the hashes of what is never stored in clear.

    `keys` are 32-byte keys, newest first; `upcoming` is one that opens what other replicas, which
    heard of it sooner, seal by it already. Subkeys are derived here, once; never on a request.
    """

    __slots__ = ("_hash_keys", "_steady", "_wraps")

    def __init__(self, keys: Sequence[bytes], upcoming: Sequence[bytes] = ()) -> None:
        if not keys or any(len(key) != 32 for key in (*keys, *upcoming)):
            raise ValueError("a seal ring needs at least one key, each of 32 bytes")
        self._steady = len(keys) - 1
        keys = (*keys, *upcoming)
        self._wraps = {
            _derive(key, b"ostiary key id")[:_ID]: AESGCM(_derive(key, b"ostiary wrap"))
            for key in keys
        }
        self._hash_keys = [_derive(key, b"ostiary keyed hash") for key in keys]

    def seal(self, plain: bytes, *, aad: bytes, entropy: Entropy) -> bytes:
        """Return `plain` sealed for `aad` under the newest key."""
        key_id, wrap = next(iter(self._wraps.items()))
        data_key, wrap_nonce, nonce = entropy(32), entropy(_NONCE), entropy(_NONCE)
        bound = _bind(key_id, aad)
        wrapped = wrap.encrypt(wrap_nonce, data_key, bound)
        return b"".join(
            [
                _VERSION,
                key_id,
                wrap_nonce,
                wrapped,
                nonce,
                AESGCM(data_key).encrypt(nonce, plain, bound),
            ]
        )

    def open(self, sealed: bytes, *, aad: bytes) -> bytes:
        """Return what was sealed.

        Raises SealBroken for another AAD, an unknown key or a changed byte.
        """
        head = 1 + _ID + _NONCE + _WRAPPED + _NONCE
        wrap = self._wraps.get(sealed[1 : 1 + _ID])
        if sealed[:1] != _VERSION or wrap is None or len(sealed) < head + 16:
            raise SealBroken("not sealed by this ring")
        bound = _bind(sealed[1 : 1 + _ID], aad)
        wrap_nonce, rest = sealed[1 + _ID : 1 + _ID + _NONCE], sealed[1 + _ID + _NONCE :]
        try:
            data_key = wrap.decrypt(wrap_nonce, rest[:_WRAPPED], bound)
            return AESGCM(data_key).decrypt(
                rest[_WRAPPED : _WRAPPED + _NONCE], rest[_WRAPPED + _NONCE :], bound
            )
        except InvalidTag:
            raise SealBroken("not sealed by this ring for this use") from None

    def keyed_hash(self, label: str, value: str) -> str:
        """Return the hex HMAC-SHA256 of `value` under the newest key.

        `label` keeps the uses apart.
        """
        return _hmac(self._hash_keys[0], label, value)

    def steady_hash(self, label: str, value: str) -> str:
        """Return the hash under the oldest key: the same on all replicas while keys are rotated.

        For what others know somebody by, and for what is compared and not looked up.
        """
        return _hmac(self._hash_keys[self._steady], label, value)

    def is_outdated(self, sealed: bytes, found: int = 0) -> bool:
        """Say whether a value is sealed under a key that another one took the place of.

        Or found by such a key's hash, the one that stands at `found` of `keyed_hashes`.
        """
        older = list(self._wraps)[1 : self._steady + 1]
        return sealed[1 : 1 + _ID] in older or 0 < found <= self._steady

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Return what tells the keys apart, in order; nothing can be opened with it."""
        return tuple(key_id.hex() for key_id in self._wraps)

    def keyed_hashes(self, label: str, value: str) -> tuple[str, ...]:
        """Return the hash under every key, newest first.

        How rows written before a rotation are found again.
        """
        return tuple(_hmac(key, label, value) for key in self._hash_keys)


def _derive(key: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, None, info).derive(key)


def _bind(key_id: bytes, aad: bytes) -> bytes:
    return _VERSION + key_id + aad


def _hmac(key: bytes, label: str, value: str) -> str:
    return hmac.new(key, f"{label}\0{value}".encode(), hashlib.sha256).hexdigest()
