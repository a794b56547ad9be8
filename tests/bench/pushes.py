"""Pushes the bundle of 1,000 routes to 100 proxies that are TLS servers in this very process."""

import asyncio
import json
import secrets
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from fleet_parts import OWNER, Certificates, SimulatedProxy, pod, simulated
from ostiary_operator.bundles import Parcel
from ostiary_operator.push import AT_ONCE, Proxies

__all__ = ["push"]

PROXIES, ROUNDS = 100, 9
SIZE = 70_000
"""What 1,000 routes and 300 policies come to: names and digests, which don't compress."""


def push() -> None:
    """Print how long a push takes until the last proxy has answered."""
    walls, cpus = asyncio.run(_rounds())
    typical, cpu = (statistics.median(taken) * 1000 for taken in (walls, cpus))
    print(
        f"push of {SIZE // 1000} kB to {PROXIES} proxies: {typical:.0f} ms, of both sides' CPU "
        f"{cpu:.0f} ms; the first, with {PROXIES} handshakes: {walls[0] * 1000:.0f} ms"
    )


async def _rounds() -> tuple[list[float], list[float]]:
    certificates = Certificates.of()
    addresses = [f"127.0.1.{number + 1}" for number in range(PROXIES)]
    walls, cpus, port = [], [], 0
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        context = certificates.server(folder)
        served = [SimulatedProxy() for _ in addresses]
        for proxy, address in zip(served, addresses, strict=True):
            serving = simulated(proxy, context, address=address, port=port)
            port = await stack.enter_async_context(serving)
        proxies = Proxies(OWNER, asyncio.Semaphore(AT_ONCE), lambda: None, port=port)
        proxies.follow([pod(address, address) for address in addresses])
        for revision in range(1, ROUNDS + 1):
            parcel = _parcel(revision)
            wall, cpu = time.perf_counter(), time.process_time()
            await proxies.deliver(parcel, certificates.trust, wait=60)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
            assert all(proxy.revision == revision for proxy in served)
        await proxies.close()
    return walls, cpus


def _parcel(revision: int) -> Parcel:
    digest = f"sha256:{revision}"
    document = {"revision": revision, "digest": digest, "routes": secrets.token_hex(SIZE // 2)}
    return Parcel(revision=revision, digest=digest, data=json.dumps(document).encode())
