"""What the operator's own port answers, asked over a real socket."""

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import pytest
from aiohttp import web
from prometheus_client import generate_latest

from ostiary.translate.world import Cluster
from ostiary_operator.apart import Apart
from ostiary_operator.api import Api
from ostiary_operator.edge import Edge
from ostiary_operator.metrics import Metrics
from ostiary_operator.replica import Replica
from ostiary_operator.settings import Settings
from real_parts import ROOT


@dataclass
class Standing:
    reason: str | None = None
    known: dict[str, int] | None = field(default_factory=lambda: {"uid-1": 7})

    def unready(self) -> str | None:
        return self.reason

    def revisions(self) -> dict[str, int] | None:
        return self.known

    async def world(self) -> object:
        return {"manifests": []}


@dataclass
class Port:
    url: str
    standing: Standing

    async def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        return await asyncio.to_thread(_get, f"{self.url}{path}", method)


def _get(url: str, method: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as said:
            return said.status, said.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    standing = Standing()
    runner = web.ServerRunner(web.Server(Edge(standing, Metrics().registry)), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield Port(f"http://127.0.0.1:{runner.addresses[0][1]}", standing)
    await runner.cleanup()


async def test_a_live_process_says_so(port: Port) -> None:
    assert await port.get("/livez") == (200, "ok\n")


async def test_readiness_gives_the_reason_against_it(port: Port) -> None:
    ready = await port.get("/readyz")
    port.standing.reason = "mcproutes.ostiary.dev: the CRD is missing"

    assert ready == (200, "ok\n")
    assert await port.get("/readyz") == (503, "mcproutes.ostiary.dev: the CRD is missing\n")


async def test_a_proxy_learns_the_revision_of_its_gateway(port: Port) -> None:
    status, said = await port.get("/gateways/uid-1/revision")

    assert (status, json.loads(said)) == (200, {"revision": 7})
    assert (await port.get("/gateways/uid-2/revision"))[0] == 404


async def test_a_replica_that_stands_by_sends_proxies_to_ask_again(port: Port) -> None:
    port.standing.known = None

    assert (await port.get("/gateways/uid-1/revision"))[0] == 503


async def test_the_world_is_told_on_loopback(port: Port) -> None:
    assert await port.get("/debug/world") == (200, '{"manifests":[]}')


async def test_metrics_are_prometheus_text(port: Port) -> None:
    status, said = await port.get("/metrics")

    assert status == 200
    assert "# TYPE ostiary_operator_plan_seconds histogram" in said


async def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    metrics = Metrics()
    cluster = Cluster(image="proxy", operator_url="http://operator")
    settings = Settings(scope=("",), namespace="own", identity="me", port=0, cluster=cluster)
    nobody = cast("Api", None)  # it speaks to no API server yet
    Replica(settings, nobody, metrics, apart=cast("Apart", None), lease=nobody)
    lines = generate_latest(metrics.registry).decode().splitlines()
    made = {line.split()[2] for line in lines if line.startswith("# TYPE ostiary_")}
    document = (ROOT / "docs" / "operations" / "operator.md").read_text()

    documented = set(re.findall(r"^\| `(ostiary_\w+)`", document, re.MULTILINE))
    assert documented == {name for name in made if not name.endswith("_created")}


async def test_nothing_else_is_answered(port: Port) -> None:
    assert (await port.get("/debug"))[0] == 404
    assert (await port.get("/livez", "POST"))[0] == 405
