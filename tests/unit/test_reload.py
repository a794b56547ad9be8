"""The last good configuration survives whatever comes after it."""

import asyncio
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ostiary.config.bundle import complete, pack, write_bundle
from ostiary.config.document import Bundle, Config, Gateway
from ostiary.crypto.seal import SealRing
from ostiary_proxy.pipeline.routes import ClosedFault
from ostiary_proxy.reload import Loaded, Reloader

RING = SealRing([os.urandom(32)])


@dataclass
class Served:
    """Stands where a Runtime does: a bundle, and whether it was let go."""

    bundle: Bundle
    faults: tuple[ClosedFault, ...] = ()
    retired: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def retire(self) -> None:
        self.retired.set()

    async def close(self) -> None:
        self.closed = True


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
    async def build(made: Bundle) -> Served:
        return Served(made)

    return Reloader(build, lambda: 1000.0, lambda _: swaps.append(1))  # type: ignore[arg-type]  # stands for a Runtime


async def test_a_new_revision_is_served_and_the_old_one_let_go(
    reloader: Reloader, swaps: list[int]
) -> None:
    await reloader.take(bundle(1))
    old = reloader.current
    loaded = await reloader.take(bundle(2, "other"))

    assert loaded == Loaded(revision=2, digest=bundle(2, "other").digest)
    await asyncio.wait_for(old.retired.wait(), 2)  # type: ignore[union-attr]
    assert swaps == [1, 1]


async def test_at_the_end_what_is_served_is_closed(reloader: Reloader) -> None:
    await reloader.take(bundle(1))
    await reloader.close()

    assert reloader.current.closed  # type: ignore[union-attr]  # a `Served`


async def test_an_equal_digest_changes_nothing_but_the_revision(
    reloader: Reloader, swaps: list[int]
) -> None:
    await reloader.take(bundle(1))
    served = reloader.current
    loaded = await reloader.take(bundle(5))

    assert (loaded.revision, loaded.failures) == (5, ())
    assert reloader.current is served
    assert swaps == [1]


async def test_an_older_revision_is_never_served_and_no_failure(
    reloader: Reloader, tmp_path: Path
) -> None:
    await reloader.take(bundle(3))
    put(tmp_path, bundle(2, "older"))
    served = Loaded(revision=3, digest=bundle(3).digest)

    assert await reloader.push(write_bundle(bundle(2, "older"))) == served
    assert await reloader.load(tmp_path) == served


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        ("torn", "the bundle is torn: its shards do not belong together (yet)"),
        ("garbage", "a shard of the bundle has no head of schema 1"),
    ],
)
async def test_a_newer_set_that_is_broken_leaves_the_last_good_bundle(
    reloader: Reloader, tmp_path: Path, harm: str, why: str
) -> None:
    await reloader.take(bundle(1))
    put(tmp_path, bundle(2, "other"))
    last = max(tmp_path.glob("bundle-*"))
    last.unlink() if harm == "torn" else last.write_bytes(b"\x00garbage")
    served = Loaded(revision=1, digest=bundle(1).digest)

    assert await reloader.load(tmp_path) == replace(served, failures=(why,))
    put(tmp_path, bundle(1))
    assert await reloader.load(tmp_path) == served


async def test_a_volume_that_lags_behind_a_push_is_no_failure(
    reloader: Reloader, tmp_path: Path
) -> None:
    pushed = await reloader.push(write_bundle(bundle(4)))

    assert await reloader.load(tmp_path) == pushed
    put(tmp_path, bundle(3, "older"))
    max(tmp_path.glob("bundle-*")).unlink()
    assert await reloader.load(tmp_path) == pushed


@pytest.mark.parametrize("harm", ["gone", "torn"])
async def test_a_volume_that_loses_what_it_held_is_a_failure(
    reloader: Reloader, tmp_path: Path, harm: str
) -> None:
    put(tmp_path, bundle(1))
    served = await reloader.load(tmp_path)
    shards = sorted(tmp_path.glob("bundle-*"))
    for shard in shards if harm == "gone" else shards[-1:]:
        shard.unlink()

    why = {
        "gone": "there is no bundle yet",
        "torn": "the bundle is torn: its shards do not belong together (yet)",
    }
    assert await reloader.load(tmp_path) == replace(served, failures=(why[harm],))
    put(tmp_path, bundle(1))
    assert await reloader.load(tmp_path) == served


async def test_a_push_that_can_not_be_read_says_so_until_a_good_one_comes(
    reloader: Reloader,
) -> None:
    await reloader.take(bundle(1))
    why = ("the bundle is not gzip data",)

    assert (await reloader.push(b"garbage")).failures == why
    assert reloader.loaded == Loaded(revision=1, digest=bundle(1).digest, failures=why)
    assert (await reloader.push(write_bundle(bundle(2)))).failures == ()


async def test_a_bundle_that_can_not_be_built_leaves_the_last_good_one(
    reloader: Reloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await reloader.take(bundle(1))

    async def broken(made: Bundle) -> Served:
        raise ValueError("no")

    monkeypatch.setattr(reloader, "_build", broken)
    loaded = await reloader.push(write_bundle(bundle(2, "other")))

    assert (loaded.revision, loaded.failures) == (1, ("the bundle can't be served: no",))


async def test_the_bytes_that_were_pushed_last_are_not_read_again(
    reloader: Reloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_bundle(bundle(1))
    first = await reloader.push(data)

    def unread(_: bytes) -> Bundle:
        raise AssertionError

    monkeypatch.setattr("ostiary_proxy.reload.read_bundle", unread)

    assert await reloader.push(data) == first


async def test_a_push_waits_while_another_is_taken(
    reloader: Reloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    building, may = [], asyncio.Event()

    async def slow(made: Bundle) -> Served:
        building.append(made.revision)
        await may.wait()
        return Served(made)

    monkeypatch.setattr(reloader, "_build", slow)
    first = asyncio.create_task(reloader.take(bundle(1)))
    await asyncio.sleep(0)
    second = asyncio.create_task(reloader.take(bundle(2, "other")))
    await asyncio.sleep(0)
    assert building == [1]
    may.set()

    assert [(await one).revision for one in (first, second)] == [1, 2]


async def test_a_push_is_served_although_its_sender_went_away(
    reloader: Reloader, monkeypatch: pytest.MonkeyPatch
) -> None:
    building, may = asyncio.Event(), asyncio.Event()

    async def slow(made: Bundle) -> Served:
        building.set()
        await may.wait()
        return Served(made)

    monkeypatch.setattr(reloader, "_build", slow)
    push = asyncio.create_task(reloader.push(write_bundle(bundle(3))))
    await asyncio.wait_for(building.wait(), 5)
    push.cancel()
    may.set()

    await asyncio.wait_for(reloader.reaches(3), 5)
    assert push.cancelled()


async def test_who_waits_for_a_revision_is_told_when_it_comes(reloader: Reloader) -> None:
    waiting = asyncio.create_task(reloader.reaches(2))
    await reloader.take(bundle(1))
    assert not waiting.done()
    await reloader.take(bundle(3))

    await asyncio.wait_for(waiting, 2)


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
