"""Plans carried out on a real API server: what is written, what is left alone, what is refused."""

import asyncio
import base64
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet_parts import SimulatedProxy, server_context, simulated
from ostiary.resources.manifest import API_VERSION, Kind, read_manifest
from ostiary.translate.names import DIGEST, GATEWAY_UID, Names
from ostiary.translate.parsed import Cache
from ostiary.translate.plan import Plan, plan
from ostiary.translate.world import (
    Cluster,
    History,
    Observed,
    Platform,
    Rollout,
    SecretFacts,
    World,
)
from ostiary_operator.api import Api, Object
from ostiary_operator.failures import ApiFailed
from ostiary_operator.hands import Hands, NotCarriedOut
from ostiary_operator.kinds import KINDS, ApiKind
from ostiary_operator.seen import Child, ChildKey, Pod, Seen

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = Platform(
    cluster=Cluster(image="e2e.local/ostiary-proxy:1", operator_url="http://operator:8082")
)
CHILDREN = ("Deployment", "PersistentVolumeClaim", "PodDisruptionBudget", "Secret", "Service")
GATEWAY = {
    "publicUrl": "https://mcp.example.com",
    "default": True,
    "identityProvider": {"oidc": {"issuer": "https://login.example.com", "clientId": "x"}},
    "listeners": [{"name": "apps", "hostname": "*.example.com"}],
}
ROUTE = {"from": "https://notes.example.com", "to": "https://notes.example.net/mcp"}
POLICY = {
    "targetRefs": [{"kind": "MCPRoute", "name": "notes"}],
    "rules": [{"name": "a", "effect": "Allow", "who": {"groups": ["eng"]}}],
}


class Recording(Api):
    """Remembers each write, as `VERB Kind name`."""

    writes: list[str]

    async def _ask(self, method: str, path: str, **options: Any) -> Object:
        if method != "GET":
            self.writes.append(f"{method} {'/'.join(path.split('/')[-2:])}")
        return await super()._ask(method, path, **options)


@pytest.fixture
async def api() -> AsyncIterator[Recording]:
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    opened = await Recording.connect(Path(os.environ["KUBECONFIG"]))
    assert isinstance(opened, Recording)
    opened.writes = []
    yield opened
    await opened.close()


@pytest.fixture
async def namespace(api: Recording) -> AsyncIterator[str]:
    for file in sorted((ROOT / "crds").iterdir()):
        await api.apply(yaml.load(file.read_text(), yaml.CSafeLoader))  # noqa: TID251 - ours
    name = f"hands-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    meta = await eventually(lambda: api.create(body))
    yield name
    await api.delete(KINDS["Namespace"], "", name, uid=meta["uid"])


