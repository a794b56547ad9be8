"""What is true of the store in Redis alone: its failures, its limits, its keys."""

import asyncio
import contextlib
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ostiary.crypto.secret import Secret
from ostiary_proxy.store.port import Row, Store, StoreUnavailable, Take
from ostiary_proxy.store.redis import RedisStore
from ostiary_proxy.store.redis_server import RedisServer, RedisUrl
from ostiary_proxy.store.redis_wakes import RedisWakes
from ostiary_proxy.store.terms import Full, admit
from real_parts import RedisPart, free_port, redis_server
from store_parts import GATEWAYS, redis_store

NOW = 1_800_000_000.0
TAKE = Take(key="b", requests=2, per=60)
ROW = Row(key="k", value=b"v", version=1, expires=None)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisPart]:
    with redis_server(tmp_path) as part:
        yield part


def store_at(url: str, *, ca: str | None = None) -> RedisStore:
    bundle = Secret(ca) if ca else None
    return RedisStore(RedisServer(RedisUrl.of(Secret(url), bundle)), "ns/gw", lambda: NOW)


async def refuses(store: Store) -> None:
    """Whatever is asked is refused, and nothing is said to be there, taken or charged."""
    for ask in (
        store.get("t", "k"),
        store.put("t", "k", b"w", expires=None),
        store.take("t", "k"),
        store.delete("t", "k"),
        store.scan("t", "", limit=9),
        store.charge([TAKE], NOW),
        store.acquire("l", "h", 9),
        store.release("l", "h"),
    ):
        with pytest.raises(StoreUnavailable):
            await ask


async def recovers(store: Store, *, seconds: float = 10) -> None:
    """The store answers again, by itself, before long."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await store.put("t", "back", b"v", expires=None)
            except StoreUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[str]:
    """Run a server that answers everything with `reply`; yields its URL."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.wait(serving, timeout=5)


@pytest.mark.parametrize(
    "reply",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-NOPERM this user has no permissions\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-MOVED 1 10.0.0.1:6379\r\n",
        b"+OK\r\n",
        b"*3\r\n+a\r\n+b\r\n+c\r\n",
        b"*1\r\n*-1\r\n",
        b"$3\r\nfoobar\r\n",
        b":x\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\xff\x15\x03\x01",
        b"$99999\r\npart",
    ],
    ids=lambda reply: reply[:12].decode("latin-1").strip(),
)
async def test_whatever_is_no_answer_of_ours_refuses(reply: bytes) -> None:
    async with answering(reply) as url:
        store = store_at(url)

        for ask in (
            store.get("t", "k"),
            store.put("t", "k", b"w", expires=None),
            store.take("t", "k"),
            store.scan("t", "", limit=9),
            store.charge([TAKE], NOW),
            store.acquire("l", "h", 9),
        ):
            with pytest.raises(StoreUnavailable):
                await ask
        await store.close()


async def test_where_nobody_listens_everything_is_refused() -> None:
    store = store_at("redis://127.0.0.1:1")

    await refuses(store)
    await store.close()


async def test_a_stopped_redis_refuses_and_one_that_goes_on_is_used_again(redis: RedisPart) -> None:
    store = redis_store(redis, lambda: NOW)
    await store.put("t", "k", b"v", expires=None)
    redis.process.send_signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(8):
            answers = await asyncio.gather(
                *(store.get("t", "k") for _ in range(100)), return_exceptions=True
            )
            assert {type(answer) for answer in answers} == {StoreUnavailable}
    finally:
        redis.process.send_signal(signal.SIGCONT)

    await recovers(store)
    assert await store.get("t", "k") == ROW
    await store.close()


async def test_a_killed_redis_refuses_and_its_successor_has_what_was_written(
    tmp_path: Path,
) -> None:
    with redis_server(tmp_path, "--appendfsync", "always") as part:
        store = redis_store(part, lambda: NOW)
        await store.put("t", "k", b"v", expires=None)
        part.process.kill()
        part.process.wait()
        await refuses(store)

    with redis_server(tmp_path, port=part.port):
        await recovers(store)
        assert await store.get("t", "k") == ROW
        await store.close()


