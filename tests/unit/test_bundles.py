"""What travels to proxies: the bundle in Secrets, and the history beside it."""

import gzip
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fleet_parts import OWNER
from ostiary.config.bundle import read_bundle, unpack
from ostiary.config.document import SCHEMA
from ostiary.crypto.seal import SealRing
from ostiary.crypto.secret import Secret
from ostiary.resources.manifest import read_manifest
from ostiary.translate.plan import plan
from ostiary.translate.render import PlannedBundle
from ostiary.translate.world import History, Observed, SecretFacts, World
from ostiary_operator.bundles import Parcel, TooLarge, pack_bundle, read_history, shards_of

SEAL = SealRing([bytes(32)])
HISTORY = History(revision=7, digest="sha256:ab", since={"MCPRoute/prod/notes": ("sha256:cd", 5)})
KEY = ("prod", "notes", "value")


def planned() -> PlannedBundle:
    """Return the bundle of a gateway with one route that needs a header's value."""
    auth = {
        "type": "Header",
        "header": {"name": "x-key", "valueRef": {"name": "notes", "key": "value"}},
    }
    specs: dict[tuple[str, str], dict[str, Any]] = {
        ("MCPGateway", "main"): {
            "publicUrl": "https://mcp.example.com",
            "default": True,
            "identityProvider": {"oidc": {"issuer": "https://l.example.com", "clientId": "x"}},
            "listeners": [{"name": "apps", "hostname": "*.example.com"}],
        },
        ("MCPRoute", "notes"): {"to": "https://n.example.net/mcp", "mcp": {"upstreamAuth": auth}},
    }
    manifests = [
        read_manifest(
            {
                "apiVersion": "ostiary.dev/v1alpha1",
                "kind": kind,
                "metadata": {"name": name, "namespace": "prod", "generation": 1},
                "spec": spec,
            }
        )
        for (kind, name), spec in specs.items()
    ]
    secret = SecretFacts(namespace="prod", name="notes", keys={"value": "1"})
    world = World(manifests=tuple(manifests), secrets=(secret,))
    return plan(world, Observed(), 0.0).bundles["prod/main"]


def test_a_bundle_in_its_secrets_is_the_bundle_that_is_pushed() -> None:
    packed = pack_bundle(planned(), {KEY: Secret("v")}, SEAL, older={})
    parcel, shards = packed.parcel, packed.shards[SCHEMA]

    assert [sorted(data) for data in shards] == [["bundle-000", "history"]]
    assert unpack([shards[0]["bundle-000"]]) == parcel.data
    bundle = read_bundle(parcel.data)
    assert (bundle.revision, bundle.digest) == (parcel.revision, parcel.digest)
    assert bundle.credentials == {"prod/notes/value": Secret("v")}


def before(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration as a made-up older schema has it: it calls routes `servers`."""
    return {"gateway": config["gateway"], "servers": config["routes"]}


def test_a_bundle_is_written_in_the_older_schemas_that_proxies_read_and_in_no_other() -> None:
    older = {SCHEMA - 1: before, SCHEMA - 2: before}
    packed = pack_bundle(
        planned(), {KEY: Secret("v")}, SEAL, read={SCHEMA, SCHEMA - 1, SCHEMA + 1}, older=older
    )
    today = json.loads(gzip.decompress(packed.parcel.data))
    config = {"gateway": today["config"]["gateway"], "servers": today["config"]["routes"]}

    assert list(packed.shards) == [SCHEMA, SCHEMA - 1]
    mounted = packed.shards[SCHEMA - 1][0]["bundle-000"]
    head, _, data = mounted.partition(b"\n")
    assert json.loads(head)["schema"] == SCHEMA - 1
    assert json.loads(gzip.decompress(data)) == {**today, "schema": SCHEMA - 1, "config": config}
    assert [packed.parcel.of(schema) for schema in (SCHEMA - 1, SCHEMA, SCHEMA + 1)] == [
        data,
        packed.parcel.data,
        packed.parcel.data,
    ]


def test_a_history_of_a_newer_operator_is_read_as_far_as_it_is_known() -> None:
    text = b'{"revision": 9, "digest": "sha256:ef", "since": {}, "more": 1}'

    assert read_history(gzip.compress(text)) == History(revision=9, digest="sha256:ef")


def test_another_value_is_another_digest() -> None:
    first, second = (
        pack_bundle(planned(), {KEY: Secret(v)}, SEAL, older={}).parcel for v in ("1", "2")
    )

    assert (first.revision, first.digest != second.digest) == (second.revision, True)


def test_a_route_whose_value_has_gone_is_closed() -> None:
    bundle = read_bundle(pack_bundle(planned(), {}, SEAL, older={}).parcel.data)

    closed = bundle.config.routes[0].closed
    assert closed is not None
    assert (closed.reason, bundle.credentials) == ("SecretNotFound", {})


def test_a_bundle_that_fits_into_no_secrets_says_what_to_do() -> None:
    parcel = Parcel(revision=1, digest="", data=os.urandom(8 * 900_000))
    shards_of(replace(parcel, data=parcel.data[:-2000]), HISTORY)

    with pytest.raises(TooLarge, match="needs 9 Secrets and has 8; move some routes"):
        shards_of(replace(parcel, data=parcel.data + b"x"), HISTORY)


def test_a_history_is_read_as_it_was_written() -> None:
    shards = shards_of(Parcel(revision=7, digest="", data=b""), HISTORY)

    assert read_history(shards[0]["history"]) == HISTORY
    assert shards == shards_of(Parcel(revision=7, digest="", data=b""), HISTORY)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        gzip.compress(b"[]", mtime=0),
        gzip.compress(b'{"revision": -1, "digest": "", "since": {}}', mtime=0),
    ],
)
def test_a_history_that_cannot_be_read_is_none(data: bytes) -> None:
    assert read_history(data) is None


def test_the_digest_of_a_secret_tells_nobody_its_value() -> None:
    one, other = (OWNER.secret("s", {"k": b"v"}, SealRing([bytes([n]) * 32])) for n in (1, 2))

    assert one.digest != other.digest
    assert one.body["metadata"]["annotations"] == {"ostiary.dev/digest": one.digest}


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"labels": OWNER.lasting_secret("s", {})["metadata"]["labels"]}, True),
        ({"ownerReferences": [{"uid": OWNER.uid}]}, True),
        ({"labels": {"app.kubernetes.io/managed-by": "ostiary-operator"}}, False),
        ({"labels": {"ostiary.dev/gateway": "main"}, "ownerReferences": [{"uid": "x"}]}, False),
        ({}, False),
    ],
    ids=["labels", "owner", "another gateway", "no manager", "nothing"],
)
def test_an_object_is_the_gateways_by_labels_or_owner(
    meta: dict[str, object], *, expected: bool
) -> None:
    assert OWNER.is_mine(meta) is expected
