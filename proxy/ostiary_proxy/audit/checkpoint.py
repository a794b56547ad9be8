"""Checkpoints: signed statements of how far the chain had come, kept in another place than the log.

One JSON line each, in `checkpoints-<UTC month>.jsonl`; the signature (Ed25519, hex) covers a prefix
and the bytes of `checkpoint` as they stand.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ostiary_proxy.audit.chain import Head
from ostiary_proxy.audit.text import ascii_json

__all__ = [
    "Checkpoint", "CheckpointFolder", "CheckpointInvalid", "checkpoint_paths", "key_id",
    "read_checkpoint", "sign_checkpoint",
]  # fmt: skip

_CONTEXT: Final = b"ostiary audit checkpoint 1\n"
_HEAD: Final = '{"checkpoint":'
_SIGNATURE: Final = ',"signature":"'
_TAIL: Final = 65_536
_MEMBERS: Final = frozenset(["at", "boot", "gateway", "hash", "key", "sequence"])


class CheckpointInvalid(ValueError):  # noqa: N818 - a statement
    """The line is no checkpoint of ours; `reason` is malformed, unknown-key or signature."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """At `at` (epoch seconds) the newest record of `gateway` was number `sequence` with `hash`."""

    at: float
    boot: str
    gateway: str
    head: Head


def key_id(key: Ed25519PublicKey) -> str:
    """Return the short name by which a checkpoint says which key signed it."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    """Return the signed line."""
    payload = ascii_json(
        {
            "at": checkpoint.at,
            "boot": checkpoint.boot,
            "gateway": checkpoint.gateway,
            "hash": checkpoint.head.hash,
            "key": key_id(key.public_key()),
            "sequence": checkpoint.head.sequence,
        }
    )
    signature = key.sign(_CONTEXT + payload.encode()).hex()
    return f'{_HEAD}{payload}{_SIGNATURE}{signature}"}}\n'.encode()


def read_checkpoint(raw: bytes, keys: Sequence[Ed25519PublicKey]) -> Checkpoint:
    """Return a checkpoint that one of `keys` signed; raises CheckpointInvalid."""
    try:
        text = raw.removesuffix(b"\n").decode("ascii")
        fields, end = json.JSONDecoder().raw_decode(text, len(_HEAD))
        start = end + len(_SIGNATURE)
        form = (text[: len(_HEAD)], text[end:start], text[start + 128 :])
        if form != (_HEAD, _SIGNATURE, '"}') or set(fields) != _MEMBERS:
            raise CheckpointInvalid("malformed")
        signature = bytes.fromhex(text[start : start + 128])
        head = Head(int(fields["sequence"]), str(fields["hash"]))
        found = Checkpoint(
            at=float(fields["at"]), boot=fields["boot"], gateway=fields["gateway"], head=head
        )
    except CheckpointInvalid:
        raise
    except (ValueError, TypeError, RecursionError):
        raise CheckpointInvalid("malformed") from None
    _verify(fields["key"], signature, text[len(_HEAD) : end], keys)
    return found


def checkpoint_paths(folder: Path) -> Sequence[Path]:
    """Return the files of checkpoints in `folder`, oldest first."""
    return sorted(folder.glob("checkpoints-*.jsonl"))


class CheckpointFolder:
    """Signs and keeps checkpoints. Methods block, so a thread calls them; they raise OSError."""

    def __init__(self, folder: Path, keys: Sequence[Ed25519PrivateKey]) -> None:
        """`keys` are newest first; the first signs."""
        self._folder = folder
        self._keys = tuple(keys)

    def latest(self, gateway: str) -> Checkpoint | None:
        """Return the newest checkpoint of `gateway` that one of our keys signed."""
        public = [key.public_key() for key in self._keys]
        for path in reversed(checkpoint_paths(self._folder)):
            found = _first_valid(reversed(_last_lines(path)), public, gateway)
            if found is not None:
                return found
        return None

    def keep(self, checkpoint: Checkpoint) -> bytes:
        """Sign `checkpoint` and have it on disk; return its line."""
        line = sign_checkpoint(checkpoint, self._keys[0])
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        month = datetime.fromtimestamp(checkpoint.at, UTC).strftime("%Y-%m")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._folder / f"checkpoints-{month}.jsonl", flags, 0o600)
        try:
            _append_whole(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return line

    def publish(self) -> None:
        """Write the public keys to `audit-public.pem`, for whoever verifies without our secrets.

        Those of keys that are gone stay: what they signed is verified with them.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / "audit-public.pem"
        form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        pems = [key.public_key().public_bytes(*form) for key in self._keys]
        before = file.read_bytes() if file.exists() else b""
        file.write_bytes(before + b"".join(pem for pem in pems if pem not in before))


def _verify(key: object, signature: bytes, payload: str, keys: Sequence[Ed25519PublicKey]) -> None:
    signer = next((known for known in keys if key_id(known) == key), None)
    if signer is None:
        raise CheckpointInvalid("unknown-key")
    try:
        signer.verify(signature, _CONTEXT + payload.encode())
    except InvalidSignature:
        raise CheckpointInvalid("signature") from None


def _first_valid(
    lines: Iterable[bytes], keys: Sequence[Ed25519PublicKey], gateway: str
) -> Checkpoint | None:
    for line in lines:
        with contextlib.suppress(CheckpointInvalid):
            found = read_checkpoint(line, keys)
            if found.gateway == gateway:
                return found
    return None


def _last_lines(path: Path) -> Sequence[bytes]:
    """Return the last lines of a file that may be large; the first of them may lack its start."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read().splitlines()


def _append_whole(descriptor: int, line: bytes) -> None:
    """Append `line` or leave the file as it was; what a crash left without its end is cut first."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 4096, max(0, size - 4096))
    if tail and not tail.endswith(b"\n"):
        size -= len(tail) - (tail.rfind(b"\n") + 1)
        os.ftruncate(descriptor, size)
    if os.write(descriptor, line) != len(line):
        os.ftruncate(descriptor, size)
        raise OSError(None, "the checkpoint was written in part")
