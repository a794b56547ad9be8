"""What we rest on in a real API server and its client library, one claim a test."""

import asyncio
import base64
import os
import time
from pathlib import Path

import pytest

from ostiary_operator.api import Api
from ostiary_operator.failures import (
    ApiFailed,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
)
from ostiary_operator.kinds import KINDS

SECRET = KINDS["Secret"]


def secret(namespace: str, name: str = "one", **values: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"part": "tested"}},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def unlabelled(namespace: str) -> dict[str, object]:
    return {**secret(namespace), "metadata": {"name": "two", "namespace": namespace}}


async def test_an_apply_creates_and_a_second_one_changes_nothing(api: Api, namespace: str) -> None:
    first = await api.apply(secret(namespace, a="1"))

    second = await api.apply(secret(namespace, a="1"))

    assert second["uid"] == first["uid"]
    assert second["resourceVersion"] == first["resourceVersion"]
    assert (await api.get(SECRET, namespace, "one"))["data"] == {"a": "MQ=="}


async def test_an_apply_answers_metadata_only(api: Api, namespace: str) -> None:
    meta = await api.apply(secret(namespace, a="1"))

    assert meta["labels"] == {"part": "tested"}
    assert "data" not in meta


async def test_an_apply_takes_back_what_another_manager_changed(api: Api, namespace: str) -> None:
    await api.apply(secret(namespace, a="1", b="2"))
    await api.merge(SECRET, namespace, "one", {"data": {"a": "dGhlaXJz", "c": "a2VwdA=="}})

    await api.apply(secret(namespace, a="1"))

    assert (await api.get(SECRET, namespace, "one"))["data"] == {"a": "MQ==", "c": "a2VwdA=="}


async def test_create_never_overwrites(api: Api, namespace: str) -> None:
    await api.create(secret(namespace, a="1"))

    with pytest.raises(Conflict, match=r'secrets "one" already exists'):
        await api.create(secret(namespace, a="2"))


async def test_a_delete_spares_an_object_of_another_uid(api: Api, namespace: str) -> None:
    meta = await api.create(secret(namespace))

    with pytest.raises(Conflict, match="UID in the precondition"):
        await api.delete(SECRET, namespace, "one", uid="6e0b51ad-32c5-5f0c-8b3e-6a4a0c6e3d10")
    await api.delete(SECRET, namespace, "one", uid=meta["uid"])

    with pytest.raises(NotFound):
        await api.get(SECRET, namespace, "one")


async def test_a_replace_rests_on_the_version_that_it_read(api: Api, namespace: str) -> None:
    await api.create(secret(namespace, a="1"))
    read = await api.get(SECRET, namespace, "one")
    await api.merge(SECRET, namespace, "one", {"data": {"a": "Mg=="}})

    with pytest.raises(Conflict, match="has been modified"):
        await api.replace(read)


async def test_a_body_that_the_server_cannot_take_is_invalid(api: Api, namespace: str) -> None:
    with pytest.raises(Invalid, match="a lowercase RFC 1123 subdomain"):
        await api.apply(secret(namespace, "No_Name"))


async def test_a_field_that_no_schema_has_is_named(api: Api, namespace: str) -> None:
    with pytest.raises(ApiFailed, match=r"\.dataa: field not declared in schema"):
        await api.apply({**secret(namespace), "dataa": {}})


async def test_a_list_of_metadata_holds_no_values(api: Api, namespace: str) -> None:
    await api.create(secret(namespace, a="1"))
    await api.create(unlabelled(namespace))

    listing = await api.list_metadata(SECRET, namespace, labels="part=tested", at="0")

    assert [item["metadata"]["name"] for item in listing.items] == ["one"]
    assert listing.items[0].keys() <= {"kind", "apiVersion", "metadata"}
    assert int(listing.resource_version) > 0


async def test_a_watch_tells_what_happens_to_the_labelled(api: Api, namespace: str) -> None:
    since = (await api.list_metadata(SECRET, namespace)).resource_version
    meta = await api.create(secret(namespace, a="x" * 900_000))
    await api.create(unlabelled(namespace))
    await api.delete(SECRET, namespace, "one", uid=meta["uid"])

    seen = []
    async with asyncio.timeout(20):
        async for change in api.watch_metadata(
            SECRET, namespace, labels="part=tested", since=since
        ):
            seen.append((change.type, change.object["metadata"]["name"], "data" in change.object))
            if change.type == "DELETED":
                break

    assert seen == [("ADDED", "one", False), ("DELETED", "one", False)]


async def test_a_missing_permission_is_named(api: Api, namespace: str) -> None:
    stranger = await as_stranger(api)

    with pytest.raises(Forbidden) as raised:
        await stranger.apply(secret(namespace))
    await stranger.close()

    assert raised.value.permission == f"patch secrets in namespace {namespace}"


async def test_a_full_quota_is_forbidden_with_the_servers_words(api: Api, namespace: str) -> None:
    await api._write(
        "POST",
        f"/api/v1/namespaces/{namespace}/resourcequotas",
        {
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
            "spec": {"hard": {"secrets": "0"}},
        },
        query={},
    )  # fmt: skip

    with pytest.raises(Forbidden, match="exceeded quota: none") as raised:
        await until_refused(api, namespace)

    assert raised.value.permission == ""


async def test_a_server_that_is_away_is_unavailable(api: Api) -> None:
    api._client.configuration.host = "https://127.0.0.1:9"

    with pytest.raises(Unavailable, match="GET /api/v1/namespaces: no answer"):
        await api.list(KINDS["Namespace"])


async def until_refused(api: Api, namespace: str) -> None:
    """Create Secrets until the quota has been counted, 10 s at most."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        meta = await api.create(secret(namespace))
        await api.delete(SECRET, namespace, "one", uid=meta["uid"])


async def as_stranger(api: Api) -> Api:
    """Return the API as somebody who may do nothing."""
    stranger = await Api.connect(Path(os.environ["KUBECONFIG"]))
    stranger._client.set_default_header("Impersonate-User", "stranger")
    return stranger
