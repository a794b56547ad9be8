"""Plans carried out on a real API server: what is written, what is left alone, what is refused."""

import base64
import gzip
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet_parts import SimulatedProxy, server_context, simulated
from ostiary.config.bundle import read_bundle, unpack
from ostiary.config.document import SCHEMA, Bundle
from ostiary.config.keys import KeyDocument
from ostiary.config.rotation import KNOWN_AFTER
from ostiary.crypto.secret import Secret
from ostiary.decode.json_text import write_json
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary.translate.names import Names
from ostiary_operator.api import Object
from ostiary_operator.events import Events
from ostiary_operator.hands import NotCarriedOut
from ostiary_operator.kinds import KINDS
from ostiary_operator.seen import ChildKey, Pod
from ostiary_operator.statuses import StatusWriter
from stage_parts import GATEWAY, POLICY, ROUTE, Recording, Stage

pytestmark = pytest.mark.usefixtures("kinds")


@pytest.fixture
async def stage(namespace: str) -> AsyncIterator[Stage]:
    """A gateway, a route and a policy, nothing carried out yet."""
    api = await Recording.connect(Path(os.environ["KUBECONFIG"]))
    assert isinstance(api, Recording)
    api.writes = []
    stage = Stage(api, namespace)
    await stage.put("MCPGateway", "main", GATEWAY)
    await stage.put("MCPRoute", "notes", ROUTE)
    await stage.put("MCPPolicy", "rules", POLICY)
    yield stage
    await stage.hands.close()
    await api.close()


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
    # The cluster binds the claim meanwhile, and a claim has no generation: it is applied again.
    again = [write for write in stage.api.writes if "/ostiary-main-state" not in write]

    assert (sorted(first), again) == (sorted(FIRST), [])


async def test_an_operator_that_starts_again_changes_no_object(stage: Stage) -> None:
    await stage.settle()
    before = await versions(stage)
    assert stage.history is not None
    history = dict(stage.history)
    await stage.hands.close()
    stage.start_again()

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
    await stage.merge("Deployment", "ostiary-main", {"spec": {"replicas": 7}})
    await stage.delete("Service", "ostiary-main")
    await stage.merge("Secret", "ostiary-main-bundle-v1-00", {"data": {"bundle-000": ""}})

    await stage.turn()

    assert sorted(stage.api.writes) == [
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
    await stage.delete("Secret", "ostiary-main-keys")

    await stage.turn()

    after = await stage.get("Secret", "ostiary-main-keys")
    assert after["data"] == before["data"]
    assert "ownerReferences" not in after["metadata"]


async def test_keys_are_replaced_step_by_step_where_an_annotation_asks_for_it(
    stage: Stage,
) -> None:
    async def held() -> KeyDocument:
        data = (await stage.get("Secret", "ostiary-main-keys"))["data"]["keys.json"]
        return validate(KeyDocument, read_json(base64.b64decode(data)))

    async def shown() -> list[tuple[str, str]]:
        status = (await stage.get("MCPGateway", "main"))["status"]
        return [(item["ring"], item["stage"]) for item in status["keyRotations"]]

    await stage.settle()
    old = await held()
    asked = {"ostiary.dev/rotate-keys": "access,seal 2026-11-28"}
    await stage.put("MCPGateway", "main", GATEWAY, annotations=asked)
    await stage.settle()
    published = await held()
    assert await shown() == [("access", "Published"), ("seal", "Published")]
    assert (published.access, published.seal) == (old.access, old.seal)

    stage.later = KNOWN_AFTER
    stage.pods = (_pod(stage.namespace, "127.0.0.1"),)  # it does not say that it knows the new keys
    await stage.turn()
    assert await held() == published
    stage.pods = ()
    await stage.settle()
    signing = await held()
    assert await shown() == [("access", "Signing"), ("seal", "Signing")]
    assert signing.access[1:] == old.access

    stage.later = 100_000
    await stage.settle()
    await stage.settle()
    assert await shown() == [("seal", "Signing")]
    assert (await held()).access == signing.access[:1]
    assert (await held()).seal == signing.seal


async def test_keys_deleted_with_their_gateway_are_gone(stage: Stage) -> None:
    await stage.settle()
    before = await stage.get("Secret", "ostiary-main-keys")
    await stage.delete("MCPGateway", "main")
    await stage.delete("Secret", "ostiary-main-keys")
    await stage.put("MCPGateway", "main", GATEWAY)

    await stage.settle()

    assert (await stage.get("Secret", "ostiary-main-keys"))["data"] != before["data"]
    uid = (await stage.get("MCPGateway", "main"))["metadata"]["uid"]
    deployment = await stage.get("Deployment", "ostiary-main")
    assert [owner["uid"] for owner in deployment["metadata"]["ownerReferences"]] == [uid]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Service", "ostiary-main"),
        ("Secret", "ostiary-main-keys"),
        ("Secret", "ostiary-main-admin-ca"),
        ("Secret", "ostiary-main-bundle-v1-00"),
    ],
)
async def test_an_object_of_somebody_else_is_never_seized(
    stage: Stage, kind: str, name: str
) -> None:
    meta = {"name": name, "namespace": stage.namespace, "labels": {"app": "theirs"}}
    spec = {"spec": {"ports": [{"port": 1}]}} if kind == "Service" else {}
    await stage.api.create({"apiVersion": "v1", "kind": kind, "metadata": meta, **spec})
    before = await stage.get(kind, name)

    for _ in range(2):
        with pytest.raises(NotCarriedOut, match=f"{kind} {name} exists and is not this gateway's"):
            await stage.turn()

    assert await stage.get(kind, name) == before
    status, message = await stage.condition("MCPGateway", "main", "Ready")
    assert status == "False"
    assert message.startswith(f"{kind} {name} exists and is not this gateway's; ")


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
    pause = {"ostiary.dev/reconcile": "disabled"}
    await stage.put("MCPGateway", "main", GATEWAY, annotations=pause)
    await stage.merge("Deployment", "ostiary-main", {"spec": {"replicas": 7}})
    await stage.put("MCPRoute", "second", {**ROUTE, "from": "https://second.example.com"})

    await stage.turn()

    written = {write for write in stage.api.writes if not write.endswith("/events")}
    assert {write.split("/")[-1] for write in written} == {"status"}


