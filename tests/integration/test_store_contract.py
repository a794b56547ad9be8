"""What every Store promises, run on each of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.store.port import Conflict, Row, Store, StoreUnavailable, Take
from ostiary_proxy.store.sqlite import SqliteStore
from ostiary_proxy.store.walk import walk
from real_parts import RedisPart, redis_server
from store_parts import GATEWAYS, redis_store


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisPart]:
    with redis_server(tmp_path_factory.mktemp("redis")) as part:
        yield part


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(
    request: pytest.FixtureRequest, clock: Clock, tmp_path: Path
) -> AsyncIterator[Store]:
    opened: Store
    if request.param == "memory":
        opened = MemoryStore(clock)
    elif request.param == "sqlite":
        opened = SqliteStore(tmp_path / "store.sqlite3", clock)
    else:
        part: RedisPart = request.getfixturevalue("redis")
        opened = redis_store(part, clock, gateway=next(GATEWAYS))
    yield opened
    await opened.close()


async def test_a_row_comes_back_as_it_was_put(store: Store, clock: Clock) -> None:
    ends = clock.now + 60

    assert await store.put("grants", "g1", b"\x00v", expires=ends) == 1

    assert await store.get("grants", "g1") == Row(key="g1", value=b"\x00v", version=1, expires=ends)
    assert await store.get("clients", "g1") is None
    assert await store.get("grants", "g2") is None


async def test_each_write_counts_one_version(store: Store) -> None:
    written = [await store.put("t", "k", b"v", expires=None) for _ in range(3)]

    assert written == [1, 2, 3]


async def test_a_write_over_a_version_that_was_not_read_is_a_conflict(store: Store) -> None:
    await store.put("t", "k", b"first", expires=None, version=0)

    for stale in (0, 2, 7):
        with pytest.raises(Conflict):
            await store.put("t", "k", b"second", expires=None, version=stale)

    assert await store.put("t", "k", b"second", expires=None, version=1) == 2
    with pytest.raises(Conflict):
        await store.put("t", "absent", b"v", expires=None, version=1)


async def test_a_row_has_ended_exactly_at_its_end(store: Store, clock: Clock) -> None:
    await store.put("t", "k", b"v", expires=clock.now + 10)
    clock.now += 9.999
    assert await store.get("t", "k") is not None

    clock.now += 0.001

    assert await store.get("t", "k") is None
    assert await store.take("t", "k") is None
    assert await store.delete("t", "k") is False
    assert await store.scan("t", "", limit=9) == []
    assert await store.put("t", "k", b"w", expires=None, version=0) == 1


async def test_an_ended_row_conflicts_with_the_version_it_had(store: Store, clock: Clock) -> None:
    await store.put("t", "k", b"v", expires=clock.now + 10)
    clock.now += 10

    with pytest.raises(Conflict):
        await store.put("t", "k", b"w", expires=None, version=1)


async def test_deleting_says_whether_it_was_there(store: Store) -> None:
    await store.put("t", "k", b"v", expires=None)

    assert [await store.delete("t", "k") for _ in range(2)] == [True, False]


async def test_a_scan_is_by_prefix_in_order_and_bounded(store: Store) -> None:
    for key in ("u:b", "u:a", "u:", "v:a", "u", "u:\U0010ffff", "u:é", "u;"):
        await store.put("t", key, key.encode(), expires=None)
    await store.put("other", "u:x", b"", expires=None)

    assert [row.key for row in await store.scan("t", "u:", limit=9)] == [
        "u:", "u:a", "u:b", "u:é", "u:\U0010ffff",
    ]  # fmt: skip
    assert [row.key for row in await store.scan("t", "u:", limit=2)] == ["u:", "u:a"]
    assert await store.scan("t", "u:", limit=0) == []
    assert [row.key for row in await store.scan("t", "u:", limit=2, after="u:a")] == ["u:b", "u:é"]
    assert [row.key for row in await store.scan("t", "u:", limit=1, after="a")] == ["u:"]
    assert await store.scan("t", "u:", limit=9, after="u:\U0010ffff") == []
    assert len(await store.scan("t", "", limit=99)) == 8


async def test_a_walk_meets_every_row_in_order_however_many(store: Store) -> None:
    keys = [f"u:{number:04}" for number in range(1203)]
    for key in (*keys, "t:1", "v:1"):
        await store.put("t", key, b"", expires=None)

    assert [row.key async for row in walk(store, "t", "u:")] == keys
    assert [row.key async for row in walk(store, "t", "u:", after="u:1199")] == keys[1200:]


async def test_wildcards_in_a_prefix_stand_for_themselves(store: Store) -> None:
    for key in ("a%b", "a_b", "axb", "a*b"):
        await store.put("t", key, b"", expires=None)

    assert [row.key for row in await store.scan("t", "a%", limit=9)] == ["a%b"]


@pytest.mark.parametrize("key", ["", "k" * 513, "\ud800"])
async def test_a_key_that_no_store_can_hold_is_a_bug_of_the_caller(store: Store, key: str) -> None:
    with pytest.raises(ValueError):
        await store.get("t", key)
    with pytest.raises(ValueError):
        await store.put("t", key, b"", expires=None)
    with pytest.raises(ValueError):
        await store.charge([Take(key=key, requests=1, per=1)], 0)
    await store.put("t", "k" * 512, b"fine", expires=None)


async def test_of_many_writers_over_one_version_one_wins(store: Store) -> None:
    await store.put("t", "k", b"", expires=None)

    async def write(name: int) -> bool:
        try:
            await store.put("t", "k", b"%d" % name, expires=None, version=1)
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(write(name) for name in range(50)))

    assert sum(won) == 1
    row = await store.get("t", "k")
    assert row == Row(key="k", value=b"%d" % won.index(True), version=2, expires=None)


async def test_counting_by_compare_and_set_loses_nothing(store: Store) -> None:
    await store.put("t", "n", b"0", expires=None)

    async def add() -> None:
        while True:
            row = await store.get("t", "n")
            assert row is not None
            try:
                value = b"%d" % (int(row.value) + 1)
                await store.put("t", "n", value, expires=None, version=row.version)
            except Conflict:
                continue
            return

    await asyncio.gather(*(add() for _ in range(12)))

    assert await store.get("t", "n") == Row(key="n", value=b"12", version=13, expires=None)


async def test_a_row_is_taken_once(store: Store) -> None:
    await store.put("codes", "c", b"v", expires=None)

    taken = await asyncio.gather(*(store.take("codes", "c") for _ in range(50)))

    assert [row for row in taken if row] == [Row(key="c", value=b"v", version=1, expires=None)]


async def test_a_bucket_admits_its_requests_and_then_says_when(store: Store, clock: Clock) -> None:
    take = Take(key="k", requests=3, per=60)

    answers = [await store.charge([take], clock.now) for _ in range(4)]

    assert answers == [None, None, None, (0, pytest.approx(20))]
    assert await store.charge([take], clock.now + 20) is None
    assert await store.charge([take], clock.now + 20) == (0, pytest.approx(20))


@pytest.mark.parametrize("requests", [1, 7, 999])
async def test_many_charges_at_once_never_admit_one_too_many(store: Store, requests: int) -> None:
    takes = [Take(key="k", requests=requests, per=86_400)]

    answers = await asyncio.gather(
        *(store.charge(takes, 1_800_000_000.1) for _ in range(requests + 20))
    )

    assert answers.count(None) == requests


async def test_a_full_bucket_takes_nothing_from_the_others(store: Store, clock: Clock) -> None:
    wide, narrow = Take(key="w", requests=3, per=60), Take(key="n", requests=1, per=60)
    assert await store.charge([wide, narrow], clock.now) is None

    for _ in range(5):
        assert await store.charge([wide, narrow], clock.now) == (1, pytest.approx(60))

    assert [await store.charge([wide], clock.now) for _ in range(3)] == [
        None, None, (0, pytest.approx(20)),
    ]  # fmt: skip


async def test_one_bucket_named_twice_is_charged_twice(store: Store, clock: Clock) -> None:
    take = Take(key="k", requests=2, per=60)

    assert await store.charge([take, take], clock.now) is None
    assert await store.charge([take], clock.now) == (0, pytest.approx(30))


async def test_two_of_one_bucket_where_one_is_left_take_none(store: Store, clock: Clock) -> None:
    take = Take(key="k", requests=3, per=60)
    await store.charge([take, take], clock.now)

    assert await store.charge([take, take], clock.now) == (1, pytest.approx(20))
    assert await store.charge([take], clock.now) is None


async def test_charging_nothing_is_always_possible(store: Store) -> None:
    assert await store.charge([], 0.0) is None


async def test_after_the_clock_steps_back_a_bucket_is_full_for_one_period_at_most(
    store: Store, clock: Clock
) -> None:
    take = Take(key="k", requests=2, per=60)
    await store.charge([take, take], clock.now)
    earlier = clock.now - 86_400

    assert await store.charge([take], earlier) == (0, pytest.approx(30))

    assert await store.charge([take], earlier + 30) is None
    assert await store.charge([take], earlier + 30) == (0, pytest.approx(30))


async def test_a_lease_is_held_by_one_and_prolonged_by_its_holder(
    store: Store, clock: Clock
) -> None:
    won = await asyncio.gather(*(store.acquire("refresh", f"h{n}", 10) for n in range(20)))
    assert sum(won) == 1
    holder = f"h{won.index(True)}"

    clock.now += 9
    assert await store.acquire("refresh", holder, 10)

    clock.now += 9
    assert not await store.acquire("refresh", "other", 10)
    clock.now += 1
    assert await store.acquire("refresh", "other", 10)


async def test_a_late_holder_neither_prolongs_nor_releases_the_next_ones_lease(
    store: Store, clock: Clock
) -> None:
    await store.acquire("l", "late", 10)
    clock.now += 10
    await store.acquire("l", "next", 10)

    assert not await store.acquire("l", "late", 10)
    await store.release("l", "late")

    assert not await store.acquire("l", "third", 10)


async def test_a_late_holders_write_is_fenced_by_the_version_it_read(
    store: Store, clock: Clock
) -> None:
    await store.put("accounts", "a", b"old", expires=None)
    await store.acquire("refresh:a", "late", 10)
    clock.now += 10
    assert await store.acquire("refresh:a", "next", 10)
    await store.put("accounts", "a", b"from next", expires=None, version=1)

    with pytest.raises(Conflict):
        await store.put("accounts", "a", b"from late", expires=None, version=1)


async def test_a_released_lease_is_free(store: Store) -> None:
    await store.acquire("l", "a", 10)
    await store.release("l", "a")

    assert await store.acquire("l", "b", 10)
    await store.release("nobody has it", "b")


async def test_after_the_clock_steps_back_a_dead_holder_blocks_for_one_length_at_most(
    store: Store, clock: Clock
) -> None:
    await store.acquire("l", "dead", 10)
    clock.now -= 86_400

    assert not await store.acquire("l", "next", 10)

    clock.now += 10
    assert await store.acquire("l", "next", 10)


async def test_rows_survive_a_clock_that_steps_back(store: Store, clock: Clock) -> None:
    await store.put("t", "k", b"v", expires=clock.now + 10)
    clock.now -= 86_400

    assert await store.put("t", "k", b"w", expires=clock.now + 10, version=1) == 2


async def test_a_closed_store_is_unavailable_and_closes_again(store: Store) -> None:
    await store.close()
    await store.close()

    with pytest.raises(StoreUnavailable):
        await store.get("t", "k")
    with pytest.raises(StoreUnavailable):
        await store.put("t", "k", b"", expires=None)
    with pytest.raises(StoreUnavailable):
        await store.acquire("l", "h", 1)


async def test_much_that_ends_is_swept_and_what_lives_stays(store: Store, clock: Clock) -> None:
    await store.put("t", "live", b"v", expires=None)
    for n in range(40):
        await asyncio.gather(
            *(store.put("t", f"{n}-{i}", b"v", expires=clock.now + 1) for i in range(32))
        )
    clock.now += 7200

    for n in range(40):
        await asyncio.gather(*(store.put("u", f"{n}-{i}", b"v", expires=None) for i in range(32)))

    assert [row.key for row in await store.scan("t", "", limit=9)] == ["live"]
    assert len(await store.scan("u", "", limit=9999)) == 1280
