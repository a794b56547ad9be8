"""Replicas of the operator: one acts, another takes over, and what can't go on ends."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from e2e.broken_door import open_door
from e2e.kubectl import Kubectl, eventually
from e2e.operator_process import OperatorProcess, operator
from ostiary.translate.world import Cluster
from ostiary_operator.apart import Apart
from ostiary_operator.api import Api
from ostiary_operator.failures import ApiFailed, NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.metrics import Metrics
from ostiary_operator.replica import Replica
from ostiary_operator.settings import Settings

pytestmark = pytest.mark.usefixtures("kinds")
LEASE = KINDS["Lease"]


async def holder(api: Api, namespace: str) -> str:
    lease = await api.get(LEASE, namespace, "ostiary-operator")
    return str(lease["spec"]["holderIdentity"])


async def ready(process: OperatorProcess) -> None:
    await process.until("/readyz", lambda status, _: status == 200)


async def test_one_of_two_acts_and_both_are_ready(api: Api, namespace: str, tmp_path: Path) -> None:
    async with operator(tmp_path, namespace, "one", "--namespace", namespace) as first:
        await first.until_it_acts()
        async with operator(tmp_path, namespace, "two", "--namespace", namespace) as second:
            await ready(second)
            await ready(first)

            assert await holder(api, namespace) == "one"
            assert (await second.get("/gateways/none/revision"))[0] == 503
            await first.until("/gateways/none/revision", lambda status, _: status == 404)


async def test_one_that_is_stopped_hands_over_at_once(
    api: Api, namespace: str, tmp_path: Path
) -> None:
    async with (
        operator(tmp_path, namespace, "one", "--namespace", namespace) as first,
        operator(tmp_path, namespace, "two", "--namespace", namespace) as second,
    ):
        await ready(first)
        await ready(second)
        leader, other = await _leader(api, namespace, {"one": first, "two": second})
        began = time.monotonic()
        code = await leader.ends(signal.SIGTERM)
        await other.until_it_acts()

        print(f"hand-over after SIGTERM: {time.monotonic() - began:.2f} s")
        assert code == 0


async def _leader(
    api: Api, namespace: str, replicas: dict[str, OperatorProcess]
) -> tuple[OperatorProcess, OperatorProcess]:
    """Return the one that acts and the one that stands by."""
    async with asyncio.timeout(40):
        while True:
            try:
                acting = replicas[await holder(api, namespace)]
            except (NotFound, KeyError):
                await asyncio.sleep(0.05)
                continue
            await acting.until_it_has_planned()
            return acting, next(each for each in replicas.values() if each is not acting)


async def test_one_that_is_killed_is_followed_when_its_lease_has_run_out(
    api: Api, namespace: str, tmp_path: Path
) -> None:
    async with (
        operator(tmp_path, namespace, "one", "--namespace", namespace) as first,
        operator(tmp_path, namespace, "two", "--namespace", namespace) as second,
    ):
        leader, other = await _leader(api, namespace, {"one": first, "two": second})
        await leader.ends(signal.SIGKILL)

        await other.until_it_acts(seconds=30)


async def test_a_lease_is_held_while_every_other_connection_and_the_loop_are_in_use(
    api: Api, kubectl: Kubectl
) -> None:
    kind, namespace = KINDS["Secret"], kubectl.namespace
    version = (await api.list_metadata(kind, namespace)).resource_version
    watches = [
        await api._open(
            "GET", kind.path(namespace), query={"watch": "1", "resourceVersion": version},
            accept="application/json",
        )
        for _ in range(api._client.configuration.connection_pool_maxsize)
    ]  # fmt: skip
    cluster = Cluster(image="e2e.local/none:1", operator_url="http://operator:8082")
    settings = Settings(
        scope=(namespace,), namespace=namespace, identity="me", port=0, cluster=cluster
    )
    async with Apart() as apart:
        lease = await apart.run(Api.connect(Path(os.environ["KUBECONFIG"])))
        replica = Replica(settings, api, Metrics(), apart=apart, lease=lease)
        running = asyncio.create_task(replica.run())
        async with asyncio.timeout(20):
            while not replica.acts():
                await asyncio.sleep(0.05)
        first = await asyncio.to_thread(renewed, kubectl)
        eventually(lambda: renewed(kubectl), lambda now: now != first)  # our loop stands still

        await replica.rest()
        running.cancel()
        await asyncio.wait({running})
        await apart.run(lease.close())
        await apart.run(asyncio.sleep(0.25))  # connections with TLS close a moment later
    for watch in watches:
        watch.close()


def renewed(kubectl: Kubectl) -> str:
    """Return when the Lease was renewed last."""
    return str(kubectl.get("lease", "ostiary-operator")["spec"]["renewTime"])


async def test_one_that_loses_its_lease_ends(api: Api, namespace: str, tmp_path: Path) -> None:
    async with operator(tmp_path, namespace, "one", "--namespace", namespace) as process:
        await process.until_it_acts()
        await api.merge(LEASE, namespace, "ostiary-operator", {"spec": {"holderIdentity": "two"}})

        assert await process.ends() == 1
        assert await holder(api, namespace) == "two"


async def test_a_watch_that_dies_for_good_ends_the_process(
    api: Api, namespace: str, tmp_path: Path
) -> None:
    async with (
        open_door(api, tmp_path) as (door, kubeconfig),
        operator(
            tmp_path, namespace, "one", "--namespace", namespace, kubeconfig=kubeconfig
        ) as process,
    ):
        await process.until_it_has_planned()
        door.cut("mcproutes")
        await door.answer("mcproutes", code=500)

        assert await process.ends() == 1
        assert await holder(api, namespace) == ""


GATEWAY = """\
apiVersion: ostiary.dev/v1alpha1
kind: MCPGateway
metadata: {{name: default, namespace: {namespace}}}
spec:
  publicUrl: https://mcp.example.com
  identityProvider: {{oidc: {{issuer: https://login.example.com, clientId: ostiary}}}}
"""


async def test_the_default_gateway_is_made_once_and_not_again_after_it_was_deleted(
    api: Api, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(GATEWAY.format(namespace=namespace))
    options = ("--namespace", namespace, "--default-gateway", str(file))
    async with operator(tmp_path, namespace, "one", *options):
        made = await _get_soon(api, "MCPGateway", namespace, "default")
        await _marked(api, namespace)
    await api.delete(KINDS["MCPGateway"], namespace, "default", uid=made["metadata"]["uid"])

    async with operator(tmp_path, namespace, "one", *options) as process:
        await process.until_it_has_planned()
        assert (await process.world())["manifests"] == []


async def _get_soon(api: Api, kind: str, namespace: str, name: str) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while True:
            try:
                return await api.get(KINDS[kind], namespace, name)
            except ApiFailed:
                await asyncio.sleep(0.05)


async def _marked(api: Api, namespace: str) -> None:
    async with asyncio.timeout(20):
        while (
            "annotations" not in (await api.get(LEASE, namespace, "ostiary-operator"))["metadata"]
        ):
            await asyncio.sleep(0.05)