async def eventually(act: Callable[[], Any]) -> Any:
    """Do it until the API server takes it: a kind that is new takes a moment."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return await act()
        except ApiFailed:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


@dataclass
class Stage:
    """A namespace with hands on it, and the loop between the two, one turn at a time."""

    api: Recording
    namespace: str
    hands: Hands = field(init=False)
    history: Mapping[str, History] | None = None
    pods: tuple[Pod, ...] = ()
    paused: frozenset[str] = frozenset()
    changes: int = 0
    cache: Cache = field(default_factory=Cache)

    def __post_init__(self) -> None:
        self.hands = self.fresh_hands()

    def fresh_hands(self) -> Hands:
        """Return the hands of an operator that was just started."""
        self.history = None
        return Hands(
            self.api,
            clock=lambda: time.time(),  # noqa: TID251, PLW0108 - a test's clock
            entropy=os.urandom,
            changed=self.change,
        )

    def change(self) -> None:
        self.changes += 1

    async def put(self, kind: str, name: str, spec: Mapping[str, Any]) -> Object:
        return await eventually(
            lambda: self.api.apply(
                {
                    "apiVersion": API_VERSION, "kind": kind, "spec": spec,
                    "metadata": {"name": name, "namespace": self.namespace},
                }
            )
        )  # fmt: skip

    async def look(self) -> Seen:
        """Return what stands."""
        bodies = [
            {**body, "kind": kind.value, "apiVersion": API_VERSION}
            for kind in Kind
            for body in (await self.api.list(KINDS[kind], self.namespace)).items
        ]
        keys = {f"{b['kind']}/{self.namespace}/{b['metadata']['name']}": b for b in bodies}
        world = World(
            manifests=tuple(read_manifest(_bare(body)) for body in bodies),
            secrets=tuple([fact async for fact in self._secret_facts()]),
            namespaces={self.namespace: {}},
            platform=PLATFORM,
        )
        return Seen(
            world=world,
            statuses={key: body.get("status", {}) for key, body in keys.items()},
            uids={key: body["metadata"]["uid"] for key, body in keys.items()},
            versions={key: body["metadata"]["resourceVersion"] for key, body in keys.items()},
            children=await self._children(),
            pods=self.pods,
            rollouts={f"{self.namespace}/main": Rollout(replicas=1, updated=1, ready=1)},
            paused=self.paused,
        )

    async def _secret_facts(self) -> AsyncIterator[SecretFacts]:
        for body in (await self.api.list(KINDS["Secret"], self.namespace)).items:
            meta = body["metadata"]
            version = meta["resourceVersion"]
            versions = dict.fromkeys(body.get("data", {}), version)
            yield SecretFacts(namespace=self.namespace, name=meta["name"], keys=versions)

    async def _children(self) -> dict[ChildKey, Child]:
        labels = "app.kubernetes.io/managed-by=ostiary-operator"
        found = [
            _child(KINDS[kind], item["metadata"])
            for kind in CHILDREN
            for item in (
                await self.api.list_metadata(KINDS[kind], self.namespace, labels=labels)
            ).items
        ]
        return {child.key: child for child in found}

    async def turn(self, *, between: Callable[[], Any] | None = None) -> Plan:
        """Look, plan and act once; `between` happens after the look."""
        seen = await self.look()
        if self.history is None:
            self.history = await self.hands.recall(seen)
        observed = Observed(
            proxies=self.hands.reported(),
            rollouts=self.hands.rollouts(seen),
            history=self.history,
            statuses=seen.statuses,
        )
        planned = plan(seen.world, observed, time.time(), cache=self.cache)  # noqa: TID251
        self.history = {**self.history, **planned.history}
        self.api.writes.clear()
        if between is not None:
            await between()
        await self.hands.carry_out(seen, planned)
        return planned

    async def settle(self) -> None:
        """Turn until nothing is written any more, ten times at most."""
        for _ in range(10):
            await self.turn()
            if not self.api.writes:
                return
        raise AssertionError(self.api.writes)

    async def get(self, kind: str, name: str) -> Object:
        return await self.api.get(KINDS[kind], self.namespace, name)

    async def status(self, kind: str, name: str) -> Object:
        found: Object = (await self.get(kind, name)).get("status", {})
        return found

    async def condition(self, kind: str, name: str, type_: str) -> tuple[str, str]:
        listed = (await self.status(kind, name))["conditions"]
        found = next(item for item in listed if item["type"] == type_)
        return found["status"], found["message"]


def _bare(body: Object) -> Object:
    read = ("name", "namespace", "uid", "generation", "creationTimestamp", "labels")
    meta = {name: body["metadata"][name] for name in read if name in body["metadata"]}
    return {
        "apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": meta,
        "spec": body["spec"],
    }  # fmt: skip


def _child(kind: ApiKind, meta: Object) -> Child:
    return Child(
        api_version=kind.api_version,
        kind=kind.kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        generation=meta.get("generation", 0),
        gateway_uid=meta["labels"].get(GATEWAY_UID, ""),
        digest=meta.get("annotations", {}).get(DIGEST, ""),
    )


@pytest.fixture
async def stage(api: Recording, namespace: str) -> AsyncIterator[Stage]:
    """A gateway, a route and a policy, nothing carried out yet."""
    stage = Stage(api, namespace)
    await stage.put("MCPGateway", "main", GATEWAY)
    await stage.put("MCPRoute", "notes", ROUTE)
    await stage.put("MCPPolicy", "rules", POLICY)
    yield stage
    await stage.hands.close()


UNTOUCHED = {"observedGeneration": -1, "conditions": [], "attachedPolicies": []}
FIRST = [
    "POST {ns}/secrets",
    "PATCH secrets/ostiary-main-admin-ca",
    "PATCH secrets/ostiary-main-admin",
    "PATCH secrets/ostiary-main-bundle-v1-00",
    "PATCH persistentvolumeclaims/ostiary-main-state",
    "PATCH services/ostiary-main",
    "PATCH services/ostiary-main-internal",
    "PATCH deployments/ostiary-main",
    "PATCH main/status",
    "PATCH notes/status",
    "PATCH rules/status",
]


async def test_a_first_plan_writes_each_object_once_and_the_same_again_nothing(
    stage: Stage,
) -> None:
    await stage.turn()
    first = [write.replace(stage.namespace, "{ns}") for write in stage.api.writes]
    await stage.turn()

    assert (sorted(first), stage.api.writes) == (sorted(FIRST), [])


async def test_an_operator_that_starts_again_changes_no_object(stage: Stage) -> None:
    await stage.settle()
    before = await versions(stage)
    assert stage.history is not None
    history = dict(stage.history)
    await stage.hands.close()
    stage.hands = stage.fresh_hands()

    await stage.settle()

    assert stage.history == history
    assert await versions(stage) == before


async def versions(stage: Stage) -> dict[ChildKey, str]:
    """Return the versions of the objects; the controller of volumes moves its own."""
    children = (await stage.look()).children.items()
    return {key: c.resource_version for key, c in children if "VolumeClaim" not in c.kind}


async def test_an_edit_of_a_policy_writes_the_bundle_and_statuses_only(stage: Stage) -> None:
    await stage.settle()
    edited = {**POLICY, "rules": [{"name": "a", "effect": "Allow", "who": {"groups": ["ops"]}}]}
    await stage.put("MCPPolicy", "rules", edited)

    await stage.turn()

    writes = [write for write in stage.api.writes if not write.endswith("/status")]
    assert writes == ["PATCH secrets/ostiary-main-bundle-v1-00"]


async def test_what_somebody_changes_or_deletes_is_healed(stage: Stage) -> None:
    await stage.settle()
    ns, api = stage.namespace, stage.api
    await api.merge(KINDS["Deployment"], ns, "ostiary-main", {"spec": {"replicas": 7}})
    service = await stage.get("Service", "ostiary-main")
    await api.delete(KINDS["Service"], ns, "ostiary-main", uid=service["metadata"]["uid"])
    emptied = {"data": {"bundle-000": ""}}
    await api.merge(KINDS["Secret"], ns, "ostiary-main-bundle-v1-00", emptied)

    await stage.turn()

    assert sorted(write for write in api.writes if "status" not in write) == [
        "PATCH deployments/ostiary-main",
        "PATCH secrets/ostiary-main-bundle-v1-00",
        "PATCH services/ostiary-main",
    ]
    assert (await stage.get("Deployment", "ostiary-main"))["spec"]["replicas"] == 1
    assert (await stage.get("Secret", "ostiary-main-bundle-v1-00"))["data"]["bundle-000"]


async def test_a_deployment_whose_status_moves_is_left_alone(stage: Stage) -> None:
    await stage.settle()
    change = {"status": {"observedGeneration": 1}}
    path = KINDS["Deployment"].path(stage.namespace, "ostiary-main", "status")
    merge = "application/merge-patch+json"
    await stage.api._write("PATCH", path, change, query={}, content=merge)

    await stage.turn()

    assert stage.api.writes == []


async def test_keys_that_are_deleted_come_back_the_same(stage: Stage) -> None:
    await stage.settle()
    before = await stage.get("Secret", "ostiary-main-keys")
    await stage.api.delete(
        KINDS["Secret"], stage.namespace, "ostiary-main-keys", uid=before["metadata"]["uid"]
    )

    await stage.turn()

    after = await stage.get("Secret", "ostiary-main-keys")
    assert after["data"] == before["data"]
    assert "ownerReferences" not in after["metadata"]


async def test_an_object_of_somebody_else_is_never_seized(stage: Stage) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "ostiary-main", "namespace": stage.namespace},
        "spec": {"ports": [{"port": 1}]},
    }
    await stage.api.create(theirs)

    with pytest.raises(NotCarriedOut, match="Service ostiary-main exists and is not this"):
        await stage.turn()
    with pytest.raises(NotCarriedOut):
        await stage.turn()

    assert (await stage.get("Service", "ostiary-main"))["spec"]["ports"][0]["port"] == 1
    assert await stage.condition("MCPGateway", "main", "Ready") == (
        "False",
        "Service ostiary-main exists and is not this gateway's; delete or rename it",
    )
    assert (await stage.get("Deployment", "ostiary-main"))["metadata"]["uid"]


async def test_a_gateway_that_a_quota_holds_up_says_so_and_another_goes_on(stage: Stage) -> None:
    ns = stage.namespace
    quota = {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {"count/deployments.apps": "1"}},
    }  # fmt: skip
    await stage.api._write("POST", f"/api/v1/namespaces/{ns}/resourcequotas", quota, query={})
    await stage.settle()
    other = {**GATEWAY, "publicUrl": "https://other.example.com", "default": False}
    await stage.put("MCPGateway", "other", other)

    for _ in range(3):
        with pytest.raises(NotCarriedOut, match="exceeded quota: none"):
            await stage.turn()

    status, message = await stage.condition("MCPGateway", "other", "Ready")
    assert status == "False"
    assert message.startswith("Deployment ostiary-other: deployments.apps")
    assert (await stage.get("Secret", "ostiary-other-bundle-v1-00"))["data"]["bundle-000"]


async def test_what_is_no_longer_planned_goes_but_volume_and_keys_stay(stage: Stage) -> None:
    await stage.settle()
    redis = {"apiVersion": "v1", "kind": "Secret", "stringData": {"url": "redis://r:6379"}}
    await stage.api.create({**redis, "metadata": {"name": "r", "namespace": stage.namespace}})
    storage = {"type": "Redis", "urlSecretRef": {"name": "r", "key": "url"}}
    audit = {"sinks": ["Stdout"]}
    two = {**GATEWAY, "storage": storage, "audit": audit, "proxy": {"replicas": 2}}
    await stage.put("MCPGateway", "main", two)
    await stage.settle()
    await stage.put("MCPGateway", "main", {**two, "proxy": {"replicas": 1}})

    await stage.settle()

    kinds = {(child.kind, child.name) for child in (await stage.look()).children.values()}
    assert ("PodDisruptionBudget", "ostiary-main") not in kinds
    assert {
        ("PersistentVolumeClaim", "ostiary-main-state"),
        ("Secret", "ostiary-main-keys"),
    } <= kinds


async def test_a_paused_gateway_is_left_alone_but_for_its_status(stage: Stage) -> None:
    await stage.settle()
    stage.paused = frozenset({f"{stage.namespace}/main"})
    ns, api = stage.namespace, stage.api
    await api.merge(KINDS["Deployment"], ns, "ostiary-main", {"spec": {"replicas": 7}})
    await stage.put("MCPRoute", "second", {**ROUTE, "from": "https://second.example.com"})

    await stage.turn()

    assert {write.split("/")[-1] for write in api.writes} == {"status"}


async def test_an_object_made_again_does_not_get_the_status_of_the_one_before(
    stage: Stage,
) -> None:
    async def make_again() -> None:
        old = await stage.get("MCPRoute", "notes")
        kind, ns = KINDS["MCPRoute"], stage.namespace
        await stage.api.delete(kind, ns, "notes", uid=old["metadata"]["uid"])
        await stage.put("MCPRoute", "notes", ROUTE)
        stage.api.writes.clear()

    await stage.turn(between=make_again)

    assert "PATCH notes/status" in stage.api.writes
    assert await stage.status("MCPRoute", "notes") == UNTOUCHED


async def test_a_bundle_that_grows_and_shrinks_leaves_no_part_behind(stage: Stage) -> None:
    for index in range(10):
        await stage.put("MCPPolicy", f"big-{index}", _large_policy(index))
    await stage.settle()
    shard = "ostiary-main-bundle-v1-01"
    assert (await stage.get("Secret", shard))["data"].keys() == {"bundle-001"}
    for index in range(10):
        found = await stage.get("MCPPolicy", f"big-{index}")
        kind, ns = KINDS["MCPPolicy"], stage.namespace
        await stage.api.delete(kind, ns, f"big-{index}", uid=found["metadata"]["uid"])

    await stage.settle()

    assert (await stage.get("Secret", shard)).get("data") is None


def _large_policy(index: int) -> Object:
    """Return a policy of 100 kB and more that doesn't compress."""
    rules = [
        {
            "name": f"r{index}-{number}",
            "effect": "Allow",
            "who": {"groups": [secrets.token_urlsafe(180) for _ in range(60)]},
        }
        for number in range(10)
    ]
    return {"targetRefs": [{"kind": "MCPRoute", "name": "notes"}], "rules": rules}


