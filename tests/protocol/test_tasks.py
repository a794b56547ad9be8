"""Rules 11, 52 and 148: tasks of 2025-11-25 in both directions, and the extension of 2026-07-28."""

import asyncio
import json
from collections.abc import Callable, Mapping
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
    header,
    initialize,
    initialized,
    json_answer,
    request,
    result,
    sent_header,
    sse_answer,
    world,
)
from ostiary_proxy.outbound.exchange import Outgoing
from task_parts import EXTENDED, know_task

C, D = "2025-11-25", "2026-07-28"
STATE = {"status": "working", "createdAt": "2025-11-25T10:30:00Z", "ttl": 60_000}
LATER = {"status": "working", "createdAt": "2025-11-25T10:30:00Z", "ttlMs": 60_000}
SAMPLING = request("sampling/createMessage", {"messages": [], "task": {}}, request_id="s1")


def task(task_id: str, **more: Any) -> dict[str, Any]:
    return {"taskId": task_id, **STATE, **more}


def told(name: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": f"notifications/{name}", "params": params}


def answering(*rules: Mapping[str, Any], **results: Callable[[Any], Any]) -> World:
    """Return a world whose server answers each method as told, by its name with _ for /."""

    def script(sent: Outgoing) -> ScriptedExchange:
        said: dict[str, Any] = json.loads(sent.body) if sent.body else {"method": "GET", "id": 0}
        if "id" not in said or "method" not in said:
            return ScriptedExchange(202, {}, [])
        answer = results[said["method"].replace("/", "_")](said.get("params"))
        if isinstance(answer, list):
            return sse_answer(*answer)
        return json_answer(result(answer, request_id=said["id"]))

    return world(script, *(rules or (ALLOW_ALL, ALLOW_SERVER)))


async def as_task(w: World, **params: Any) -> str:
    """Call a tool as a task; return the session."""
    session = await w.session(version=C)
    await w.legacy(session, "tools/call", {"name": "a", "task": {"ttl": 1}, **params})
    return session


def said_upstream(w: World, method: str) -> Any:
    return next(s for s in map(said_by, w.upstream.sent) if s.get("method") == method)["params"]


def said_by(sent: Outgoing) -> Any:
    return json.loads(sent.body) if sent.body else {}


async def test_a_call_as_a_task_is_polled_read_and_cancelled_under_the_servers_own_id() -> None:
    w = answering(
        tools_call=lambda _: {"task": task("t1")},
        tasks_get=lambda _: task("t1"),
        tasks_result=lambda _: {"content": [{"type": "text", "text": "done"}]},
        tasks_cancel=lambda _: task("t1", status="cancelled"),
    )
    session = await as_task(w)

    got = await w.legacy(session, "tasks/get", {"taskId": "t1"})
    brought = await w.legacy(session, "tasks/result", {"taskId": "t1"})
    cancelled = await w.legacy(session, "tasks/cancel", {"taskId": "t1"})

    assert body(got) == result(task("t1"))
    assert body(brought) == result({"content": [{"type": "text", "text": "done"}]})
    assert body(cancelled) == result(task("t1", status="cancelled"))
    made = [r.facts for r in w.log.records if r.kind == "outcome"][1]
    assert made["task"] == "t1"
    decisions = [r.facts for r in w.log.records if r.kind == "decision"][2:]
    assert [(one["method"], one["name"], one["task"]) for one in decisions] == [
        (f"tasks/{name}", "a", "t1") for name in ("get", "result", "cancel")
    ]


async def test_a_poll_is_judged_like_its_call_and_spends_no_limit() -> None:
    limited = {**ALLOW_ALL, "rateLimit": {"requests": 1, "per": "1h", "by": ["user"]}}
    w = answering(
        limited, tools_call=lambda _: {"task": task("t1")}, tasks_get=lambda _: task("t1")
    )
    session = await as_task(w)

    for _ in range(3):
        assert "result" in body(await w.legacy(session, "tasks/get", {"taskId": "t1"}))

    again = await w.legacy(session, "tools/call", {"name": "a"})
    assert body(again)["error"]["code"] == -31006


REDACTING = {
    **ALLOW_ALL,
    "transform": {
        "redact": [{"in": "Result", "pattern": "[0-9]{4}"}, {"in": "Result", "paths": ["card"]}]
    },
}


async def test_what_a_task_brings_is_redacted_like_the_answer_that_it_stands_for() -> None:
    w = answering(
        REDACTING,
        tools_call=lambda _: {"task": task("t-2025")},
        tasks_get=lambda _: task("t-2025", statusMessage="pin 1234"),
        tasks_result=lambda _: {"content": [{"type": "text", "text": "pin 1234"}]},
        tasks_list=lambda _: {"tasks": [task("t-2025", statusMessage="pin 1234")]},
    )
    session = await as_task(w)

    got = await w.legacy(session, "tasks/get", {"taskId": "t-2025"})
    brought = await w.legacy(session, "tasks/result", {"taskId": "t-2025"})
    listed = await w.legacy(session, "tasks/list")

    clean = task("t-2025", statusMessage="pin [redacted]")
    assert body(got) == result(clean)
    assert body(brought)["result"]["content"][0]["text"] == "pin [redacted]"
    assert body(listed)["result"] == {"tasks": [clean]}


async def test_a_finished_task_of_2026_is_redacted_result_and_error_alike() -> None:
    brought = {
        "structuredContent": {"card": "x"}, "content": [{"type": "text", "text": "pin 1234"}],
    }  # fmt: skip
    error = {"code": -32603, "message": "pin 1234", "data": {"card": "x"}}
    states = [
        {"status": "completed", "result": brought},
        {"status": "failed", "error": error},
    ]
    w = answering(REDACTING, tasks_get=lambda _: {"taskId": "t", **LATER, **states.pop(0)})
    await know_task(w, "t")

    done = body(await w.modern("tasks/get", {"taskId": "t"}, meta=EXTENDED))["result"]
    failed = body(await w.modern("tasks/get", {"taskId": "t"}, meta=EXTENDED))["result"]

    assert done["createdAt"] == LATER["createdAt"]
    assert (done["status"], done["result"]) == (
        "completed",
        {
            "structuredContent": {"card": "[redacted]"},
            "content": [{"type": "text", "text": "pin [redacted]"}],
        },
    )
    clean = {"code": -32603, "message": "pin [redacted]", "data": {"card": "[redacted]"}}
    assert failed["error"] == clean


async def test_a_list_of_tasks_shows_the_callers_own_in_order_and_its_cursor_is_sealed() -> None:
    w = answering(
        tasks_list=lambda params: {
            "tasks": [task("mine-1"), task("bobs"), task("nobodys"), task("mine-2")],
            **({} if params.get("cursor") else {"nextCursor": "page-2"}),
        }
    )
    await know_task(w, "mine-1")
    await know_task(w, "mine-2")
    await know_task(w, "bobs", token="bob")
    session = await w.session(version=C)

    first = body(await w.legacy(session, "tasks/list", {}))["result"]
    await w.legacy(session, "tasks/list", {"cursor": first["nextCursor"]})

    assert [one["taskId"] for one in first["tasks"]] == ["mine-1", "mine-2"]
    assert first["nextCursor"] != "page-2"
    assert said_by(w.upstream.sent[-1])["params"] == {"cursor": "page-2"}


@pytest.mark.parametrize("shape", [sse_answer, json_answer])
async def test_a_list_of_tasks_is_filtered_json_and_stream_alike(shape: Any) -> None:
    listed = result({"tasks": [task("mine"), task("bobs")]})
    w = world(lambda _: shape(listed))
    await know_task(w, "mine")
    session = await w.session(version=C)

    answer = await w.legacy(session, "tasks/list", {})

    shown = body(answer) if isinstance(answer.body, bytes) else events(await drained(answer))[0]
    assert shown == result({"tasks": [task("mine")]})


async def test_news_of_a_task_reach_its_owner_alone() -> None:
    news = [told("tasks/status", **task("mine")), told("tasks/status", **task("bobs"))]
    w = answering(GET=lambda _: news)
    await know_task(w, "mine")
    await know_task(w, "bobs", token="bob")
    session = await w.session(version=C)

    stream = await w.send(method="GET", headers=(("mcp-session-id", session),))

    assert events(await drained(stream)) == [news[0]]


async def test_what_a_server_asks_for_a_task_comes_on_the_stream_of_its_result() -> None:
    asked = request("elicitation/create", {"mode": "form", "message": "?"}, request_id="s1")
    w = answering(
        tools_call=lambda _: {"task": task("t1")},
        tasks_result=lambda _: [asked, result({"content": []})],
    )
    session = await as_task(w)

    answer = await w.legacy(session, "tasks/result", {"taskId": "t1"})

    assert events(await drained(answer)) == [asked, result({"content": []})]
    accepted = {"jsonrpc": "2.0", "id": "s1", "result": {"action": "accept", "content": {}}}
    headers = (("mcp-session-id", session),)
    assert (await w.send(accepted, headers=headers)).status == 202


# -- the client works for the server -----------------------------------------------------------


async def test_a_server_polls_the_task_that_a_client_made_of_its_question() -> None:
    polls = [
        request(f"tasks/{name}", {"taskId": "c1"}, request_id=name)
        for name in ("get", "result", "cancel")
    ]
    streams = [[SAMPLING, result({})], [*polls, result({})]]
    w = answering(tools_call=lambda _: streams.pop(0))
    session = await w.session(version=C)
    headers = (("mcp-session-id", session),)
    await drained(await w.legacy(session, "tools/call", {"name": "a"}))

    made = await w.send(result({"task": task("c1")}, request_id="s1"), headers=headers)
    seen = events(await drained(await w.legacy(session, "tools/call", {"name": "a"})))
    answered = [
        (await w.send(result(task("c1"), request_id=name), headers=headers)).status
        for name in ("get", "result", "cancel")
    ]
    status = await w.send(told("tasks/status", **task("c1")), headers=headers)

    assert made.status == status.status == 202
    assert seen == [*polls, result({})]
    assert answered == [202, 202, 202]


async def test_a_server_sees_those_tasks_of_a_client_that_it_asked_for_in_the_session() -> None:
    asks = [request("tasks/list", {}, request_id="s9"), result({})]
    w = answering(tools_call=lambda _: asks)
    session = await w.session(version=C)
    await know_task(w, "c1", session=session)
    await know_task(w, "c2", session=await w.session(version=C))
    await drained(await w.legacy(session, "tools/call", {"name": "a"}))

    listed = result({"tasks": [task("c1"), task("c2"), task("c3")]}, request_id="s9")
    answer = await w.send(listed, headers=(("mcp-session-id", session),))

    assert answer.status == 202
    assert said_by(w.upstream.sent[-1]) == result({"tasks": [task("c1")]}, request_id="s9")


# -- 2026-07-28 --------------------------------------------------------------------------------


async def test_a_server_of_2026_may_make_a_task_of_a_call_if_the_client_declared_that() -> None:
    made = {"resultType": "task", "taskId": "tâsk", **LATER}
    w = answering(
        tools_call=lambda _: made,
        tasks_get=lambda _: {"resultType": "complete", "taskId": "tâsk", **LATER},
        tasks_update=lambda _: {"resultType": "complete"},
        tasks_cancel=lambda _: {"resultType": "complete"},
    )

    assert body(await w.modern("tools/call", {"name": "a"}, meta=EXTENDED)) == result(made)
    for method in ("get", "update", "cancel"):
        params = {"taskId": "tâsk", "inputResponses": {}, "_meta": modern_meta()}
        mirrored = "=?base64?dMOic2s=?="
        headers = (
            ("mcp-protocol-version", D), ("mcp-method", f"tasks/{method}"), ("mcp-name", mirrored),
        )  # fmt: skip
        answer = await w.send(request(f"tasks/{method}", params), headers=headers)
        assert "result" in body(answer)
        assert sent_header(w.upstream.sent[-1], "mcp-name") == mirrored


async def test_what_answers_a_task_is_judged_by_what_it_is_and_redacted() -> None:
    redact = {"in": "Arguments", "pattern": "[0-9]{4}"}
    w = answering(
        {**ALLOW_ALL, "transform": {"redact": [redact]}},
        ALLOW_SERVER,
        tools_call=lambda _: {"resultType": "task", "taskId": "t1", **LATER},
        tasks_update=lambda _: {"resultType": "complete"},
    )
    await w.modern("tools/call", {"name": "a"}, meta=EXTENDED)
    answer = {"action": "accept", "content": {"pin": "1234"}}
    params = {"taskId": "t1", "inputResponses": {"q": answer}}

    async def updated(**changed: Any) -> Any:
        sent = {**params, **changed, "_meta": modern_meta()}
        headers = (("mcp-protocol-version", D), ("mcp-method", "tasks/update"), ("mcp-name", "t1"))
        return body(await w.send(request("tasks/update", sent), headers=headers))

    taken = await updated()
    unfit = await updated(inputResponses={"q": 7, "r": {"ignored": True}})
    w.allow(ALLOW_ALL)
    refused = await updated()

    clean = {"action": "accept", "content": {"pin": "[redacted]"}}
    assert taken == result({"resultType": "complete"})
    assert said_upstream(w, "tasks/update")["inputResponses"] == {"q": clean}
    assert unfit == taken
    assert said_by(w.upstream.sent[-1])["params"]["inputResponses"] == {}
    assert refused["error"]["code"] == -31003
    assert len(w.upstream.sent) == 3


def modern_meta() -> dict[str, Any]:
    return {"io.modelcontextprotocol/protocolVersion": D, **EXTENDED}


async def test_a_task_that_nobody_declared_or_that_is_no_answer_is_an_upstream_error() -> None:
    made = {"resultType": "task", "taskId": "t", **LATER}
    w = answering(
        tools_call=lambda _: made, prompts_get=lambda _: made, tools_list=lambda _: made,
    )  # fmt: skip

    undeclared = await w.modern("tools/call", {"name": "a"})
    prompt = await w.modern("prompts/get", {"name": "a"}, meta=EXTENDED)
    listed = await w.modern("tools/list", meta=EXTENDED)

    assert [body(one)["error"]["code"] for one in (undeclared, prompt, listed)] == [-31012] * 3


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_without_the_extension_nobody_asks_about_tasks(method: str) -> None:
    w = answering()
    await know_task(w, "t")

    answer = await w.modern(method, {"taskId": "t"})
    listening = await w.modern("subscriptions/listen", {"notifications": {"taskIds": ["t"]}})

    for one in (answer, listening):
        error = body(one)["error"]
        assert (one.status, error["code"]) == (400, -32021)
        needed: Any = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
        assert error["data"]["requiredCapabilities"] == needed
    assert w.upstream.sent == []


async def test_a_listener_hears_of_its_own_tasks_with_all_that_they_bring() -> None:
    tag = {"_meta": {"io.modelcontextprotocol/subscriptionId": 1}}
    news = [
        told("subscriptions/acknowledged", notifications={"taskIds": ["mine"]}, **tag),
        told("tasks", taskId="mine", **LATER, result={"content": []}, **tag),
        told("tasks", taskId="bobs", **LATER, **tag),
        told("tasks", taskId="mine-too", **LATER, **tag),
    ]
    held = asyncio.get_running_loop().create_future()
    w = world(lambda _: sse_answer(*news, held, result({"resultType": "complete"})))
    held.set_result(None)
    await know_task(w, "mine")
    await know_task(w, "mine-too")
    await know_task(w, "bobs", token="bob")

    wanted = {"taskIds": ["mine", "bobs", "nobodys"]}
    answer = await w.modern("subscriptions/listen", {"notifications": wanted}, meta=EXTENDED)

    assert events(await drained(answer))[:-1] == news[:2]
    assert said_by(w.upstream.sent[0])["params"]["notifications"] == {"taskIds": ["mine"]}


@pytest.mark.parametrize("ids", ["t", [1], {"t": 1}])
async def test_task_ids_that_cannot_be_read_are_invalid(ids: Any) -> None:
    w = answering()

    wanted = {"notifications": {"taskIds": ids}}
    answer = await w.modern("subscriptions/listen", wanted, meta=EXTENDED)

    assert (answer.status, body(answer)["error"]["code"], w.upstream.sent) == (400, -32602, [])


# -- what is offered ---------------------------------------------------------------------------

OFFERED: dict[str, Any] = {
    "logging": {}, "tasks": {"list": {}}, "extensions": {"io.modelcontextprotocol/tasks": {}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        ("2025-03-26", {"logging": {}, "extensions": {}}),
        ("2025-06-18", {"logging": {}, "extensions": {}}),
        (C, {"logging": {}, "tasks": {"list": {}}, "extensions": {}}),
    ],
)
async def test_a_session_is_offered_tasks_in_the_form_of_its_revision(
    version: str, kept: Any
) -> None:
    offered = initialized(version)
    offered["result"]["capabilities"] = OFFERED
    w = world(lambda _: json_answer(offered))

    answer = await w.send(initialize(version))

    assert body(answer)["result"]["capabilities"] == kept
    assert header(answer, "mcp-session-id") is not None


async def test_a_client_of_2026_is_offered_the_extension() -> None:
    w = answering(
        server_discover=lambda _: {"supportedVersions": [D], "capabilities": OFFERED, "ttlMs": 1}
    )

    said = body(await w.modern("server/discover"))["result"]["capabilities"]

    assert said == {"logging": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}
