"""Replicas of the operator: one acts, another takes over, and what can't go on ends."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from e2e.broken_door import open_door
from e2e.operator_process import OperatorProcess, operator
from ostiary_operator.api import Api
from ostiary_operator.failures import ApiFailed, NotFound
from ostiary_operator.kinds import KINDS

pytestmark = pytest.mark.usefixtures("kinds")
LEASE = KINDS["Lease"]


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    opened = await Api.connect(Path(os.environ["KUBECONFIG"]))
    yield opened
    await opened.close()


@pytest.fixture
async def home(api: Api) -> AsyncIterator[str]:
    """The namespace of an operator of this test's own, which serves no other."""
    name = f"operator-{secrets.token_hex(4)}"
    meta = await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await api.delete(KINDS["Namespace"], "", name, uid=meta["uid"])


async def holder(api: Api, home: str) -> str:
    lease = await api.get(LEASE, home, "ostiary-operator")
    return str(lease["spec"]["holderIdentity"])


async def ready(process: OperatorProcess) -> None:
    await process.until("/readyz", lambda status, _: status == 200)


async def test_one_of_two_acts_and_both_are_ready(api: Api, home: str, tmp_path: Path) -> None:
    async with operator(tmp_path, home, "one", "--namespace", home) as first:
        await first.until_it_acts()
        async with operator(tmp_path, home, "two", "--namespace", home) as second:
            await ready(second)
            await ready(first)

            assert await holder(api, home) == "one"
            assert (await second.get("/gateways/none/revision"))[0] == 503
            await first.until("/gateways/none/revision", lambda status, _: status == 404)


async def test_one_that_is_stopped_hands_over_at_once(api: Api, home: str, tmp_path: Path) -> None:
    async with (
        operator(tmp_path, home, "one", "--namespace", home) as first,
        operator(tmp_path, home, "two", "--namespace", home) as second,
    ):
        await ready(first)
        await ready(second)
        leader, other = await _leader(api, home, {"one": first, "two": second})
        began = time.monotonic()
        code = await leader.ends(signal.SIGTERM)
        await other.until_it_acts()

        print(f"hand-over after SIGTERM: {time.monotonic() - began:.2f} s")
        assert code == 0


async def _leader(
    api: Api, home: str, replicas: dict[str, OperatorProcess]
) -> tuple[OperatorProcess, OperatorProcess]:
    """Return the one that acts and the one that stands by."""
    async with asyncio.timeout(40):
        while True:
            try:
                acting = replicas[await holder(api, home)]
            except (NotFound, KeyError):
                await asyncio.sleep(0.05)
                continue
            await acting.until_it_has_planned()
            return acting, next(each for each in replicas.values() if each is not acting)


async def test_one_that_is_killed_is_followed_when_its_lease_has_run_out(
    api: Api, home: str, tmp_path: Path
) -> None:
    async with (
        operator(tmp_path, home, "one", "--namespace", home) as first,
        operator(tmp_path, home, "two", "--namespace", home) as second,
    ):
        leader, other = await _leader(api, home, {"one": first, "two": second})
        await leader.ends(signal.SIGKILL)

        await other.until_it_acts(seconds=30)


async def test_one_that_loses_its_lease_ends(api: Api, home: str, tmp_path: Path) -> None:
    async with operator(tmp_path, home, "one", "--namespace", home) as process:
        await process.until_it_acts()
        await api.merge(LEASE, home, "ostiary-operator", {"spec": {"holderIdentity": "two"}})

        assert await process.ends() == 1
        assert await holder(api, home) == "two"


async def test_a_watch_that_dies_for_good_ends_the_process(
    api: Api, home: str, tmp_path: Path
) -> None:
    async with (
        open_door(api, tmp_path) as (door, kubeconfig),
        operator(tmp_path, home, "one", "--namespace", home, kubeconfig=kubeconfig) as process,
    ):
        await process.until_it_has_planned()
        door.cut("mcproutes")
        await door.answer("mcproutes", code=500)

        assert await process.ends() == 1
        assert await holder(api, home) == ""


GATEWAY = """\
apiVersion: ostiary.dev/v1alpha1
kind: MCPGateway
metadata: {{name: default, namespace: {home}}}
spec:
  publicUrl: https://mcp.example.com
  identityProvider: {{oidc: {{issuer: https://login.example.com, clientId: ostiary}}}}
"""


async def test_the_default_gateway_is_made_once_and_not_again_after_it_was_deleted(
    api: Api, home: str, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(GATEWAY.format(home=home))
    options = ("--namespace", home, "--default-gateway", str(file))
    async with operator(tmp_path, home, "one", *options):
        made = await _get_soon(api, "MCPGateway", home, "default")
        await _marked(api, home)
    await api.delete(KINDS["MCPGateway"], home, "default", uid=made["metadata"]["uid"])

    async with operator(tmp_path, home, "one", *options) as process:
        await process.until_it_has_planned()
        assert (await process.world())["manifests"] == []


async def _get_soon(api: Api, kind: str, namespace: str, name: str) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while True:
            try:
                return await api.get(KINDS[kind], namespace, name)
            except ApiFailed:
                await asyncio.sleep(0.05)


async def _marked(api: Api, home: str) -> None:
    async with asyncio.timeout(20):
        while "annotations" not in (await api.get(LEASE, home, "ostiary-operator"))["metadata"]:
            await asyncio.sleep(0.05)
