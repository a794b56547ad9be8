"""How a proxy goes: it says so at once, takes calls until that is noticed, and loses none."""

import http.client
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError

from gateway_parts import until
from proxy_parts import Proxy, bundle, proxy, put_shards

PATH = "/.well-known/oauth-protected-resource/team/one"
HOST = {"Host": "localhost:1"}
CALLERS = 4


class Load:
    """Callers behind a balancer that asks each replica whether it is ready, as a Service does.

    They keep their connections and never try again; `served` are replica and status of each call.
    """

    def __init__(self, *replicas: Proxy) -> None:
        self._replicas = replicas
        self._ready: Sequence[Proxy] = replicas
        self._over = threading.Event()
        self.served: list[tuple[Proxy, int]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep calling while the context lasts; raises what any caller met."""
        with ThreadPoolExecutor() as pool:
            looking = pool.submit(self._look)
            calling = [pool.submit(self._call, number) for number in range(CALLERS)]
            try:
                yield
            finally:
                self._over.set()
            for one in (looking, *calling):
                one.result(20)

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self._ready = [one for one in self._replicas if self._is_ready(one)]

    def _is_ready(self, one: Proxy) -> bool:
        try:
            return one.ready()[0] == 200
        except URLError:
            return False

    def _call(self, number: int) -> None:
        connections = {
            one.process.pid: http.client.HTTPConnection(one.addresses["listen"], timeout=10)
            for one in self._replicas
        }
        while not self._over.is_set():
            number += 1
            ready = self._ready
            one = ready[number % len(ready)]
            connection = connections[one.process.pid]
            connection.request("GET", PATH, headers=HOST)
            with connection.getresponse() as answer:
                answer.read()
                self.served.append((one, answer.status))
        for connection in connections.values():
            connection.close()


def test_no_request_fails_while_one_of_two_replicas_drains(tmp_path: Path) -> None:
    with replicas(tmp_path, "one", "other") as (one, other):
        load = Load(one, other)
        with load.running():
            until(lambda: len(load.served) > 200)
            os.kill(one.process.pid, signal.SIGTERM)
            until(lambda: one.process.poll() is not None)
            count = len(load.served)
            until(lambda: len(load.served) > count + 200)

        assert one.process.returncode == 0
        assert {status for _, status in load.served} == {200}
        assert {who.place.name for who, _ in load.served[:count]} == {"one", "other"}
        assert {who.place.name for who, _ in load.served[count:]} == {"other"}


def test_it_is_not_ready_at_once_and_takes_calls_until_the_delay_is_over(tmp_path: Path) -> None:
    with replicas(tmp_path, "one") as (one,):
        connection = http.client.HTTPConnection(one.addresses["listen"], timeout=10)
        before = called(connection)
        os.kill(one.process.pid, signal.SIGTERM)
        until(lambda: one.ready()[0] == 503)

        assert one.ready() == (503, "draining: the process was asked to end")
        assert (before, called(connection)) == ((200, None), (200, "close"))
        assert one.process.wait(10) == 0


def called(connection: http.client.HTTPConnection) -> tuple[int, str | None]:
    """Return an answer's status, and whether the connection ends with it."""
    connection.request("GET", PATH, headers=HOST)
    with connection.getresponse() as answer:
        answer.read()
        return answer.status, answer.headers["connection"]


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with replicas(tmp_path, "one", delay=300) as (one,):
        os.kill(one.process.pid, signal.SIGTERM)
        until(lambda: one.ready()[0] == 503)
        os.kill(one.process.pid, signal.SIGTERM)

        assert one.process.wait(10) == 0


@contextmanager
def replicas(place: Path, *names: str, delay: float = 1.5) -> Iterator[tuple[Proxy, ...]]:
    """Run replicas of one gateway."""
    with ExitStack() as stack:
        for name in names:
            put_shards(place / name / "bundle", bundle(1, "one"))
        options = ("--shutdown-delay", str(delay))
        yield tuple(stack.enter_context(proxy(place / name, *options)) for name in names)
