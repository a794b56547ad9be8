"""The last good configuration survives whatever comes after it."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ostiary.config.bundle import complete, pack, write_bundle
from ostiary.config.document import Bundle, Config, Gateway
from ostiary.crypto.seal import SealRing
from ostiary_proxy.reload import Loaded, Reloader

RING = SealRing([os.urandom(32)])


@dataclass
class Served:
    """Stands where a Runtime does: a bundle, and whether it was let go."""

    bundle: Bundle
    faults: tuple[str, ...] = ()
    retired: asyncio.Event = field(default_factory=asyncio.Event)

    async def retire(self) -> None:
        self.retired.set()


def bundle(revision: int, name: str = "gw") -> Bundle:
    gateway = Gateway(namespace="default", name=name, public_url="http://localhost:1")
    return complete(Config(gateway=gateway), {}, revision=revision, seal=RING)


def put(folder: Path, made: Bundle) -> None:
    for index, shard in enumerate(pack(write_bundle(made), made.revision, size=200)):
        (folder / f"bundle-{index:03}").write_bytes(shard)


@pytest.fixture
def swaps() -> list[int]:
    return []


@pytest.fixture
def reloader(swaps: list[int]) -> Reloader:
    return Reloader(Served, lambda: 1000.0, lambda _: swaps.append(1))  # type: ignore[arg-type]  # stands for a Runtime


async def test_a_new_revision_is_served_and_the_old_one_let_go(
    reloader: Reloader, swaps: list[int]
) -> None:
    await reloader.take(bundle(1))
    old = reloader.current
    loaded = await reloader.take(bundle(2, "other"))

    assert loaded == Loaded(revision=2, digest=bundle(2, "other").digest)
    await asyncio.wait_for(old.retired.wait(), 2)  # type: ignore[union-attr]
    assert swaps == [1, 1]


async def test_an_equal_digest_changes_nothing_but_the_revision(
    reloader: Reloader, swaps: list[int]
) -> None:
    await reloader.take(bundle(1))
    served = reloader.current
    loaded = await reloader.take(bundle(5))

    assert (loaded.revision, loaded.faults) == (5, ())
    assert reloader.current is served
    assert swaps == [1]


async def test_an_older_revision_is_refused(reloader: Reloader) -> None:
    await reloader.take(bundle(3))
    loaded = await reloader.take(bundle(2, "older"))

    assert loaded == Loaded(
        revision=3,
        digest=bundle(3).digest,
        faults=("revision 2 is older than 3, which is served",),
    )


@pytest.mark.parametrize("harm", ["gone", "torn", "garbage"])
async def test_a_folder_that_breaks_leaves_the_last_good_bundle(
    reloader: Reloader, tmp_path: Path, harm: str
) -> None:
    put(tmp_path, bundle(1))
    await reloader.load(tmp_path)
    shards = sorted(tmp_path.glob("bundle-*"))
    if harm == "torn":
        shards[-1].unlink()
    for shard in shards if harm != "torn" else []:
        shard.unlink() if harm == "gone" else shard.write_bytes(b"\x00garbage")
    loaded = await reloader.load(tmp_path)

    assert (loaded.revision, loaded.digest) == (1, bundle(1).digest)
    assert len(loaded.faults) == 1


async def test_a_change_in_the_folder_is_seen(reloader: Reloader, tmp_path: Path) -> None:
    put(tmp_path, bundle(1))
    await reloader.load(tmp_path)
    watching = asyncio.create_task(reloader.watch(tmp_path))
    try:
        async with asyncio.timeout(20):
            while reloader.loaded.revision < 2:
                put(tmp_path, bundle(2, "other"))
                await asyncio.sleep(0.05)
    finally:
        watching.cancel()

    assert reloader.loaded.digest == bundle(2, "other").digest
