"""The SQLite store when the disk, another process or a crash gets in its way."""

import asyncio
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ostiary_proxy.store import sqlite as module
from ostiary_proxy.store.port import Row, StoreUnavailable, Take
from ostiary_proxy.store.sqlite import SqliteStore

NOW = 1_800_000_000.0


def clock() -> float:
    return NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(path, clock)
    yield opened
    await opened.close()


@contextmanager
def full_disk(beyond: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes: writes fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_what_was_put_is_there_after_a_restart(path: Path) -> None:
    first = SqliteStore(path, clock)
    await first.put("t", "k", b"v", expires=NOW + 1)
    await first.charge([Take(key="b", requests=1, per=60)], NOW)
    await first.acquire("l", "h", 10)
    await first.close()

    second = SqliteStore(path, clock)
    assert await second.get("t", "k") == Row(key="k", value=b"v", version=1, expires=NOW + 1)
    assert await second.charge([Take(key="b", requests=1, per=60)], NOW) == (0, pytest.approx(60))
    assert not await second.acquire("l", "other", 10)
    await second.close()


async def test_nobody_else_may_read_the_files(store: SqliteStore, path: Path) -> None:
    before = os.umask(0)
    try:
        await store.put("t", "k", b"v", expires=None)
    finally:
        os.umask(before)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {
        "store.sqlite3": 0o600, "store.sqlite3-wal": 0o600, "store.sqlite3-shm": 0o600,
    }  # fmt: skip
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_file_left_open_to_others_is_closed_to_them(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o644)

    store = SqliteStore(path, clock)
    await store.get("t", "k")
    await store.close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_reads_and_writes_at_the_very_start_find_the_file_ready(path: Path) -> None:
    store = SqliteStore(path, clock)

    answers = await asyncio.gather(
        *(store.get("t", f"k{n}") for n in range(10)),
        *(store.put("t", f"k{n}", b"v", expires=None, version=None) for n in range(10)),
    )

    assert answers[10:] == [1] * 10
    await store.close()


async def test_closing_finishes_what_waits(path: Path) -> None:
    store = SqliteStore(path, clock)
    writes = [asyncio.ensure_future(store.put("t", f"{n}", b"v", expires=None)) for n in range(300)]
    await asyncio.sleep(0)

    await store.close()

    assert await asyncio.gather(*writes) == [1] * 300
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM rows").fetchone() == (300,)


WRITER = """
import asyncio, sys
from pathlib import Path
from ostiary_proxy.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]), lambda: 0.0)
    async def write(name):
        for n in range(10_000):
            await store.put("t", f"{name}-{n}", b"v" * 100, expires=None)
            print(f"{name}-{n}", flush=True)
    await asyncio.gather(*(write(name) for name in "abcdefgh"))

asyncio.run(main())
"""


async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]

    store = SqliteStore(path, clock)
    assert [key for key in acknowledged if await store.get("t", key) is None] == []
    await store.close()


async def test_a_full_disk_makes_it_unavailable_until_there_is_room(
    store: SqliteStore, path: Path
) -> None:
    await store.put("t", "before", b"v", expires=None)

    with full_disk(path.with_name("store.sqlite3-wal").stat().st_size):
        with pytest.raises(StoreUnavailable):
            await store.put("t", "during", b"v" * 9000, expires=None)
        with pytest.raises(StoreUnavailable):
            await store.charge([Take(key="b", requests=1, per=60)], NOW)

    assert await store.get("t", "before") is not None
    assert await store.get("t", "during") is None
    assert await store.put("t", "after", b"v", expires=None, version=0) == 1
    assert await store.charge([Take(key="b", requests=1, per=60)], NOW) is None


async def test_one_write_that_does_not_fit_fails_alone(store: SqliteStore, path: Path) -> None:
    await store.put("t", "before", b"v", expires=None)

    with full_disk(path.with_name("store.sqlite3-wal").stat().st_size + 200_000):
        answers = await asyncio.gather(
            store.put("t", "small", b"v", expires=None),
            store.put("t", "large", b"v" * 900_000, expires=None),
            store.put("t", "other", b"v", expires=None),
            return_exceptions=True,
        )

    assert [type(answer) for answer in answers] == [int, StoreUnavailable, int]
    assert {row.key for row in await store.scan("t", "", limit=9)} == {"before", "small", "other"}


async def test_a_locked_file_makes_it_unavailable_until_it_is_let_go(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BUSY", 0.05)
    await store.put("t", "k", b"v", expires=None)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers = await asyncio.gather(
            *(store.put("t", "k", b"w", expires=None) for _ in range(40)), return_exceptions=True
        )
        assert await store.get("t", "k") == Row(key="k", value=b"v", version=1, expires=None)

    assert {type(answer) for answer in answers} == {StoreUnavailable}
    assert await store.put("t", "k", b"w", expires=None) == 2


async def test_a_file_that_is_no_store_makes_it_unavailable_and_stays_as_it_is(
    store: SqliteStore, path: Path
) -> None:
    path.parent.mkdir()
    path.write_bytes(garbage := b"not a database" * 1000)

    with pytest.raises(StoreUnavailable):
        await store.get("t", "k")
    with pytest.raises(StoreUnavailable):
        await store.put("t", "k", b"v", expires=None)

    assert path.read_bytes() == garbage
    path.unlink()
    assert await store.put("t", "k", b"v", expires=None) == 1


async def test_a_damaged_page_makes_it_unavailable(path: Path) -> None:
    first = SqliteStore(path, clock)
    for n in range(50):
        await first.put("t", f"{n:03}", bytes(2000), expires=None)
    await first.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))

    second = SqliteStore(path, clock)
    with pytest.raises(StoreUnavailable):
        await second.scan("t", "", limit=99)
    await second.close()


async def test_a_folder_that_takes_no_file_makes_it_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = SqliteStore(tmp_path / "file" / "store.sqlite3", clock)

    with pytest.raises(StoreUnavailable):
        await store.put("t", "k", b"v", expires=None)
    await store.close()


async def test_a_file_of_a_newer_schema_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    store = SqliteStore(path, clock)

    with pytest.raises(StoreUnavailable, match="newer"):
        await store.get("t", "k")
    await store.close()


async def test_what_ended_leaves_the_file(path: Path) -> None:
    times = [NOW]
    store = SqliteStore(path, lambda: times[0])
    for n in range(300):
        await store.put("t", f"{n}", b"v", expires=NOW + 1)
        await store.charge([Take(key=f"{n}", requests=1, per=1)], NOW)
    times[0] += 7200
    for _ in range(2000):
        await store.charge([Take(key="b", requests=1, per=1)], times[0])
    await store.close()

    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM rows").fetchone() == (0,)
        assert db.execute("SELECT key FROM buckets").fetchall() == [("b",)]


async def test_a_caller_that_gave_up_disturbs_nobody(store: SqliteStore) -> None:
    writes = [asyncio.ensure_future(store.put("t", f"{n}", b"v", expires=None)) for n in range(20)]
    await asyncio.sleep(0)
    for write in writes[::2]:
        write.cancel()

    assert await asyncio.gather(*writes[1::2]) == [1] * 10
    assert await store.put("t", "next", b"v", expires=None) == 1
