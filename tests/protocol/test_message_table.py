"""The specification's table of messages: each one, in each revision, in each direction."""

import json
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    ScriptedExchange,
    World,
    body,
    drained,
    events,
    initialize,
    initialized,
    json_answer,
    modern_headers,
    request,
    result,
    sse_answer,
    world,
)
from ostiary_proxy.mcp.methods import NOTIFICATIONS, REQUESTS
from ostiary_proxy.mcp.server_methods import ASKED, TOLD
from task_parts import EXTENDED, know_task

A, B, C, D = REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
LEGACY = (A, B, C)

FROM_CLIENT: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "initialize": (LEGACY, initialize()["params"]),
    "server/discover": ((D,), {}),
    "ping": (LEGACY, {}),
    "tools/list": (REVISIONS, {}),
    "tools/call": (REVISIONS, {"name": "a", "arguments": {}}),
    "resources/list": (REVISIONS, {}),
    "resources/templates/list": (REVISIONS, {}),
    "resources/read": (REVISIONS, {"uri": "file:///a"}),
    "resources/subscribe": (LEGACY, {"uri": "file:///a"}),
    "resources/unsubscribe": (LEGACY, {"uri": "file:///a"}),
    "subscriptions/listen": ((D,), {"notifications": {}}),
    "prompts/list": (REVISIONS, {}),
    "prompts/get": (REVISIONS, {"name": "a"}),
    "completion/complete": (
        REVISIONS, {"ref": {"type": "ref/prompt", "name": "a"}, "argument": {}},
    ),
    "logging/setLevel": (LEGACY, {"level": "info"}),
    "tasks/get": ((C, D), {"taskId": "t"}),
    "tasks/result": ((C,), {"taskId": "t"}),
    "tasks/update": ((D,), {"taskId": "t", "inputResponses": {}}),
    "tasks/cancel": ((C, D), {"taskId": "t"}),
    "tasks/list": ((C,), {}),
    "made/up": ((), {}),
    "sampling/createMessage": ((), {}),
}  # fmt: skip
TOLD_BY_CLIENT = {
    "notifications/initialized": LEGACY,
    "notifications/cancelled": REVISIONS,
    "notifications/progress": LEGACY,
    "notifications/roots/list_changed": LEGACY,
    "notifications/tasks/status": (C,),
    "notifications/message": (),
    "notifications/made_up": (),
}
FROM_SERVER: dict[tuple[str, str | None], tuple[tuple[str, ...], dict[str, Any]]] = {
    ("ping", None): (LEGACY, {}),
    ("sampling/createMessage", None): (REVISIONS, {"messages": [], "tools": []}),
    ("elicitation/create", "form"): ((B, C, D), {"mode": "form", "message": "?"}),
    ("elicitation/create", "url"): (
        (C, D), {"mode": "url", "url": "https://a.example", "elicitationId": "e"},
    ),
    ("elicitation/create", "made-up"): ((), {"mode": "made-up"}),
    ("roots/list", None): (REVISIONS, {}),
    ("tasks/get", None): ((C,), {"taskId": "c"}),
    ("tasks/result", None): ((C,), {"taskId": "c"}),
    ("tasks/cancel", None): ((C,), {"taskId": "c"}),
    ("tasks/list", None): ((C,), {}),
    ("tools/call", None): ((), {"name": "a"}),
}  # fmt: skip
WANTED = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
    "resourceSubscriptions": ["file:///a"],
    "taskIds": ["t"],
}
TOLD_BY_SERVER: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "notifications/cancelled": (REVISIONS, {"requestId": 1}),
    "notifications/progress": (REVISIONS, {"progressToken": "p", "progress": 1}),
    "notifications/message": (REVISIONS, {"level": "info", "data": "x"}),
    "notifications/tools/list_changed": (REVISIONS, {}),
    "notifications/prompts/list_changed": (REVISIONS, {}),
    "notifications/resources/list_changed": (REVISIONS, {}),
    "notifications/resources/updated": (REVISIONS, {"uri": "file:///a"}),
    "notifications/elicitation/complete": ((C,), {"elicitationId": "e"}),
    "notifications/tasks/status": ((C,), {"taskId": "t", "status": "working"}),
    "notifications/tasks": ((D,), {"taskId": "t", "status": "working"}),
    "notifications/subscriptions/acknowledged": ((D,), {"notifications": WANTED}),
    "notifications/roots/list_changed": ((), {}),
    "notifications/made_up": ((), {}),
}
DURING_A_CALL = ("notifications/progress", "notifications/message")
"""In 2026-07-28 the others come on listen streams."""
VISITS = {**ALLOW_SERVER, "match": {"server": ["roots", "elicitation/url"]}}
BEFORE = {
    **{("notifications/cancelled", v): [request("roots/list", {})] for v in LEGACY},
    ("notifications/elicitation/complete", C): [
        request("elicitation/create", FROM_SERVER["elicitation/create", "url"][1])
    ],
}
"""What some notifications are about."""
CAN: dict[str, Any] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}},
    "roots": {},
}
NO_METHOD = -32601