async def test_what_proxies_answer_becomes_the_status_of_all(stage: Stage, tmp_path: Path) -> None:
    await stage.settle()
    await stage.turn()
    assert await stage.condition("MCPRoute", "notes", "Programmed") == (
        "Unknown",
        "no proxy has reported yet",
    )
    found = await stage.get("Secret", Names("main").admin)
    files = {name: base64.b64decode(value) for name, value in found["data"].items()}
    proxies = {f"127.0.77.{number}": SimulatedProxy() for number in (1, 2)}
    stage.pods = tuple(_pod(stage.namespace, address) for address in proxies)
    async with AsyncExitStack() as stack:
        for address, proxy in proxies.items():
            context = server_context(files, tmp_path)
            await stack.enter_async_context(simulated(proxy, context, address=address, port=8443))
        before = stage.changes

        await stage.turn()
        put_off = list(stage.api.writes)
        await stage.settle()
        await stage.hands.close()

    assert stage.changes - before == 2
    assert put_off == []
    assert await stage.condition("MCPRoute", "notes", "Programmed") == (
        "True",
        "2/2 proxies serve it",
    )
    assert await events(stage) == [
        ("MCPGateway", "Ready"),
        ("MCPPolicy", "Ready"),
        ("MCPRoute", "Ready"),
    ]


def _pod(namespace: str, address: str) -> Pod:
    return Pod(
        namespace=namespace,
        name=f"main-{address}",
        uid=address,
        gateway=f"{namespace}/main",
        address=address,
        ready=True,
        terminating=False,
    )


async def events(stage: Stage) -> list[tuple[str, str]]:
    found = (await stage.api.list(KINDS["Event"], stage.namespace)).items
    ours = [item for item in found if item["source"].get("component") == "ostiary-operator"]
    return sorted((item["involvedObject"]["kind"], item["reason"]) for item in ours)
