"""A bundle as bytes: digest, gzip JSON, and the shards that it travels in.

A shard is one line of JSON `{"schema", "revision", "shard", "shards", "sha256"}` and then its part
of the gzip bytes; `sha256` is over all of them, so that a set that was torn while it was replaced
is recognised and refused.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.config.document import SCHEMA, Bundle, Config
from ostiary.config.older import OLDER, Older
from ostiary.crypto.seal import SealRing
from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.json_text import canonical_json, write_json
from ostiary.decode.model import validate
from ostiary.decode.strict_json import Json, read_json

__all__ = [
    "SHARD_SIZE", "complete", "newest_revision", "pack", "read_bundle", "unpack", "write_bundle",
]  # fmt: skip

SHARD_SIZE: Final = 900_000
"""Bytes of one shard at most: a Kubernetes Secret holds 1 MiB."""
_MAX_SIZE: Final = 64 * 1024 * 1024
_GZIP: Final = 31


def complete(
    config: Config, credentials: Mapping[str, Secret], *, revision: int, seal: SealRing
) -> Bundle:
    """Return the bundle of `config` with the credentials that it names.

    Equal digests mean equal behaviour.
    """
    hashes = {
        name: seal.keyed_hash("credential", secret.reveal()) for name, secret in credentials.items()
    }
    digest = hashlib.sha256(canonical_json({"config": config.plain(), "credentials": hashes}))
    return Bundle(
        schema_version=SCHEMA,
        revision=revision,
        digest=f"sha256:{digest.hexdigest()}",
        config=config,
        credentials=dict(credentials),
    )


def write_bundle(
    bundle: Bundle, *, schema: int = SCHEMA, older: Mapping[int, Older] = OLDER
) -> bytes:
    """Return the bundle as gzip JSON of a schema, with its credentials in clear.

    Equal bundles give equal bytes. In an older schema, which is one of `older`, revision and digest
    are the same.
    """
    config = bundle.config.plain()
    document = {
        "schema": schema,
        "revision": bundle.revision,
        "digest": bundle.digest,
        "config": config if schema == SCHEMA else older[schema](config),
        "credentials": {name: secret.reveal() for name, secret in bundle.credentials.items()},
    }
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return packer.compress(write_json(document)) + packer.flush()


def read_bundle(data: bytes) -> Bundle:
    """Return the bundle in gzip JSON `data`; raises Faulty for anything else, bombs included."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        text = unpacker.decompress(data, _MAX_SIZE)
    except zlib.error:
        raise _faulty("the bundle is not gzip data") from None
    if not unpacker.eof:
        raise _faulty(f"the bundle is cut short or larger than {_MAX_SIZE} bytes")
    return validate(Bundle, read_json(text))


def pack(
    data: bytes, revision: int, *, schema: int = SCHEMA, size: int = SHARD_SIZE
) -> tuple[bytes, ...]:
    """Return `data` as shards of at most `size` bytes each, head line apart."""
    parts = [data[start : start + size] for start in range(0, max(len(data), 1), size)]
    whole = hashlib.sha256(data).hexdigest()
    return tuple(
        write_json(
            {
                "schema": schema,
                "revision": revision,
                "shard": index,
                "shards": len(parts),
                "sha256": whole,
            }
        )
        + b"\n"
        + part
        for index, part in enumerate(parts)
    )


def unpack(shards: Sequence[bytes]) -> bytes:
    """Return the bytes that `pack` took, whatever the order of the shards.

    Raises Faulty where the set is torn: shards of two revisions, one missing, or other bytes than
    were packed. Shards beyond the count of the set (left over from a larger one) are passed over
    where they are older.
    """
    heads = [_head(shard) for shard in shards]
    newest = max((head for head, _ in heads), key=lambda head: head[0], default=None)
    if newest is None:
        raise _faulty("there is no bundle yet")
    parts = {
        head[1]: part
        for head, part in heads
        if (head[0], head[2], head[3]) == (newest[0], *newest[2:])
    }
    data = b"".join(parts[index] for index in sorted(parts) if index < newest[2])
    if len(parts) < newest[2] or hashlib.sha256(data).hexdigest() != newest[3]:
        raise _faulty("the bundle is torn: its shards do not belong together (yet)")
    return data


def newest_revision(shards: Sequence[bytes]) -> int | None:
    """Return the newest revision that `shards` belong to, torn or not; None where there are none.

    Raises Faulty for what is no shard.
    """
    return max((_head(shard)[0][0] for shard in shards), default=None)


def _head(shard: bytes) -> tuple[tuple[int, int, int, str], bytes]:
    line, newline, part = shard.partition(b"\n")
    head: Json = read_json(line) if newline else None
    if not isinstance(head, dict) or head.get("schema") != SCHEMA:
        raise _faulty(f"a shard of the bundle has no head of schema {SCHEMA}")
    revision, index, count, whole = (
        head.get(name) for name in ("revision", "shard", "shards", "sha256")
    )
    if not (isinstance(revision, int) and isinstance(index, int) and isinstance(count, int)):
        raise _faulty("the head of a shard is incomplete")
    return (revision, index, count, str(whole)), part


def _faulty(message: str) -> Faulty:
    return Faulty([Fault(path="", message=message)])