async def test_a_redis_that_came_back_empty_knows_nothing(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--appendonly", "no") as part:
        store = redis_store(part, lambda: NOW)
        await store.put("code", "k", b"v", expires=None)

    with redis_server(tmp_path, "--appendonly", "no", port=part.port):
        await recovers(store)
        assert await store.take("code", "k") is None
        await store.close()


async def test_scripts_that_redis_forgot_are_sent_again(redis: RedisPart) -> None:
    store = redis_store(redis, lambda: NOW)
    await store.charge([TAKE], NOW)
    redis.ask("SCRIPT", "FLUSH")

    assert await store.charge([TAKE], NOW) is None
    assert await store.charge([TAKE], NOW) == (0, pytest.approx(30))
    await store.close()


async def test_a_full_redis_refuses_writes_and_frees_what_has_ended(redis: RedisPart) -> None:
    now = 1_000_000_000.0  # in the past for Redis too
    store = redis_store(redis, lambda: now)
    for number in range(40):
        await store.put("t", f"ended-{number}", b"x" * 1000, expires=now + 1)
    await store.put("t", "k", b"v", expires=None)
    await store.charge([TAKE], now)
    now += 3600
    redis.ask("CONFIG", "SET", "maxmemory", "1")

    for _ in range(10):
        with pytest.raises(StoreUnavailable):
            await store.put("t", "new", b"v", expires=None)
    with pytest.raises(StoreUnavailable):
        await store.charge([TAKE], now)
    with pytest.raises(StoreUnavailable):
        await store.acquire("l", "h", 1)
    assert redis.ask("DBSIZE").strip() == "3"  # the row, its index, the bucket
    assert await store.get("t", "k") == ROW
    assert await store.take("t", "k") == ROW

    redis.ask("CONFIG", "SET", "maxmemory", "0")
    assert await store.put("t", "new", b"v", expires=None) == 1
    await store.close()


async def test_a_replica_answers_nothing_since_it_may_lag(redis: RedisPart) -> None:
    store = redis_store(redis, lambda: NOW)
    await store.put("t", "k", b"v", expires=None)
    redis.ask("REPLICAOF", "127.0.0.1", "1")

    await refuses(store)

    redis.ask("REPLICAOF", "NO", "ONE")
    assert await store.get("t", "k") == ROW
    await store.close()


async def test_keys_of_another_type_refuse(redis: RedisPart) -> None:
    for name in ("row:t:k", "bucket:b", "lease:l", "keys:t"):
        redis.ask("RPUSH", f"ostiary:{{tests/gateway}}:{name}", "x")
    store = redis_store(redis, lambda: NOW)

    await refuses(store)
    await store.close()


async def test_an_error_of_one_command_is_not_that_of_its_neighbours(redis: RedisPart) -> None:
    redis.ask("RPUSH", "ostiary:{tests/gateway}:row:t:bad", "x")
    store = redis_store(redis, lambda: NOW)
    await store.put("t", "k", b"v", expires=None)

    answers = await asyncio.gather(
        *(store.get("t", key) for key in ("k", "bad", "k", "absent")), return_exceptions=True
    )

    assert [answers[0], answers[2], answers[3]] == [ROW, ROW, None]
    assert isinstance(answers[1], StoreUnavailable)
    await store.close()


async def test_a_wrong_password_refuses_and_tells_nobody(redis: RedisPart) -> None:
    redis.ask("CONFIG", "SET", "requirepass", "right")
    store = store_at(f"redis://:hidden@127.0.0.1:{redis.port}")

    await refuses(store)
    with pytest.raises(StoreUnavailable) as refused:
        await store.get("t", "k")
    assert "hidden" not in str(refused.value)

    right = store_at(f"redis://default:right@127.0.0.1:{redis.port}/3")
    assert await right.put("t", "k", b"v", expires=None) == 1
    await store.close()
    await right.close()


async def test_a_user_with_few_rights_is_enough(redis: RedisPart) -> None:
    redis.ask(
        *("ACL", "SETUSER", "gate", "on", ">p%/@", "~ostiary:{ns/gw}:*", "resetchannels"),
        *("&ostiary:{ns/gw}:*", "-@all", "+eval", "+evalsha", "+hget", "+hmget", "+hset", "+del"),
        *("+zadd", "+zrem", "+zrangebyscore", "+zrangebylex", "+get", "+set", "+pexpire", "+time"),
        *("+publish", "+subscribe"),
    )
    store = store_at(f"redis://gate:p%25%2F%40@127.0.0.1:{redis.port}")

    assert await store.put("t", "k", b"v", expires=NOW + 9, version=0) == 1
    assert await store.take("t", "k") == Row(key="k", value=b"v", version=1, expires=NOW + 9)
    assert await store.scan("t", "", limit=9) == []
    assert await store.charge([TAKE], NOW) is None
    assert await store.acquire("l", "h", 9)
    await store.release("l", "h")
    await store.close()

    foreign = RedisStore(
        RedisServer(RedisUrl.of(Secret(f"redis://gate:p%25%2F%40@127.0.0.1:{redis.port}"), None)),
        "ns/other",
        lambda: NOW,
    )
    await refuses(foreign)
    await foreign.close()


async def test_a_redis_that_may_lose_grants_is_told_of_with_the_mend(redis: RedisPart) -> None:
    server = RedisServer(RedisUrl.of(Secret(redis.url), None))
    assert await server.advice() == []

    redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    redis.ask("CONFIG", "SET", "appendonly", "no")
    redis.ask("REPLICAOF", "127.0.0.1", "1")

    assert [said.rpartition(": ")[2] for said in await server.advice()] == [
        "name the primary in the URL", "set maxmemory-policy noeviction", "set appendonly yes",
    ]  # fmt: skip
    redis.ask("ACL", "SETUSER", "default", "-info")
    assert await server.advice() == ()
    await server.close()


async def test_two_gateways_on_one_redis_see_nothing_of_each_other(redis: RedisPart) -> None:
    one, other = (redis_store(redis, lambda: NOW, gateway=f"ns/{name}") for name in ("a", "b"))
    await one.put("t", "k", b"v", expires=None)
    await one.charge([TAKE, TAKE], NOW)

    assert await other.get("t", "k") is None
    assert await other.scan("t", "", limit=9) == []
    assert await other.charge([TAKE], NOW) is None
    await one.close()
    await other.close()


async def test_no_answer_reaches_another_caller_however_many_give_up(redis: RedisPart) -> None:
    store = redis_store(redis, lambda: NOW)
    names = [f"k{number}" for number in range(50)]
    for name in names:
        await store.put("t", name, name.encode(), expires=None)
    chance = random.Random(7)

    async def read(name: str) -> None:
        row = await store.get("t", name)
        assert row is not None
        assert (row.key, row.value) == (name, name.encode())

    for _ in range(40):
        readers = [asyncio.create_task(read(chance.choice(names))) for _ in range(60)]
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        for reader in chance.sample(readers, 30):
            reader.cancel()
        ends = await asyncio.gather(*readers, return_exceptions=True)
        assert {type(end) for end in ends} <= {type(None), asyncio.CancelledError}
    await asyncio.gather(*(read(name) for name in names))
    await store.close()


async def test_ended_rows_leave_redis_with_all_that_points_to_them(redis: RedisPart) -> None:
    now = 1_000_000_000.0
    store = redis_store(redis, lambda: now)
    for number in range(20):
        await store.put("t", f"k\0{number}", b"v", expires=now + 1)
    now += 3600

    for _ in range(5):
        await store.put("u", "k", b"v", expires=None)

    assert sorted(redis.ask("KEYS", "*").split()) == [
        "ostiary:{tests/gateway}:keys:u", "ostiary:{tests/gateway}:row:u:k",
    ]  # fmt: skip
    await store.close()


async def test_a_replica_whose_clock_is_ahead_deletes_nothing(redis: RedisPart) -> None:
    store = redis_store(redis, lambda: NOW)
    await store.put("t", "k", b"v", expires=4_000_000_000.0)
    ahead = redis_store(redis, lambda: 5_000_000_000.0)

    await ahead.put("t", "other", b"v", expires=None)

    assert await store.get("t", "k") is not None
    await store.close()
    await ahead.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisPart]:
    with redis_server(tmp_path_factory.mktemp("redis")) as part:
        yield part


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_limits_are_those_of_every_store_to_the_nanosecond(
    shared: RedisPart, data: st.DataObject
) -> None:
    takes = st.builds(
        Take,
        key=st.sampled_from("pqr"),
        requests=st.integers(1, 1_000_000),
        per=st.floats(0.001, 30 * 86_400),
    )
    steps = data.draw(
        st.lists(st.tuples(st.lists(takes, min_size=1, max_size=4), st.floats(-60, 60)), max_size=8)
    )

    async def compare() -> None:
        store = redis_store(shared, lambda: NOW, gateway=next(GATEWAYS))
        arrivals: dict[str, int] = {}
        now = NOW
        for asked, passed in steps:
            now += passed
            expected = admit(asked, arrivals, now)
            arrivals |= expected.arrivals
            full = (expected.index, expected.seconds) if isinstance(expected, Full) else None
            assert await store.charge(asked, now) == full
        await store.close()

    asyncio.run(compare())


