"""A planned bundle becomes what travels: whole bytes to push, and Secrets to mount.

Pure. The first Secret also holds the history of what was rendered, which no proxy mounts: an
operator that starts again finds it there and changes nothing.
"""

import gzip
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from pydantic import ConfigDict, Field

from ostiary.config.bundle import complete, pack, write_bundle
from ostiary.config.document import SCHEMA
from ostiary.config.older import Older
from ostiary.crypto.seal import SealRing
from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.model import Model, validate
from ostiary.decode.strict_json import read_json
from ostiary.translate.fill import fill
from ostiary.translate.names import SHARDS
from ostiary.translate.render import PlannedBundle
from ostiary.translate.world import History

__all__ = ["HISTORY", "Packed", "Parcel", "TooLarge", "pack_bundle", "read_history", "shards_of"]

HISTORY: Final = "history"
"""Key of the history in the Secret of the first shard."""
_LARGEST: Final = 16 * 1024 * 1024


class TooLarge(Exception):  # noqa: N818 - a statement
    """The bundle does not fit into its Secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One bundle as bytes, with all of its credentials in clear.

    `older` has the same in older schemas.
    """

    revision: int
    digest: str
    data: bytes = field(repr=False)
    older: Mapping[int, bytes] = field(default_factory=dict, repr=False)

    def of(self, schema: int) -> bytes:
        """Return what a proxy gets that reads this schema.

        Where there is nothing for it that is ours, which it refuses with a reason.
        """
        return self.older.get(schema, self.data)


class _History(Model):
    """An operator of an older version reads it too, and takes of it what it knows."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    revision: int = Field(ge=0)
    digest: str
    since: dict[str, tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A bundle both ways: as it is pushed, and by schema what each Secret of it holds."""

    parcel: Parcel
    shards: Mapping[int, Sequence[Mapping[str, bytes]]] = field(repr=False)


def pack_bundle(
    planned: PlannedBundle,
    values: Mapping[tuple[str, str, str], Secret],
    seal: SealRing,
    *,
    read: Collection[int] = (),
    older: Mapping[int, Older],
) -> Packed:
    """Return the bundle with its values; raises TooLarge.

    It is in today's schema, and in each of `older` that proxies read.
    """
    config, credentials = fill(planned, values)
    bundle = complete(config, credentials, revision=planned.revision, seal=seal)
    written = {
        schema: write_bundle(bundle, schema=schema, older=older)
        for schema in sorted(older.keys() & set(read))
    }
    parcel = Parcel(
        revision=bundle.revision, digest=bundle.digest, data=write_bundle(bundle), older=written
    )
    shards = {
        schema: shards_of(parcel, planned.history, schema=schema) for schema in (SCHEMA, *written)
    }
    return Packed(parcel=parcel, shards=shards)


def shards_of(
    parcel: Parcel, history: History, *, schema: int = SCHEMA
) -> Sequence[Mapping[str, bytes]]:
    """Return what each Secret holds, as many as the bundle fills; raises TooLarge."""
    shards = pack(parcel.of(schema), parcel.revision, schema=schema)
    if len(shards) > SHARDS:
        said = (
            f"the bundle needs {len(shards)} Secrets and has {SHARDS}; "
            "move some routes to another gateway"
        )
        raise TooLarge(said)
    held = [{f"bundle-{index:03}": shard} for index, shard in enumerate(shards)]
    held[0][HISTORY] = _write_history(history)
    return held


def read_history(data: bytes) -> History | None:
    """Return the history in `data`; None where it can't be read: all is rendered anew then."""
    try:
        text = zlib.decompressobj(31).decompress(data, _LARGEST)
        found = validate(_History, read_json(text))
    except (zlib.error, Faulty):
        return None
    return History(revision=found.revision, digest=found.digest, since=found.since)


def _write_history(history: History) -> bytes:
    since = {key: list(entry) for key, entry in history.since.items()}
    document = {"revision": history.revision, "digest": history.digest, "since": since}
    return gzip.compress(write_json(document), mtime=0)