def cells(table: dict[Any, Any]) -> list[Any]:
    return [pytest.param(row, v, id=f"{row}-{v}") for row in table for v in REVISIONS]


def test_the_tables_of_code_and_specification_name_the_same_messages() -> None:
    assert {method.name for method in REQUESTS} == {n for n, (at, _) in FROM_CLIENT.items() if at}
    assert {one.name for one in NOTIFICATIONS} == {n for n, at in TOLD_BY_CLIENT.items() if at}
    assert {(one.name, one.mode) for one in ASKED} == {
        n for n, (at, _) in FROM_SERVER.items() if at
    }
    assert {told.name for told in TOLD} == {n for n, (at, _) in TOLD_BY_SERVER.items() if at}


@pytest.mark.parametrize(("method", "version"), cells(FROM_CLIENT))
async def test_a_request_of_a_client_is_forwarded_where_its_revision_knows_it(
    method: str, version: str
) -> None:
    served, params = FROM_CLIENT[method]
    w = world(lambda _: json_answer(answer_to(method, version)))
    await know_task(w, "t")

    if version == D:
        answer = await w.modern(method, params, meta=EXTENDED)
    elif method == "initialize":
        answer = await w.send(initialize(version))
    else:
        session = await w.session(version=version)
        w.upstream.sent.clear()
        answer = await w.legacy(session, method, params)

    if version in served:
        assert (answer.status, len(w.upstream.sent)) == (200, 1)
    else:
        assert w.upstream.sent == []
        assert (answer.status, body(answer)["error"]["code"]) == (
            404 if version == D else 200, NO_METHOD,
        )  # fmt: skip


def answer_to(method: str, version: str) -> Any:
    if method == "initialize":
        return initialized(version)
    lists: dict[str, Any] = {
        name: [] for name in ("tools", "resources", "resourceTemplates", "prompts", "tasks")
    }
    return result({**lists, "supportedVersions": [version], "content": []})


@pytest.mark.parametrize(("method", "version"), cells(TOLD_BY_CLIENT))
async def test_a_notification_of_a_client_is_forwarded_where_its_revision_knows_it(
    method: str, version: str
) -> None:
    w = world(lambda _: ScriptedExchange(202, {}, []), ALLOW_ALL, ALLOW_SERVER)
    params = {"requestId": 1, "progressToken": 1, "taskId": "c"}
    told = {"jsonrpc": "2.0", "method": method, "params": params}
    headers = modern_headers(method, {})
    if version != D:
        session = await w.session(version=version)
        await know_task(w, "c", session=session)
        headers = (("mcp-session-id", session),)
        w.upstream.sent.clear()

    answer = await w.send(told, headers=headers)

    passed = version in TOLD_BY_CLIENT[method]
    forwarded = passed and version != D  # there it is taken: to close the answer cancels
    assert (answer.status, len(w.upstream.sent)) == (202 if passed else 403, int(forwarded))


