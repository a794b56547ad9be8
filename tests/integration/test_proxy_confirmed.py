"""A proxy that starts asks the operator which revision is current, and never waits for long."""

from pathlib import Path

from gateway_parts import free_port, until
from proxy_parts import UID, Proxy, bundle, operator, proxy, put_shards

HOST = {"Host": "localhost:1"}
ASKING = (503, "asking the operator which revision is current")


def asking(url: str) -> tuple[str, ...]:
    return ("--operator-url", url, "--gateway-uid", UID)


def confirmed(one: Proxy) -> tuple[bool, float]:
    return one.revision()["confirmed"], one.metric("ostiary_config_unconfirmed")


def test_a_revision_that_the_operator_names_is_served_as_confirmed(tmp_path: Path) -> None:
    put_shards(tmp_path / "bundle", bundle(4, "one"))
    with operator() as it:
        it.revision = 4
        with proxy(tmp_path, *asking(it.url)) as one:
            until(lambda: one.ready() == (200, "ok"))

            assert confirmed(one) == (True, 0)
            assert it.asked == [f"/gateways/{UID}/revision"]


def test_a_newer_one_is_waited_for_and_nothing_older_served_meanwhile(tmp_path: Path) -> None:
    put_shards(tmp_path / "bundle", bundle(4, "one"))
    with operator() as it:
        it.revision = 5
        with proxy(tmp_path, *asking(it.url)) as one:
            until(lambda: bool(it.asked))
            before = (one.ready(), one.get("listen", "/team/one", **HOST).status)
            put_shards(tmp_path / "bundle", bundle(5, "two"))
            until(lambda: one.ready() == (200, "ok"))

            assert before == (ASKING, 503)
            assert confirmed(one) == (True, 0)


def test_a_newer_one_that_does_not_come_is_said_to_be_missing(tmp_path: Path) -> None:
    put_shards(tmp_path / "bundle", bundle(4, "one"))
    with operator() as it:
        it.revision = 9
        with proxy(tmp_path, *asking(it.url)) as one:
            until(lambda: one.ready() == (200, "ok"))
            behind = (one.revision()["revision"], *confirmed(one))
            put_shards(tmp_path / "bundle", bundle(9, "two"))
            until(lambda: one.revision()["revision"] == 9)

            assert behind == (4, False, 1)
            assert confirmed(one) == (True, 0)


def test_an_operator_that_is_away_keeps_nothing_from_starting(tmp_path: Path) -> None:
    put_shards(tmp_path / "bundle", bundle(4, "one"))
    port = free_port()
    with proxy(tmp_path, *asking(f"http://127.0.0.1:{port}")) as one:
        until(lambda: one.ready() == (200, "ok"))
        alone = confirmed(one)
        served = one.get("listen", "/team/one", **HOST).status
        with operator(port=port) as it:
            it.revision = 4
            until(lambda: confirmed(one) == (True, 0))

        assert (alone, served) == ((False, 1), 401)


def test_a_push_confirms_what_the_operator_sent(tmp_path: Path) -> None:
    with operator() as it, proxy(tmp_path, *asking(it.url)) as one:
        unknown = confirmed(one)
        assert one.push(bundle(1, "one")).json()["confirmed"]
        until(lambda: one.ready() == (200, "ok"))

        assert (unknown, confirmed(one)) == ((False, 1), (True, 0))