async def test_an_object_made_again_does_not_get_the_status_of_the_one_before(
    stage: Stage,
) -> None:
    async def make_again() -> None:
        await stage.delete("MCPRoute", "notes")
        await stage.put("MCPRoute", "notes", ROUTE)

    await stage.turn(between=make_again)

    assert "PATCH notes/status" in stage.api.writes
    assert (await stage.get("MCPRoute", "notes"))["status"] == UNTOUCHED


async def test_a_status_that_turns_back_before_it_was_seen_is_written_back(stage: Stage) -> None:
    await stage.settle()
    seen, key = await stage.look(), f"MCPRoute/{stage.namespace}/notes"
    first, second = seen.statuses[key], {**seen.statuses[key], "url": "https://other.example.com"}
    writer = StatusWriter(stage.api, Events(stage.api, lambda: 0.0, os.urandom))

    for status in (second, first, first):
        writer.offer(seen, {key: status})
        await writer.done()

    assert (await stage.get("MCPRoute", "notes"))["status"] == first
    assert stage.api.writes == ["PATCH notes/status", "PATCH notes/status"]


async def test_a_bundle_that_grows_and_shrinks_leaves_no_part_behind(stage: Stage) -> None:
    for index in range(10):
        await stage.put("MCPPolicy", f"big-{index}", _large_policy(index))
    await stage.settle()
    shard = "ostiary-main-bundle-v1-01"
    assert (await stage.get("Secret", shard))["data"].keys() == {"bundle-001"}
    for index in range(10):
        await stage.delete("MCPPolicy", f"big-{index}")

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


