"""What the operator sees of a real API server: all of it, soon, whatever breaks in between."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.broken_door import BrokenDoor, open_door
from e2e.cluster.layout import ROOT
from e2e.grants import GRANTS_CRD
from operator_parts import policy, route
from ostiary.decode.yaml_documents import read_documents
from ostiary.translate.world import Platform
from ostiary_operator.api import Api
from ostiary_operator.doorway import Doorway
from ostiary_operator.failures import ApiFailed
from ostiary_operator.feed import Feed
from ostiary_operator.kinds import KINDS
from ostiary_operator.seen import Seen
from ostiary_operator.watch import Watch

pytestmark = pytest.mark.usefixtures("kinds")
CRD = KINDS["CustomResourceDefinition"]
SOON = 12
"""Seconds within which a deletion that no watch told of must be obeyed."""


@pytest.fixture
async def through(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BrokenDoor]:
    """A door that breaks, and KUBECONFIG leading through it."""
    async with open_door(api, tmp_path) as (door, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield door


def fresh(body: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return an object to be created."""
    meta = {"name": body["metadata"]["name"], "namespace": namespace}
    return {**body, "metadata": meta}


def namespaced(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def secret(namespace: str, name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"value": "s3"}}


class Watching:
    """A watch of one test, and waiting for what it sees."""

    def __init__(self, watch: Watch, changed: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.watch = watch
        self._changed = changed
        self._task = task

    async def until(self, holds: Callable[[Seen], object], seconds: float = 30) -> Seen:
        """Return what is seen as soon as it is so."""
        async with asyncio.timeout(seconds):
            while True:
                assert not self._task.done(), self._task.exception()
                self._changed.clear()
                seen = await self.watch.seen()
                if seen is not None and holds(seen):
                    return seen
                await self._changed.wait()


@asynccontextmanager
async def watching(*scope: str) -> AsyncIterator[Watching]:
    api = await Api.connect(Path(os.environ["KUBECONFIG"]))
    changed, loop = asyncio.Event(), asyncio.get_running_loop()
    watch = Watch(api, Platform(), scope or ("",), changed=changed.set, clock=loop.time)
    task = asyncio.create_task(watch.run())
    try:
        yield Watching(watch, changed, task)
    finally:
        task.cancel()
        await asyncio.wait({task})
        await api.close()


def ours(seen: Seen, namespace: str) -> set[str]:
    return {
        f"{item.kind}/{item.meta.name}"
        for item in seen.world.manifests
        if item.meta.namespace == namespace
    }


async def test_what_stands_and_what_comes_is_seen(api: Api, namespace: str) -> None:
    await api.create(fresh(route("first"), namespace))

    async with watching() as found:
        await found.until(lambda seen: ours(seen, namespace) == {"MCPRoute/first"})
        await api.create(fresh(policy("second"), namespace))
        seen = await found.until(lambda seen: len(ours(seen, namespace)) == 2)

    assert seen.world.services_known
    assert {"name": "kubernetes", "namespace": "default"} in [
        {"name": item.name, "namespace": item.namespace} for item in seen.world.services
    ]
    assert seen.world.namespaces[namespace]["kubernetes.io/metadata.name"] == namespace


async def test_kopf_alone_keeps_what_was_deleted_while_its_watch_was_broken(
    api: Api, namespace: str, through: BrokenDoor
) -> None:
    """Why there is a sweep: when this fails, kopf has learnt it, and the sweep may go."""
    created = await api.create(fresh(policy("allow"), namespace))
    heard, relisted = asyncio.Event(), asyncio.Event()
    feed = Feed(Platform(), ("",), heard.set)
    task = asyncio.create_task(Doorway(feed, ("",), relisted.set).run())
    async with asyncio.timeout(30):
        while ours(feed.seen(()), namespace) != {"MCPPolicy/allow"}:
            heard.clear()
            await heard.wait()
        through.cut("mcppolicies")
        await api.delete(KINDS["MCPPolicy"], namespace, "allow", uid=created["uid"])
        await api.create(fresh(policy("other"), namespace))
        await through.answer("mcppolicies")
        while "MCPPolicy/other" not in ours(feed.seen(()), namespace):
            heard.clear()
            await heard.wait()
    task.cancel()
    await asyncio.wait({task})

    assert ours(feed.seen(()), namespace) == {"MCPPolicy/allow", "MCPPolicy/other"}


async def test_a_deleted_allow_leaves_the_world_though_every_watch_is_broken(
    api: Api, namespace: str, through: BrokenDoor
) -> None:
    created = await api.create(fresh(policy("allow"), namespace))
    async with watching() as found:
        await found.until(lambda seen: ours(seen, namespace) == {"MCPPolicy/allow"})
        through.cut("mcppolicies")
        await api.delete(KINDS["MCPPolicy"], namespace, "allow", uid=created["uid"])
        await found.until(lambda seen: not ours(seen, namespace), SOON)

        await through.answer("mcppolicies")
        await api.create(fresh(policy("later"), namespace))
        await found.until(lambda seen: ours(seen, namespace) == {"MCPPolicy/later"})


async def test_a_deletion_is_seen_where_a_watch_starts_anew_after_410(
    api: Api, namespace: str, through: BrokenDoor
) -> None:
    created = await api.create(fresh(policy("allow"), namespace))
    async with watching() as found:
        await found.until(lambda seen: ours(seen, namespace) == {"MCPPolicy/allow"})
        through.cut("mcppolicies")
        await api.delete(KINDS["MCPPolicy"], namespace, "allow", uid=created["uid"])
        await through.answer("mcppolicies")

        await found.until(lambda seen: not ours(seen, namespace), SOON)


async def test_a_new_deny_is_seen_though_no_watch_tells_of_it(
    api: Api, namespace: str, through: BrokenDoor
) -> None:
    async with watching() as found:
        await found.until(lambda seen: not ours(seen, namespace))
        through.cut("mcppolicies")
        await api.create(fresh(policy("deny"), namespace))

        await found.until(lambda seen: ours(seen, namespace) == {"MCPPolicy/deny"}, 2 * SOON)


def header(name: str) -> dict[str, Any]:
    value = {"name": "X-Api-Key", "valueRef": {"name": name, "key": "value"}}
    return {"mcp": {"upstreamAuth": {"type": "Header", "header": value}}}


@pytest.mark.parametrize(
    ("labels", "seconds"), [({"ostiary.dev/credential": "true"}, 5), ({}, SOON)]
)
async def test_a_secret_that_comes_later_is_noticed(
    api: Api, namespace: str, labels: dict[str, str], seconds: float
) -> None:
    await api.create(fresh(route(spec=header("key")), namespace))
    async with watching() as found:
        seen = await found.until(lambda seen: ours(seen, namespace))
        assert seen.world.secrets == ()
        await api.create(secret(namespace, "key", labels))
        seen = await found.until(lambda seen: seen.world.secrets, seconds)

        assert [(item.name, list(item.keys)) for item in seen.world.secrets] == [("key", ["value"])]
        assert "s3" not in repr(seen)
        uid = (await api.get(KINDS["Secret"], namespace, "key"))["metadata"]["uid"]
        await api.delete(KINDS["Secret"], namespace, "key", uid=uid)
        await found.until(lambda seen: not seen.world.secrets, seconds)


async def test_a_child_is_seen_by_its_label_and_missed_when_it_goes(
    api: Api, namespace: str
) -> None:
    labels = {"app.kubernetes.io/managed-by": "ostiary-operator", "ostiary.dev/gateway-uid": "u"}
    async with watching() as found:
        await found.until(lambda seen: not ours(seen, namespace))
        created = await api.create(secret(namespace, "ostiary-gw-keys", labels))
        key = ("Secret", namespace, "ostiary-gw-keys")
        seen = await found.until(lambda seen: key in seen.children)

        assert seen.children[key].gateway_uid == "u"
        assert "s3" not in repr(seen)
        await api.delete(KINDS["Secret"], *key[1:], uid=created["uid"])
        await found.until(lambda seen: key not in seen.children)


async def test_some_namespaces_are_watched_without_a_look_at_others(
    api: Api, namespace: str
) -> None:
    other = f"{namespace}-other"
    made = await api.create(namespaced(other))
    await api.create(fresh(route("theirs"), other))
    async with watching(namespace) as found:
        await found.until(lambda seen: not ours(seen, namespace))
        await api.create(fresh(route("mine"), namespace))
        seen = await found.until(lambda seen: ours(seen, namespace))

    await api.delete(KINDS["Namespace"], "", other, uid=made["uid"])
    assert ours(seen, other) == set()
    assert set(seen.world.namespaces) == {namespace}


async def test_a_namespace_that_is_deleted_takes_its_objects_out_of_the_world(
    api: Api, namespace: str
) -> None:
    name = f"{namespace}-going"
    made = await api.create(namespaced(name))
    held = fresh(policy("deny"), name)
    held["metadata"]["finalizers"] = ["example.com/held"]
    await api.create(held)
    async with watching() as found:
        await found.until(lambda seen: ours(seen, name))
        await api.delete(KINDS["Namespace"], "", name, uid=made["uid"])
        await found.until(lambda seen: not ours(seen, name))
        await api.merge(KINDS["MCPPolicy"], name, "deny", {"metadata": {"finalizers": None}})


def crd(plural: str) -> dict[str, Any]:
    path = ROOT / "crds" / f"ostiary.dev_{plural}.yaml"
    found = read_documents(path.read_bytes(), str(path))[0].value
    assert isinstance(found, dict)
    return found


async def test_a_kind_that_is_deleted_and_made_again_is_seen_again(
    api: Api, namespace: str
) -> None:
    definition = crd("mcppolicies")
    name = definition["metadata"]["name"]
    await api.create(fresh(policy("before"), namespace))
    async with watching() as found:
        await found.until(lambda seen: ours(seen, namespace) == {"MCPPolicy/before"})
        stands = await api.get(CRD, "", name)
        try:
            await api.delete(CRD, "", name, uid=stands["metadata"]["uid"])
            await found.until(lambda seen: not ours(seen, namespace))
        finally:
            await _soon(api, definition)
        await _soon(api, fresh(policy("after"), namespace))
        await found.until(lambda seen: ours(seen, namespace) == {"MCPPolicy/after"}, 2 * SOON)


async def test_nothing_is_seen_before_a_kind_is_there_and_it_is_said_which(
    api: Api, namespace: str
) -> None:
    definition = crd("mcproutes")
    stands = await api.get(CRD, "", definition["metadata"]["name"])
    await api.delete(CRD, "", definition["metadata"]["name"], uid=stands["metadata"]["uid"])
    missing = "mcproutes.ostiary.dev: the CRD mcproutes.ostiary.dev is missing"
    await _undiscovered(api, "mcproutes")
    try:
        async with watching() as found, asyncio.timeout(60):
            while len(found.watch.waiting) != 1 or missing not in found.watch.waiting[0]:
                await asyncio.sleep(0.05)
            assert await found.watch.seen() is None

            await _soon(api, definition)
            await _soon(api, fresh(route(), namespace))
            await found.until(lambda seen: ours(seen, namespace) == {"MCPRoute/tools"}, 2 * SOON)
    finally:
        await api.apply(definition)


async def test_a_grant_is_seen_though_its_kind_came_after_the_operator(
    api: Api, namespace: str
) -> None:
    async with watching() as found:
        await found.until(lambda seen: not seen.world.grants)
        made = await api.create(GRANTS_CRD)
        try:
            await _soon(api, grant(namespace))
            seen = await found.until(lambda seen: seen.world.grants)
        finally:
            await api.delete(CRD, "", GRANTS_CRD["metadata"]["name"], uid=made["uid"])
        await found.until(lambda seen: not seen.world.grants, 3 * SOON)

    assert [item.metadata.namespace for item in seen.world.grants] == [namespace]


async def _undiscovered(api: Api, plural: str) -> None:
    """Wait until the server no longer tells of a kind, for kopf gives up where it lies."""
    async with asyncio.timeout(30):
        while plural in json.dumps(await api._ask("GET", "/apis/ostiary.dev/v1alpha1")):
            await asyncio.sleep(0.05)


async def _soon(api: Api, body: dict[str, Any]) -> None:
    """Create an object as soon as the server takes it."""
    async with asyncio.timeout(30):
        while True:
            try:
                await api.create(body)
                return
            except ApiFailed:
                await asyncio.sleep(0.1)


def grant(namespace: str) -> dict[str, Any]:
    source = {"group": "ostiary.dev", "kind": "MCPRoute", "namespace": "elsewhere"}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "tools", "namespace": namespace},
        "spec": {"from": [source], "to": [{"group": "", "kind": "Service"}]},
    }
