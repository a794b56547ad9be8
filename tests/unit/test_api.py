"""How the operator reads what an API server says; `tests/e2e/test_api.py` asks a real one."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from kubernetes.aio.client import ApiClient, Configuration

from ostiary_operator.api import Api, Change
from ostiary_operator.failures import (
    ApiFailed,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Unavailable,
    failure_of,
)
from ostiary_operator.kinds import KINDS

ADDED = {"type": "ADDED", "object": {"metadata": {"name": "one", "annotations": {"a": "x" * 99}}}}
TOO_OLD = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}


async def watched(*chunks: bytes) -> AsyncIterator[Change]:
    """Watch a server that sends `chunks`, each by itself."""

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    server = RawTestServer(stream)
    await server.start_server()
    api = Api(ApiClient(Configuration(host=str(server.make_url("")).rstrip("/"))))
    try:
        async for change in api.watch_metadata(KINDS["Secret"], since="1"):
            yield change
    finally:
        await api.close()
        await server.close()


async def test_a_watch_reads_lines_however_they_are_cut() -> None:
    line = json.dumps(ADDED).encode() + b"\n"

    changes = [change async for change in watched(line[:7], line[7:] + line[:50], line[50:])]

    assert changes == [Change(type="ADDED", object=ADDED["object"])] * 2  # type: ignore[arg-type]


async def test_a_watch_from_too_long_ago_is_gone() -> None:
    with pytest.raises(Gone, match="too old"):
        async for _ in watched(json.dumps(TOO_OLD).encode() + b"\n"):
            pass


async def test_a_watch_that_ends_within_a_line_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="the watch of secrets broke"):
        async for _ in watched(b'{"type": \n'):
            pass


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Invalid), (403, Forbidden), (404, NotFound), (409, Conflict), (410, Gone),
        (422, Invalid), (401, Unavailable), (429, Unavailable), (500, Unavailable),
    ],
)  # fmt: skip
def test_each_status_has_its_failure(status: int, expected: type[ApiFailed]) -> None:
    failed = failure_of(status, b'{"kind": "Status", "message": "so it is"}')

    assert (type(failed), str(failed), failed.status) == (expected, "so it is", status)


def test_an_answer_that_is_no_status_is_shown_as_it_is() -> None:
    assert str(failure_of(502, b"<h1>Bad Gateway</h1>")) == "<h1>Bad Gateway</h1>"
    assert str(failure_of(502, b"")) == "no reason given"


def test_a_permission_names_verb_resource_group_and_namespace() -> None:
    said = (
        'deployments.apps "x" is forbidden: User "system:serviceaccount:o:o" cannot patch resource '
        '"deployments" in API group "apps" in the namespace "prod"'
    )

    assert Forbidden(said).permission == "patch deployments.apps in namespace prod"
    assert Forbidden(said).explained == (
        "the operator may not patch deployments.apps in namespace prod; grant it"
    )


def test_a_quota_speaks_for_itself() -> None:
    failed = Forbidden("exceeded quota: none")

    assert (failed.permission, failed.explained) == ("", "exceeded quota: none")
