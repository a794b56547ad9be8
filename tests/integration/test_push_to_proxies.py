"""The operator's pushes and real proxies, with the certificates that the operator makes."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from fleet_parts import OWNER, Certificates, pod
from gateway_parts import free_port, until
from ostiary.config.bundle import write_bundle
from ostiary_operator.bundles import Parcel
from ostiary_operator.push import Proxies
from proxy_parts import Proxy, bundle, proxy

CERTIFICATES = Certificates.of()
ADDRESSES = ("127.0.0.2", "127.0.0.3")


def parcel(revision: int, *names: str, size: int = 0) -> Parcel:
    made = bundle(revision, *names, size=size)
    return Parcel(revision=revision, digest=made.digest, data=write_bundle(made))


@pytest.fixture
def port() -> int:
    return free_port()


def started(place: Path, address: str, port: int, stack: ExitStack) -> Proxy:
    """Start a proxy without a bundle, as a new pod is."""
    folder = place / "admin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in CERTIFICATES.admin.items():
        (folder / name).write_text(value.reveal())
    options = ("--admin", f"{address}:{port}")
    return stack.enter_context(proxy(place, *options, admin=("--admin-tls", str(folder))))


async def until_serving(proxies: Proxies, revision: int) -> None:
    async with asyncio.timeout(20):
        while [said.revision for said in proxies.reported()] != [revision] * len(ADDRESSES):
            await asyncio.sleep(0.02)


async def test_every_proxy_serves_what_is_pushed_and_one_that_restarts_too(
    tmp_path: Path, port: int
) -> None:
    proxies = Proxies(OWNER, asyncio.Semaphore(32), lambda: None, port=port)
    pods = [pod(address, address) for address in ADDRESSES]
    large = parcel(4, *(f"r-{number}" for number in range(1000)), size=1500)
    with ExitStack() as stack, ExitStack() as first:
        await asyncio.to_thread(started, tmp_path / "a", ADDRESSES[0], port, first)
        second = await asyncio.to_thread(started, tmp_path / "b", ADDRESSES[1], port, stack)
        proxies.follow(pods)

        await proxies.deliver(parcel(3, "one"), CERTIFICATES.trust, wait=20)
        await until_serving(proxies, 3)
        assert second.ready() == (200, "ok")
        assert len(large.data) > 1024 * 1024
        await proxies.deliver(large, CERTIFICATES.trust, wait=20)
        await until_serving(proxies, 4)

        await asyncio.to_thread(first.close)
        again = await asyncio.to_thread(started, tmp_path / "a", ADDRESSES[0], port, stack)
        assert again.ready()[0] == 503
        proxies.follow([pod(ADDRESSES[0], ADDRESSES[0], ready=False), pods[1]])
        await asyncio.to_thread(until, lambda: again.ready()[0] == 200, seconds=20)
        await proxies.close()