@pytest.mark.parametrize(("row", "version"), cells(FROM_SERVER))
async def test_a_request_of_a_server_reaches_the_client_where_its_revision_knows_it(
    row: tuple[str, str | None], version: str
) -> None:
    served, params = FROM_SERVER[row]
    asking = {"method": row[0], "params": params}

    passed, refusals = await (in_a_result if version == D else on_a_stream)(version, asking)

    if version in served:
        assert (passed, refusals) == (True, [])
    else:
        assert (passed, refusals) == (False, [-31012 if version == D else NO_METHOD])


async def on_a_stream(version: str, asking: dict[str, Any]) -> tuple[bool, list[int]]:
    """Return whether the client saw the request, and the codes that the server was told."""
    w = world(
        lambda sent: (
            sse_answer({"jsonrpc": "2.0", "id": "s1", **asking}, result({"content": []}))
            if b"tools/call" in sent.body
            else ScriptedExchange(202, {}, [])
        ),
        ALLOW_ALL,
        ALLOW_SERVER,
    )
    session = await w.session(version=version)
    await know_task(w, "c", session=session)
    w.upstream.sent.clear()
    said = events(await drained(await w.legacy(session, "tools/call", {"name": "a"})))
    return any(one.get("id") == "s1" for one in said), told_upstream(w)


def told_upstream(w: World) -> list[int]:
    return [json.loads(sent.body)["error"]["code"] for sent in w.upstream.sent[1:]]


async def in_a_result(version: str, asking: dict[str, Any]) -> tuple[bool, list[int]]:
    """Return whether the client saw the request, and the codes that it was told instead."""
    asked = {"resultType": "input_required", "inputRequests": {"s1": asking}}
    w = world(lambda _: json_answer(result(asked)), ALLOW_ALL, ALLOW_SERVER)
    meta = {"io.modelcontextprotocol/clientCapabilities": CAN}
    said = body(await w.modern("tools/call", {"name": "a"}, meta=meta))
    passed = said.get("result", {}).get("inputRequests") == asked["inputRequests"]
    return passed, [said["error"]["code"]] if "error" in said else []


ACKNOWLEDGED = {
    "jsonrpc": "2.0",
    "method": "notifications/subscriptions/acknowledged",
    "params": {
        "notifications": WANTED,
        "_meta": {"io.modelcontextprotocol/subscriptionId": 1},
    },
}


@pytest.mark.parametrize(("method", "version"), cells(TOLD_BY_SERVER))
async def test_a_notification_of_a_server_reaches_the_client_where_its_revision_knows_it(
    method: str, version: str
) -> None:
    served, params = TOLD_BY_SERVER[method]
    told = {"jsonrpc": "2.0", "method": method, "params": params}
    listened = version == D and method not in DURING_A_CALL
    if listened:
        told["params"] = {**params, "_meta": {"io.modelcontextprotocol/subscriptionId": 1}}
    before = BEFORE.get((method, version), [])
    if listened and method != ACKNOWLEDGED["method"]:
        before = [ACKNOWLEDGED]
    w = world(lambda _: sse_answer(*before, told, result({"content": []})), ALLOW_ALL, VISITS)
    await know_task(w, "t")

    if version != D:
        session = await w.session(version=version)
        answer = await w.legacy(session, "tools/call", {"name": "a"})
    elif method in DURING_A_CALL:
        meta = {"progressToken": "p", "io.modelcontextprotocol/logLevel": "info"}
        answer = await w.modern("tools/call", {"name": "a"}, meta=meta)
    else:
        params = {"notifications": WANTED}
        answer = await w.modern("subscriptions/listen", params, meta=EXTENDED)

    assert (told in events(await drained(answer))) == (version in served)