def certificates(folder: Path) -> Path:
    """Make an authority and a certificate for localhost; return the folder."""
    new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for command in (
        f"{new} -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        f"{new} -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out csr",
        "x509 -req -in csr -CA ca.pem -CAkey ca.key -days 2 -copy_extensions copy -out cert.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


async def test_tls_is_verified_against_the_given_authority_and_name(tmp_path: Path) -> None:
    made, port = certificates(tmp_path), free_port()
    tls = ("--tls-cert-file", f"{made}/cert.pem", "--tls-key-file", f"{made}/key.pem")
    authority = (made / "ca.pem").read_text()
    with redis_server(
        tmp_path, "--tls-auth-clients", "no", "--tls-ca-cert-file", f"{made}/ca.pem", *tls,
        "--tls-port", str(port),
    ):  # fmt: skip
        store = store_at(f"rediss://localhost:{port}", ca=authority)
        assert await store.put("t", "k", b"v", expires=None) == 1
        await store.close()
        for url, bundle in (
            (f"rediss://localhost:{port}", None),  # nobody vouches for it
            (f"rediss://127.0.0.1:{port}", authority),  # another name
            (f"redis://localhost:{port}", None),  # no TLS
        ):
            other = store_at(url, ca=bundle)
            await refuses(other)
            await other.close()


@pytest.mark.parametrize(
    "url",
    [
        "", "http://localhost", "redis://", "rediss://h:x", "redis://h/one", "redis://h/-1",
        "rediss://h?ssl_cert_reqs=none", "rediss://u:secret@h#x", "unix:///run/redis.sock",
        "rediss://u:secret@[h",
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_named_by_its_field_and_never_shown(url: str) -> None:
    with pytest.raises(ValueError) as wrong:
        RedisUrl.of(Secret(url), None)

    assert str(wrong.value).startswith("storage.urlSecretRef")
    assert "secret@" not in str(wrong.value)


def test_an_authority_without_tls_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"storage\.caBundleRef is for rediss"):
        RedisUrl.of(Secret("redis://h"), Secret("pem"))


@pytest.mark.parametrize(
    "bundle", ["", "pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"]
)
def test_an_authority_that_is_no_certificate_is_a_mistake(bundle: str) -> None:
    with pytest.raises(ValueError, match=r"storage\.caBundleRef holds no PEM certificate"):
        RedisUrl.of(Secret("rediss://h"), Secret(bundle))


async def test_words_reach_every_replica_and_a_new_connection_tells_to_look_again(
    redis: RedisPart,
) -> None:
    servers = [RedisServer(RedisUrl.of(Secret(redis.url), None)) for _ in range(2)]
    one, other = (RedisWakes(server, "ns/gw") for server in servers)
    heard: list[list[str]] = [[], []]
    one.listen(heard[0].append)
    other.listen(heard[1].append)
    async with asyncio.timeout(10):
        while not all(heard):  # subscribed: what was said before may have been lost
            await asyncio.sleep(0.02)

        await one.publish("tools/list ns/files")

        while len(heard[1]) < 2:
            await asyncio.sleep(0.02)
    assert heard[1] == ["", "tools/list ns/files"]
    assert heard[0][:2] == ["", "tools/list ns/files"]
    for wakes, server in zip((one, other), servers, strict=True):
        await wakes.close()
        await server.close()
