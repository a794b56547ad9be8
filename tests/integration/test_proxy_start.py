"""How a proxy comes up in a cluster: its bundle may be late, torn or pushed; it is then ready."""

import resource
from pathlib import Path

import pytest

from gateway_parts import ask, free_port, until
from ostiary.config.bundle import write_bundle
from proxy_parts import Proxy, bundle, proxy, put_shards


def is_ready(one: Proxy) -> bool:
    return one.ready() == (200, "ok")


def test_without_a_bundle_it_lives_and_says_why_it_is_not_ready(tmp_path: Path) -> None:
    with proxy(tmp_path) as one:
        public = one.get("listen", "/")

        assert one.get("status", "/livez").status == 200
        assert one.ready() == (503, "there is no bundle yet")
        assert (public.status, public.headers["retry-after"]) == (503, "1")


def test_it_takes_as_many_files_as_it_may(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        with proxy(tmp_path) as one:
            limits = resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert limits == (hard, hard)


def test_a_bundle_that_comes_by_the_volume_makes_it_ready(tmp_path: Path) -> None:
    with proxy(tmp_path) as one:
        put_shards(tmp_path / "bundle", bundle(3, "one"))
        until(lambda: is_ready(one))
        put_shards(tmp_path / "bundle", bundle(4, "one", "two"))
        until(lambda: one.revision()["revision"] == 4)

        answer = one.get("listen", "/team/two", Host="localhost:1")
        assert answer.status == 401


def test_a_push_makes_it_ready_and_an_older_volume_changes_nothing(tmp_path: Path) -> None:
    with proxy(tmp_path) as one:
        made = bundle(7, "one")
        pushed = one.push(made)
        put_shards(tmp_path / "bundle", bundle(6, "older"))
        put_shards(tmp_path / "bundle", bundle(8, "one", "two"))
        until(lambda: one.revision()["revision"] == 8)

        assert pushed.status == 200
        assert pushed.json()["digest"] == made.digest
        assert one.get("listen", "/team/older", Host="localhost:1").status == 404


def test_a_bad_push_is_told_why_and_the_last_good_bundle_goes_on(tmp_path: Path) -> None:
    put_shards(tmp_path / "bundle", bundle(1, "one"))
    with proxy(tmp_path) as one:
        answer = one.admin("/bundle", b"garbage")

        assert (answer.status, answer.json()["failures"]) == (409, ["the bundle is not gzip data"])
        assert one.get("listen", "/team/one", Host="localhost:1").status == 401
        assert is_ready(one)


def test_a_policy_that_does_not_compile_closes_its_routes_and_is_named(tmp_path: Path) -> None:
    rules = ({"name": "r", "effect": "Allow", "condition": "args.x == "},)
    with proxy(tmp_path) as one:
        answer = one.push(bundle(1, "one", rules=rules))

        said = answer.json()
        assert (answer.status, said["revision"], said["failures"]) == (200, 1, [])
        assert [(fault["kind"], fault["key"]) for fault in said["faults"]] == [
            ("MCPPolicy", "team/rules")
        ]


@pytest.mark.parametrize("way", ["push", "volume"])
def test_a_thousand_routes_in_more_than_a_mebibyte_are_served(tmp_path: Path, way: str) -> None:
    names = [f"r{number}" for number in range(1000)]
    made = bundle(1, *names, size=2000)
    data = write_bundle(made)
    assert len(data) > 1024 * 1024
    with proxy(tmp_path) as one:
        if way == "push":
            assert one.push(made).status == 200
        else:
            put_shards(tmp_path / "bundle", made)
            until(lambda: is_ready(one))

        assert one.get("listen", "/team/r999", Host="localhost:1").status == 401


def test_a_log_that_is_written_by_another_process_ends_it(tmp_path: Path) -> None:
    put_shards(tmp_path / "bundle", bundle(1, "one"))
    with proxy(tmp_path), proxy(tmp_path, wait=False) as second:
        assert second.process.wait(30) == 2
        assert "another process writes the audit log" in (tmp_path / "proxy.log").read_text()


def test_it_listens_on_every_address_of_both_families(tmp_path: Path) -> None:
    port = free_port()
    with proxy(tmp_path, "--status", f"[::]:{port}"):
        asked = [ask(f"http://{host}:{port}/livez", headers={}) for host in ("127.0.0.1", "[::1]")]

    assert [answer.status for answer in asked] == [200, 200]


def test_a_folder_that_is_not_there_ends_it(tmp_path: Path) -> None:
    with proxy(tmp_path, "--bundle", str(tmp_path / "absent"), wait=False) as one:
        assert one.process.wait(30) == 2
        assert "absent is no folder" in (tmp_path / "proxy.log").read_text()