def before(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration as a made-up older schema has it: it calls routes `servers`."""
    return {"gateway": config["gateway"], "servers": config["routes"]}


async def test_proxies_of_the_schema_before_are_served_in_it_until_the_last_has_gone(
    stage: Stage, tmp_path: Path
) -> None:
    stage.older = {SCHEMA - 1: before}
    stage.start_again()
    old, new = "127.0.77.4", "127.0.77.5"
    stage.pods = (_pod(stage.namespace, old, schema=SCHEMA - 1), _pod(stage.namespace, new))
    await stage.settle()
    async with answering(stage, tmp_path, old, new) as proxies:
        await stage.put("MCPPolicy", "rules", {**POLICY, "mode": "Audit"})
        await stage.settle()
        await stage.hands.close()

    revision = max(history.revision for history in (stage.history or {}).values())
    assert [(proxy.schema, proxy.revision) for proxy in proxies] == [
        (SCHEMA - 1, revision),
        (SCHEMA, revision),
    ]
    mounted = await mounts(stage)
    assert [head["schema"] for head in mounted.values()] == [SCHEMA - 1, SCHEMA]
    assert [head["revision"] for head in mounted.values()] == [revision, revision]

    stage.older = {}  # an operator which can't write it leaves it to those who read it
    stage.start_again()
    await stage.settle()
    assert await mounts(stage) == mounted

    stage.pods = stage.pods[1:]
    await stage.settle()
    assert list(await mounts(stage)) == [Names("main").bundle(0)]


async def test_an_operator_that_was_set_back_goes_on_after_the_newer_bundle_and_deletes_none_of_it(
    stage: Stage,
) -> None:
    await stage.settle()
    today, newer = Names("main").bundle(0), Names("main").bundle(0, SCHEMA + 1)
    found = await stage.get("Secret", today)
    meta = {**found["metadata"], "name": newer, "resourceVersion": None, "managedFields": None}
    history = gzip.compress(b'{"revision": 40, "digest": "sha256:ab", "since": {}}')
    data = {**found["data"], "history": base64.b64encode(history).decode()}
    await stage.api.create({**found, "metadata": meta, "data": data})
    before = (await stage.get("Secret", newer))["metadata"]["resourceVersion"]
    await stage.hands.close()
    stage.start_again()

    await stage.settle()

    assert [head["revision"] for head in (await mounts(stage)).values()][:1] == [41]
    assert (await stage.get("Secret", newer))["metadata"]["resourceVersion"] == before


async def mounts(stage: Stage) -> dict[str, Any]:
    """Return the heads of the first shards that there are, by the name of their Secret."""
    found = (await stage.api.list(KINDS["Secret"], stage.namespace)).items
    data = {item["metadata"]["name"]: item.get("data", {}).get("bundle-000") for item in found}
    return {
        name: json.loads(base64.b64decode(shard).partition(b"\n")[0])
        for name, shard in sorted(data.items())
        if shard
    }


async def test_a_value_that_changes_is_in_the_next_bundle_and_one_that_goes_closes_its_route(
    stage: Stage,
) -> None:
    auth = {"type": "Header", "header": {"name": "x-key", "valueRef": {"name": "k", "key": "v"}}}
    await stage.put("MCPRoute", "notes", {**ROUTE, "mcp": {"upstreamAuth": auth}})
    served = [await bundle_with(stage, value) for value in ("one", "two", None)]

    name = f"{stage.namespace}/k/v"
    assert [bundle.credentials.get(name) for bundle in served] == [
        Secret("one"),
        Secret("two"),
        None,
    ]
    assert [bundle.config.routes[0].closed is None for bundle in served] == [True, True, False]
    assert served[0].revision < served[1].revision < served[2].revision


async def bundle_with(stage: Stage, value: str | None) -> Bundle:
    """Return the bundle that is mounted once the Secret `k` holds a value, or has gone."""
    if value is None:
        await stage.delete("Secret", "k")
    else:
        meta = {"name": "k", "namespace": stage.namespace}
        data = {"v": base64.b64encode(value.encode()).decode()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}
        await stage.api.apply(secret)
    await stage.settle()
    held = (await stage.get("Secret", "ostiary-main-bundle-v1-00"))["data"]["bundle-000"]
    return read_bundle(unpack([base64.b64decode(held)]))


async def test_the_development_provider_and_the_bundle_share_one_secret(stage: Stage) -> None:
    user = {"username": "alice", "password": "wonderland", "groups": ["eng"]}
    spec = {"publicUrl": "http://127.0.0.1:7100", "identityProvider": {"dev": {"users": [user]}}}
    await stage.put("MCPGateway", "dev", spec)

    await stage.settle()

    held = (await stage.get("Secret", "ostiary-dev-dev-identity"))["data"]
    shard = (await stage.get("Secret", "ostiary-dev-bundle-v1-00"))["data"]["bundle-000"]
    bundle = read_bundle(unpack([base64.b64decode(shard)]))
    client_secret = Secret(base64.b64decode(held["client-secret"]).decode())
    assert json.loads(base64.b64decode(held["users.json"])) == [user]
    assert list(bundle.credentials.values()) == [client_secret]


async def test_keys_from_outside_are_used_and_none_are_made(stage: Stage) -> None:
    spec = {**GATEWAY, "keys": {"secretRef": {"name": "ours", "key": "document"}}}
    await stage.put("MCPGateway", "main", spec)
    with pytest.raises(NotCarriedOut, match="Secret ours holds no keys"):
        await stage.turn()
    assert await stage.condition("MCPGateway", "main", "ResolvedRefs") == (
        "False",
        f"spec.keys.secretRef: there is no Secret ours in namespace {stage.namespace}; create it",
    )
    document = write_json(KeyDocument.generate(os.urandom).reveal())
    await stage.api.apply(
        {
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "ours", "namespace": stage.namespace},
            "data": {"document": base64.b64encode(document).decode()},
        }
    )  # fmt: skip

    await stage.settle()

    children = (await stage.look()).children
    assert ("Secret", stage.namespace, "ostiary-main-keys") not in children
    assert ("Deployment", stage.namespace, "ostiary-main") in children


async def test_what_proxies_answer_becomes_the_status_of_all(stage: Stage, tmp_path: Path) -> None:
    await stage.settle()
    await stage.turn()
    assert await stage.condition("MCPRoute", "notes", "Programmed") == (
        "Unknown",
        "no proxy has reported yet",
    )
    addresses = ("127.0.77.1", "127.0.77.2")
    stage.pods = tuple(_pod(stage.namespace, address) for address in addresses)
    async with answering(stage, tmp_path, *addresses):
        before = stage.changes

        await stage.turn()
        put_off = list(stage.api.writes)
        await stage.settle()
        await stage.hands.close()

    assert stage.changes - before == 2
    assert put_off == []
    assert await stage.condition("MCPRoute", "notes", "Programmed") == (
        "True",
        "every proxy that is ready serves it",
    )
    assert await events(stage) == [
        ("MCPGateway", "Ready"),
        ("MCPPolicy", "Ready"),
        ("MCPRoute", "Ready"),
    ]


async def test_a_pod_that_turns_ready_is_in_the_statuses_of_the_plan_that_sees_it(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.settle()
    stage.pods = (_pod(stage.namespace, "127.0.77.3", ready=False),)
    async with answering(stage, tmp_path, "127.0.77.3"):
        await stage.turn()
        await stage.settle()
        before = await stage.condition("MCPRoute", "notes", "Programmed")
        stage.pods = (_pod(stage.namespace, "127.0.77.3"),)

        await stage.turn()
        await stage.hands.close()

    assert before[0] != "True"
    assert await stage.condition("MCPRoute", "notes", "Programmed") == (
        "True",
        "every proxy that is ready serves it",
    )


@asynccontextmanager
async def answering(
    stage: Stage, folder: Path, *addresses: str
) -> AsyncIterator[Sequence[SimulatedProxy]]:
    """Have simulated proxies of the gateway listen there."""
    found = await stage.get("Secret", Names("main").admin)
    files = {name: base64.b64decode(value) for name, value in found["data"].items()}
    proxies = [SimulatedProxy() for _ in addresses]
    async with AsyncExitStack() as stack:
        for proxy, address in zip(proxies, addresses, strict=True):
            context = server_context(files, folder)
            await stack.enter_async_context(simulated(proxy, context, address=address, port=8443))
        yield proxies


def _pod(namespace: str, address: str, *, ready: bool = True, schema: int = SCHEMA) -> Pod:
    return Pod(
        namespace=namespace,
        name=f"main-{address}",
        uid=address,
        gateway=f"{namespace}/main",
        address=address,
        ready=ready,
        terminating=False,
        schema=schema,
    )


async def events(stage: Stage) -> list[tuple[str, str]]:
    found = (await stage.api.list(KINDS["Event"], stage.namespace)).items
    ours = [item for item in found if item["source"].get("component") == "ostiary-operator"]
    return sorted((item["involvedObject"]["kind"], item["reason"]) for item in ours)
