"""A disk that is full under the store or under the audit log of a running gateway."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from gateway_parts import Gateway
from hostile_parts import RawServer, call, proxy_pid, refusal

RULES = """
    - {name: all, effect: Allow, who: {everyone: true}, rateLimit: {requests: 1000, per: 1s}}
"""


@contextmanager
def full_disk(gateway: Gateway, *, beyond: int = 0) -> Iterator[None]:
    """No file of the proxy can be written beyond so many bytes."""
    pid = proxy_pid(gateway)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def test_a_call_that_can_not_be_recorded_is_refused_and_not_forwarded(
    gateway: Gateway, upstream: RawServer, issued: str
) -> None:
    assert "result" in call(gateway, issued).json()
    upstream.bodies.clear()

    with full_disk(gateway):
        refused = [call(gateway, issued) for _ in range(3)]

    for answer in refused:
        assert (answer.status, answer.json()["error"]["code"]) in ((503, -31020), (503, -31021))
        assert "Traceback" not in answer.body.decode()
    assert upstream.bodies == []
    assert "result" in call(gateway, issued).json()


def test_a_call_that_can_not_be_counted_is_refused_and_recorded(
    gateway: Gateway, upstream: RawServer, issued: str
) -> None:
    while size_of(gateway, "*-wal") < 2 * size_of(gateway, "audit/*.jsonl"):
        assert "result" in call(gateway, issued).json()
    upstream.bodies.clear()

    with full_disk(gateway, beyond=size_of(gateway, "*-wal")):
        answer = call(gateway, issued)

    assert (answer.status, answer.json()["error"]["code"]) == (503, -31020)
    assert (refusal(gateway, answer)["code"], upstream.bodies) == ("StoreUnavailable", [])
    assert "result" in call(gateway, issued).json()


def test_nobody_logs_in_while_nothing_can_be_kept(gateway: Gateway) -> None:
    with full_disk(gateway):
        ended = gateway.try_to_log_in()

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert gateway.try_to_log_in().returncode == 0


def test_the_log_is_whole_after_all_of_that(gateway: Gateway) -> None:
    verified = gateway.ostiary("audit", "verify", "--keys", str(gateway.keys))

    assert verified.returncode == 0, verified.stdout + verified.stderr


def size_of(gateway: Gateway, pattern: str) -> int:
    (path,) = gateway.state.glob(pattern)
    return path.stat().st_size
