"""Pushing to proxies: whoever can be reached serves the bundle at once, and says so."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fleet_parts import OWNER, Certificates, SimulatedProxy, parcel, pod, simulated
from ostiary.resources.manifest import Kind
from ostiary.translate.world import ProxyFault, Reported
from ostiary_operator.push import Proxies

CERTIFICATES = Certificates.of()


@pytest.fixture
def server(tmp_path: Path) -> ssl.SSLContext:
    return CERTIFICATES.server(tmp_path)


class Heard:
    """Counts what proxies said, and waits for it."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


async def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def proxies_at(port: int, heard: Callable[[], None]) -> Proxies:
    return Proxies(OWNER, asyncio.Semaphore(32), heard, port=port)


@pytest.fixture
async def proxy(server: ssl.SSLContext) -> AsyncIterator[tuple[SimulatedProxy, Proxies, Heard]]:
    """A proxy of one pod, the proxies that it belongs to, and who hears of it."""
    simulation, heard = SimulatedProxy(), Heard()
    async with simulated(simulation, server) as port:
        proxies = proxies_at(port, heard)
        proxies.follow([pod()])
        yield simulation, proxies, heard
        await proxies.close()


Proxy = tuple[SimulatedProxy, Proxies, Heard]


async def test_a_proxy_is_asked_first_and_given_what_it_lacks(proxy: Proxy) -> None:
    simulation, proxies, heard = proxy

    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)

    assert simulation.asked == ["GET /revision", "PUT /bundle"]
    assert heard.times == 2  # it came, and it serves
    assert proxies.reported() == (
        Reported(
            proxy="main-a",
            ready=True,
            revision=4,
            would={"prod/rules": 3},
            upstreams={"prod/github": ""},
        ),
    )


async def test_a_proxy_that_serves_the_bundle_is_only_asked(proxy: Proxy) -> None:
    simulation, proxies, _ = proxy
    simulation.revision, simulation.digest = 4, "sha256:4"

    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)
    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)

    assert simulation.asked == ["GET /revision"]


async def test_a_new_bundle_is_pushed_without_asking(proxy: Proxy) -> None:
    simulation, proxies, _ = proxy
    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)
    simulation.asked.clear()

    await proxies.deliver(parcel(5), CERTIFICATES.trust, wait=5)

    assert (simulation.asked, simulation.revision) == (["PUT /bundle"], 5)


async def test_a_proxy_that_is_ahead_is_left_alone_and_says_so(proxy: Proxy) -> None:
    simulation, proxies, _ = proxy
    simulation.revision, simulation.digest = 9, "sha256:9"

    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)

    assert simulation.asked == ["GET /revision"]
    assert proxies.reported()[0].revision == 9


async def test_a_proxy_that_comes_later_is_served_at_once(
    proxy: Proxy, server: ssl.SSLContext
) -> None:
    _, proxies, _ = proxy
    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)
    second = SimulatedProxy()
    async with simulated(second, server, address="127.0.0.2", port=proxies._port):
        proxies.follow([pod(), pod("main-b", "127.0.0.2", ready=False)])

        await until(lambda: second.revision == 4)


async def test_a_proxy_that_restarted_is_served_when_its_readiness_turns(proxy: Proxy) -> None:
    simulation, proxies, _ = proxy
    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)
    simulation.revision, simulation.digest, simulation.boot = 0, "", "second"

    proxies.follow([pod(ready=False)])

    await until(lambda: simulation.revision == 4)


async def test_what_a_proxy_refuses_is_a_fault_of_its_gateway(proxy: Proxy) -> None:
    simulation, proxies, _ = proxy
    simulation.refuses = True
    fault = {"kind": "MCPRoute", "key": "prod/github", "message": "no such rule"}
    simulation.faults = [fault]

    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)

    assert proxies.reported()[0].faults == (
        ProxyFault(kind=Kind.ROUTE, key="prod/github", message="no such rule"),
        ProxyFault(kind=Kind.GATEWAY, key="prod/main", message="the bundle can't be served"),
    )
    simulation.refuses = False
    await until(lambda: simulation.revision == 4)


async def test_one_that_hangs_holds_up_nobody(proxy: Proxy, server: ssl.SSLContext) -> None:
    simulation, proxies, _ = proxy
    stuck = SimulatedProxy(hangs=True)
    async with simulated(stuck, server, address="127.0.0.2", port=proxies._port):
        proxies.follow([pod(), pod("main-b", "127.0.0.2")])

        await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=0.5)

    assert simulation.revision == 4
    assert [(said.proxy, said.revision) for said in proxies.reported()] == [
        ("main-a", 4),
        ("main-b", 0),
    ]


async def test_one_that_is_away_is_tried_again(server: ssl.SSLContext) -> None:
    simulation = SimulatedProxy()
    async with simulated(simulation, server) as port:
        pass
    proxies = proxies_at(port, Heard())
    proxies.follow([pod()])
    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)
    async with simulated(simulation, server, port=port):
        await until(lambda: simulation.revision == 4)
    await proxies.close()


async def test_a_pod_that_ends_is_no_longer_reported_ready(proxy: Proxy) -> None:
    _, proxies, _ = proxy
    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)

    proxies.follow([])

    assert proxies.reported() == ()


async def test_an_answer_of_thousands_of_faults_is_read_whole(proxy: Proxy) -> None:
    simulation, proxies, _ = proxy
    fault = {"kind": "MCPRoute", "message": "m" * 100}
    simulation.faults = [{**fault, "key": f"prod/{number}"} for number in range(5000)]

    await proxies.deliver(parcel(4), CERTIFICATES.trust, wait=5)

    assert len(proxies.reported()[0].faults) == 5000
