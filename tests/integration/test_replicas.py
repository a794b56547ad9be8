"""Several proxies on one Redis are one gateway: what one knows, all know."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway_parts import gateway_yaml, until
from real_parts import redis_server
from replica_parts import STORAGE, Fleet, Replica, fleet, one_more, secret_yaml

RULES = """
  - name: all
    effect: Allow
    who: {everyone: true}
    rateLimit: {requests: 100000, per: 1m, by: [user]}
  - name: few
    effect: Allow
    who: {groups: [sales]}
    rateLimit: {requests: 5, per: 1h, by: [user]}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("fleet"), RULES) as started:
        yield started


def test_login_on_one_token_on_another_call_on_a_third_and_revoked_on_all(shared: Fleet) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=one, redeem=two)
    for replica in (three, two, one):
        assert shared.call(replica, tokens.access).status == 200
    known = shared.session(three, tokens.access)
    with shared.stream(two, known) as stream:
        cut = threading.Thread(target=stream.read)
        cut.start()

        assert one.revoke(client=tokens.client_id).json() == {"revoked": 1}
        revoked = time.monotonic()

        for replica in shared.replicas:
            until(lambda at=replica: shared.call(at, tokens.access).status == 401, seconds=1)  # type: ignore[misc]
        cut.join(revoked + 1 - time.monotonic())
        assert not cut.is_alive()
    said = two.form("/token", grant_type="refresh_token", refresh_token=tokens.refresh,
                    client_id=tokens.client_id)  # fmt: skip
    assert (said.status, said.json()["error"]) == (400, "invalid_grant")


def test_a_lost_wake_costs_a_call_nothing_and_a_stream_two_seconds(shared: Fleet) -> None:
    one, two, _ = shared.replicas
    tokens = shared.log_in(authorize=two, redeem=one)
    known = shared.session(two, tokens.access)
    with shared.stream(two, known) as stream:
        cut = threading.Thread(target=stream.read)
        cut.start()
        shared.redis.ask("CLIENT", "KILL", "TYPE", "pubsub")  # nobody hears what follows

        one.revoke(client=tokens.client_id)

        until(lambda: shared.call(two, tokens.access).status == 401, seconds=1)
        cut.join(4)
        assert not cut.is_alive()


def test_two_replicas_that_refresh_at_once_keep_one_family(shared: Fleet) -> None:
    _, two, three = shared.replicas
    tokens = shared.log_in(authorize=three, redeem=three)

    def refresh(replica: Replica) -> tuple[int, str]:
        said = replica.form("/token", grant_type="refresh_token", refresh_token=tokens.refresh,
                            client_id=tokens.client_id)  # fmt: skip
        return said.status, said.json().get("refresh_token", "")

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(refresh, [two, three] * 4))

    assert {status for status, _ in answers} == {200}
    assert len({successor for _, successor in answers}) == 1


def test_a_limit_counts_the_calls_of_all_replicas(shared: Fleet) -> None:
    tokens = shared.log_in(
        authorize=shared.replicas[0], redeem=shared.replicas[0], username="carol"
    )

    answers = [
        shared.call(replica, tokens.access).json() for _ in range(4) for replica in shared.replicas
    ]

    assert ["error" in answer for answer in answers] == [False] * 5 + [True] * 7
    assert {answer["error"]["code"] for answer in answers[5:]} == {-31006}


def test_a_session_works_at_every_replica_and_its_end_is_known_to_all(shared: Fleet) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=one, redeem=one)
    known = shared.session(one, tokens.access)
    listed = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}

    assert [r.send(shared.path, listed, **known).status for r in (two, three)] == [200, 200]

    assert two.send(shared.path, method="DELETE", **known).status == 204
    assert [r.send(shared.path, listed, **known).status for r in (one, three)] == [404, 404]


def test_another_storage_takes_a_restart_and_until_then_the_last_good_one_goes_on(
    shared: Fleet,
) -> None:
    secret = shared.gateway.folder / "secret.yaml"
    before = secret.read_text()
    tokens = shared.log_in(authorize=shared.replicas[0], redeem=shared.replicas[1])

    secret.write_text(before.replace("redis://", "redis://:another@"))

    until(lambda: all("restart the proxy" in text for text in shared.failures()))
    assert [shared.call(at, tokens.access).status for at in shared.replicas] == [200] * 3
    secret.write_text(before)
    until(lambda: shared.failures() == ["", "", ""])


def test_the_death_of_one_replica_fails_no_request_of_the_others(
    shared: Fleet, tmp_path: Path
) -> None:
    one, two, _ = shared.replicas
    ended = threading.Event()

    def calls(at: Replica) -> list[int]:
        statuses = []
        while not ended.is_set():
            statuses.append(shared.call(at, tokens.access).status)
        return statuses

    with one_more(tmp_path / "r4", shared.gateway) as dying, ThreadPoolExecutor(2) as pool:
        tokens = shared.log_in(authorize=dying, redeem=one)
        running = [pool.submit(calls, at) for at in (one, two)]
        until(lambda: shared.call(dying, tokens.access).status == 200)
        dying.process.kill()
        dying.process.wait()
        fresh = shared.log_in(authorize=two, redeem=one)
        assert shared.call(two, fresh.access).status == 200
        ended.set()
        answered = [future.result(30) for future in running]

    assert [set(statuses) for statuses in answered] == [{200}, {200}]
    assert all(len(statuses) > 5 for statuses in answered)


def test_without_redis_nothing_is_allowed_and_with_it_again_everything_goes_on(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path, RULES) as own:
        one, two, three = own.replicas
        tokens = own.log_in(authorize=one, redeem=two)

        own.redis.process.send_signal(signal.SIGSTOP)
        assert {own.call(r, tokens.access).status for r in own.replicas for _ in range(2)} == {503}
        own.redis.process.send_signal(signal.SIGCONT)
        for replica in own.replicas:
            until(lambda at=replica: own.call(at, tokens.access).status == 200)  # type: ignore[misc]

        own.redis.process.kill()
        own.redis.process.wait()
        assert {own.call(r, tokens.access).status for r in own.replicas} == {503}
        assert three.send("/register", {"redirect_uris": ["http://127.0.0.1/"]}).status == 503
        with redis_server(own.folder, port=own.redis.port) as again:
            for replica in own.replicas:
                until(lambda at=replica: own.call(at, tokens.access).status == 200)  # type: ignore[misc]

            again.ask("FLUSHALL")
            for replica in own.replicas:
                until(lambda at=replica: own.call(at, tokens.access).status == 401, seconds=2)  # type: ignore[misc]


def test_ostiary_dev_says_that_its_redis_is_not_there_and_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(gateway_yaml(extra=STORAGE))
    (tmp_path / "secret.yaml").write_text(secret_yaml("redis://:hidden@127.0.0.1:1"))
    command = [sys.executable, "-m", "ostiary_cli.main", "dev", "-f", str(tmp_path)]
    places = ["--state", str(tmp_path / "state"), "--keys", str(tmp_path / "keys")]

    ended = subprocess.run(
        [*command, *places], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert "spec.storage: Redis at 127.0.0.1:1 can't be used now" in ended.stderr
    assert "start it, or set type: SQLite" in ended.stderr
    assert "hidden" not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
