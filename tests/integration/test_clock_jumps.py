"""A wall clock that jumps while a gateway runs: nothing more is allowed, and nothing is lost."""

import json
import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clock_parts import WallClock
from gateway_parts import Gateway, dev, three_files, until
from hostile_parts import (
    RawServer,
    answers,
    begun,
    call,
    head,
    lines_of,
    listening,
    modern,
    raw_server,
)
from ostiary_cli.places import find_places
from real_parts import running

HOUR = 3600
HELLO = {
    "jsonrpc": "2.0",
    "method": "notifications/progress",
    "params": {"progressToken": "p", "progress": 1},
}
OPENED = head("content-type: text/event-stream") + f"data: {json.dumps(HELLO)}\n\n".encode()
DONE = b'data: {"jsonrpc":"2.0","id":7,"result":{"content":[]}}\n\n'


@pytest.fixture(scope="module")
def upstream() -> Iterator[RawServer]:
    with raw_server() as server:
        yield server


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> WallClock:
    return WallClock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: RawServer) -> Gateway:
    """Return a gateway that has ended; its state, keys and bundle are there."""
    files = three_files(upstream.url, "[{name: all, effect: Allow, who: {everyone: true}}]")
    with dev(tmp_path_factory.mktemp("jumps"), files) as ended:
        (ended.state / "issued").write_text(ended.log_in())
    return ended


@pytest.fixture(scope="module")
def issued(gateway: Gateway) -> str:
    return (gateway.state / "issued").read_text()


@pytest.fixture(scope="module", autouse=True)
def proxy(gateway: Gateway, clock: WallClock) -> Iterator[None]:
    """Run the proxy of the gateway alone, under `clock`."""
    places = find_places("", environment={}, home=Path(), state=gateway.state, keys=gateway.keys)
    ready, log = gateway.state / "alone.json", gateway.state / "alone.log"
    command = [
        *(sys.executable, "-m", "ostiary_proxy.main", "--bundle", str(places.bundle)),
        *("--keys", str(places.key_file), "--state", str(places.store)),
        *("--audit", str(places.audit), "--checkpoints", str(places.checkpoints)),
        *("--listen", f"127.0.0.1:{urlsplit(gateway.issuer).port}"),
        *("--admin", urlsplit(gateway.ready["adminUrl"]).netloc),
        *("--admin-token", str(places.admin_token), "--ready-file", str(ready)),
    ]
    environment = {**os.environ, **clock.environment}
    with running(command, log=log, env=environment) as process:
        until(lambda: ready.exists() or process.poll() is not None)
        assert ready.exists(), log.read_text()
        yield


@pytest.fixture(autouse=True)
def on_time(clock: WallClock, upstream: RawServer) -> Iterator[None]:
    yield
    clock.jump(0)
    upstream.behave = answers()


def test_a_token_is_refused_after_its_time_and_good_again_once_the_clock_is_put_right(
    gateway: Gateway, clock: WallClock, upstream: RawServer, issued: str
) -> None:
    clock.jump(HOUR)
    stale = call(gateway, issued)
    clock.jump(0)
    again = call(gateway, issued)

    assert (stale.status, stale.json()["error"]["code"]) == (401, -31002)
    assert ("result" in again.json(), len(upstream.bodies)) == (True, 1)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_call_in_flight_goes_on_to_its_end(
    gateway: Gateway, clock: WallClock, upstream: RawServer, issued: str, seconds: int
) -> None:
    upstream.behave = upstream.hangs(OPENED, DONE)

    with opened(gateway, issued) as connection:
        read_until(connection, b"notifications/progress")
        clock.jump(seconds)
        wake(gateway)
        upstream.released.set()
        ended = read_until(connection, b'"result"')

    upstream.released.clear()
    assert b"error" not in ended


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_stream_whose_grant_ends_is_cut_whatever_the_clock_says(
    gateway: Gateway, clock: WallClock, upstream: RawServer, issued: str, seconds: int
) -> None:
    upstream.behave = upstream.hangs(OPENED)

    with opened(gateway, issued) as connection:
        read_until(connection, b"notifications/progress")
        clock.jump(seconds)
        with no_grants(gateway):
            read_until(connection, b"-31002")


def test_a_stream_that_listens_ends_with_its_token(
    gateway: Gateway, clock: WallClock, upstream: RawServer, issued: str
) -> None:
    clock.jump(0)
    first = {
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {
            "notifications": {},
            "_meta": {"io.modelcontextprotocol/subscriptionId": 7},
        },
    }
    said = f"data: {json.dumps(first)}\n\n".encode()
    upstream.behave = upstream.hangs(head("content-type: text/event-stream") + said)
    body, lines = listening()

    with begun(gateway, (*lines, f"Authorization: Bearer {issued}"), body) as connection:
        read_until(connection, b"acknowledged")
        clock.jump(HOUR)
        read_until(connection, b'"resultType"')


def test_the_log_is_whole_after_all_of_that(gateway: Gateway) -> None:
    verified = gateway.ostiary("audit", "verify", "--keys", str(gateway.keys))

    assert verified.returncode == 0, verified.stdout + verified.stderr


def wake(gateway: Gateway) -> None:
    """Let every open stream be judged again."""
    assert gateway.admin("/grants/revoke", {"client": "nobody"}).json() == {"revoked": 0}


@contextmanager
def no_grants(gateway: Gateway) -> Iterator[None]:
    """Take every grant out of the store, as another replica would, and put them back."""
    with closing(sqlite3.connect(gateway.state / "store.sqlite3", isolation_level=None)) as store:
        rows = store.execute("SELECT * FROM rows WHERE tab = 'grant'").fetchall()
        store.execute("DELETE FROM rows WHERE tab = 'grant'")
        try:
            yield
        finally:
            store.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)


def opened(gateway: Gateway, issued: str) -> AbstractContextManager[socket.socket]:
    """Begin a call whose answer streams."""
    body = json.dumps(modern(path="a.txt")).encode()
    return begun(gateway, lines_of(issued, f"Content-Length: {len(body)}"), body)


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Return what comes until `wanted` is among it."""
    read = b""
    while wanted not in read:
        more = connection.recv(65536)
        assert more, read
        read += more
    return read
