"""Whatever is done to them in whatever order, SQLite and Redis answer as memory does."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.store.port import Conflict, Store, Take
from ostiary_proxy.store.sqlite import SqliteStore
from real_parts import RedisPart, redis_server
from store_parts import GATEWAYS, redis_store

TABLES = st.sampled_from(["a", "b"])
KEYS = st.sampled_from(["k", "k%", "k_", "K", "k\0", "ké", "k\U0010ffff", "l"]) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3
)
PREFIXES = st.just("") | KEYS
SECONDS = st.sampled_from([0.5, 1.0, 7.0, 60.0])
TAKES = st.builds(
    Take,
    key=st.sampled_from(["p", "q", "r"]),
    requests=st.integers(1, 5),
    per=st.sampled_from([1.0, 3.7, 60.0]),
)


class AllStores(RuleBasedStateMachine):
    """Does each thing to every store and compares the answers."""

    def __init__(self, redis: RedisPart) -> None:
        super().__init__()
        self.now = 1_800_000_000.0
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.stores: tuple[Store, ...] = (
            MemoryStore(lambda: self.now),
            SqliteStore(Path(self.folder.name) / "store.sqlite3", lambda: self.now),
            redis_store(redis, lambda: self.now, gateway=next(GATEWAYS)),
        )

    def all(self, act: Callable[[Store], Awaitable[object]]) -> None:
        async def answer(store: Store) -> object:
            try:
                return await act(store)
            except Conflict:
                return Conflict

        memory, *others = [self.runner.run(answer(store)) for store in self.stores]
        assert others == [memory] * len(others)

    def teardown(self) -> None:
        for store in self.stores:
            self.runner.run(store.close())
        self.runner.close()
        self.folder.cleanup()

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 7.0, 3600.0, -1.0, -3600.0]))
    def time_passes_or_steps_back(self, seconds: float) -> None:
        self.now += seconds

    @rule(table=TABLES, key=KEYS)
    def get(self, table: str, key: str) -> None:
        self.all(lambda store: store.get(table, key))

    @rule(
        table=TABLES,
        key=KEYS,
        value=st.binary(max_size=8),
        ends_in=st.none() | SECONDS,
        version=st.none() | st.integers(0, 4),
    )
    def put(
        self, table: str, key: str, value: bytes, ends_in: float | None, version: int | None
    ) -> None:
        expires = None if ends_in is None else self.now + ends_in
        self.all(lambda store: store.put(table, key, value, expires=expires, version=version))

    @rule(table=TABLES, key=KEYS)
    def take(self, table: str, key: str) -> None:
        self.all(lambda store: store.take(table, key))

    @rule(table=TABLES, key=KEYS)
    def delete(self, table: str, key: str) -> None:
        self.all(lambda store: store.delete(table, key))

    @rule(table=TABLES, prefix=PREFIXES, limit=st.integers(0, 4), after=st.just("") | KEYS)
    def scan(self, table: str, prefix: str, limit: int, after: str) -> None:
        self.all(lambda store: store.scan(table, prefix, limit=limit, after=after))

    @rule(takes=st.lists(TAKES, max_size=4))
    def charge(self, takes: list[Take]) -> None:
        self.all(lambda store: store.charge(takes, self.now))

    @rule(name=KEYS, holder=st.sampled_from("xyz"), seconds=SECONDS)
    def acquire(self, name: str, holder: str, seconds: float) -> None:
        self.all(lambda store: store.acquire(name, holder, seconds))

    @rule(name=KEYS, holder=st.sampled_from("xyz"))
    def release(self, name: str, holder: str) -> None:
        self.all(lambda store: store.release(name, holder))


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisPart]:
    with redis_server(tmp_path_factory.mktemp("redis")) as part:
        yield part


def test_all_stores_answer_alike(redis: RedisPart) -> None:
    run_state_machine_as_test(
        lambda: AllStores(redis),  # type: ignore[arg-type]  # any factory will do
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
