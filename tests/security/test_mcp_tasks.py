"""Rule 148, policy.md 1 and 13: a task is its creator's, judged like its call, hiding nothing."""

import json
from collections.abc import Mapping
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
    json_answer,
    presented,
    request,
    result,
    sse_answer,
    world,
)
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.pipeline.tasks import TASKS
from task_parts import EXTENDED, know_task

LEGACY = ("tasks/get", "tasks/result", "tasks/cancel")
MODERN = ("tasks/get", "tasks/update", "tasks/cancel")


async def ask(w: World, version: str, method: str, token: str = "alice") -> Any:
    params = {"taskId": "t"}
    if version == "2026-07-28":
        return body(await w.modern(method, params, token=token, meta=EXTENDED))
    session = await w.session(version=version, token=token)
    w.upstream.sent.clear()
    return body(await w.legacy(session, method, params, token=token))


def plain(error: Any) -> Any:
    """Return an error without its decision id."""
    return {**error, "message": error["message"].split("(")[0], "data": None}


@pytest.mark.parametrize(
    ("version", "method"),
    [("2025-11-25", one) for one in LEGACY] + [("2026-07-28", one) for one in MODERN],
)
async def test_another_persons_task_looks_like_one_that_never_was(
    version: str, method: str
) -> None:
    w = world()
    await know_task(w, "t")

    others = await ask(w, version, method, token="bob")
    unknown = await ask(world(), version, method)

    assert w.upstream.sent == []
    assert plain(others["error"]) == plain(unknown["error"])
    assert others["error"]["code"] == -32602


async def test_a_task_does_not_outlive_its_grant() -> None:
    w = world()
    await know_task(w, "t")
    again = presented("alice")
    object.__setattr__(again.grant, "gid", "grant-of-another-login")
    w.doors.grants["alice"] = again

    assert (await ask(w, "2026-07-28", "tasks/get"))["error"]["code"] == -32602
    assert w.upstream.sent == []


async def test_a_row_that_was_moved_to_another_owner_or_task_is_no_task() -> None:
    w = world(lambda _: json_answer(result({"taskId": "t"})))
    await know_task(w, "t")
    (mine,) = await w.live.store.scan(TASKS, "", limit=10)
    await know_task(w, "u")
    await know_task(w, "t", token="bob")
    others = [row for row in await w.live.store.scan(TASKS, "", limit=10) if row.key != mine.key]
    assert len(others) == 2
    assert "result" in await ask(w, "2026-07-28", "tasks/get")

    for row in others:
        await w.live.store.put(TASKS, mine.key, row.value, expires=None)
        assert (await ask(w, "2026-07-28", "tasks/get"))["error"]["code"] == -32602


async def test_a_task_of_a_tool_that_is_denied_now_is_hidden_like_the_tool() -> None:
    w = world()
    await know_task(w, "t")
    w.allow(ALLOW_ALL, {"name": "no", "effect": "Deny", "match": {"tools": ["a"]}})

    for method in MODERN:
        assert (await ask(w, "2026-07-28", method))["error"]["code"] == -32602
    assert w.upstream.sent == []


async def test_a_deny_may_name_what_is_done_with_tasks() -> None:
    w = world(None, ALLOW_ALL, {"name": "no", "effect": "Deny", "match": {"methods": ["tasks/c*"]}})
    await know_task(w, "t")

    cancelled = await ask(w, "2025-11-25", "tasks/cancel")

    assert (cancelled["error"]["code"], w.upstream.sent) == (-31003, [])
    assert "result" in await ask(w, "2025-11-25", "tasks/get")


def calling(**task: Any) -> World:
    """Return a world in which every call becomes the task `t`."""

    def script(sent: Outgoing) -> ScriptedExchange:
        if b"tools/call" in sent.body:
            return json_answer(result({"task": {"taskId": "t", **task}}))
        return json_answer(result({"taskId": "t", "status": "working"}))

    return world(script)


async def polled(w: World, arguments: Mapping[str, Any]) -> list[Any]:
    """Call a tool as a task, deny what reads repo == 'b', and return the code of each poll."""
    deny = {
        "name": "no", "effect": "Deny", "match": {"tools": ["*"]},
        "condition": "args.repo == 'b'", "message": "not b",
    }  # fmt: skip
    session = await w.session()
    await w.legacy(session, "tools/call", {"name": "a", "arguments": arguments, "task": {}})
    w.allow(ALLOW_ALL, deny)
    answer = body(await w.legacy(session, "tasks/get", {"taskId": "t"}))
    return [answer.get("error", {}).get("code")]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"repo": "a"}, None),
        ({"repo": "b"}, -31003),
        ({"repo": "a", "text": "x" * 70_000}, -31003),
    ],
    ids=["allowed", "denied", "too large to be kept"],
)
async def test_a_poll_is_judged_with_the_arguments_of_its_call(arguments: Any, code: Any) -> None:
    assert await polled(calling(), arguments) == [code]


@pytest.mark.parametrize(
    ("task", "seconds", "known"),
    [
        ({"ttl": 1}, 23 * 3600, True),
        ({"ttl": 1}, 25 * 3600, False),
        ({"ttl": 48 * 3600_000}, 47 * 3600, True),
        ({"ttl": None}, 29 * 86400, True),
        ({}, 31 * 86400, False),
        ({"ttl": 1e15}, 31 * 86400, False),
        ({"ttl": "long"}, 29 * 86400, True),
    ],
)
async def test_a_task_is_known_for_as_long_as_its_server_says_within_bounds(
    task: Any, seconds: float, known: bool
) -> None:
    w = world(lambda _: json_answer(result({"taskId": "t"})))
    await know_task(w, "t", **task)
    w.now[0] += seconds
    w.doors.grants["alice"] = presented("alice", expires=1e9)

    answer = await ask(w, "2026-07-28", "tasks/get")

    assert ("result" in answer) == known


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel"])
async def test_a_server_that_answers_about_another_task_is_not_believed(method: str) -> None:
    w = world(lambda _: json_answer(result({"taskId": "bobs", "status": "working"})))
    await know_task(w, "t")
    await know_task(w, "bobs", token="bob")

    answer = await ask(w, "2025-11-25", method)

    assert answer["error"]["code"] == -31012


ASKS = {"x": {"method": "sampling/createMessage", "params": {"messages": []}}}
HIDDEN = [
    {"status": "input_required", "inputRequests": ASKS},
    {"status": "completed", "result": {"inputRequests": ASKS}},
    {"status": "completed", "result": {"resultType": "input_required", "inputRequests": ASKS}},
    {"status": "input_required", "inputRequests": {"x": {"method": "tools/call"}}},
    {"status": "input_required", "inputRequests": [ASKS]},
    {"status": "completed", "inputrequests": ASKS},
]


@pytest.mark.parametrize("state", HIDDEN)
async def test_a_server_request_hidden_in_a_task_needs_its_allow(state: Any) -> None:
    w = world(lambda _: json_answer(result({"taskId": "t", **state})), ALLOW_ALL)
    await know_task(w, "t")

    answer = await ask(w, "2026-07-28", "tasks/get")

    assert answer["error"]["code"] in (-31003, -31012)
    assert "sampling" not in json.dumps(answer.get("result", {}))


@pytest.mark.parametrize("state", HIDDEN)
async def test_a_server_request_hidden_in_news_of_a_task_needs_its_allow(state: Any) -> None:
    tag = {"_meta": {"io.modelcontextprotocol/subscriptionId": 1}}
    acknowledged = {
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {"notifications": {"taskIds": ["t"]}, **tag},
    }
    params = {"taskId": "t", **state, **tag}
    news = {"jsonrpc": "2.0", "method": "notifications/tasks", "params": params}
    w = world(lambda _: sse_answer(acknowledged, news, result({})), ALLOW_ALL)
    await know_task(w, "t")

    wanted = {"notifications": {"taskIds": ["t"]}}
    answer = await w.modern("subscriptions/listen", wanted, meta=EXTENDED)

    assert news not in events(await drained(answer))


async def test_what_a_task_may_ask_is_shown_and_written_down() -> None:
    allow = {
        "name": "asks", "effect": "Allow", "who": {"everyone": True},
        "match": {"server": ["sampling"]},
    }  # fmt: skip
    state = {"taskId": "t", "status": "input_required", "inputRequests": ASKS}
    w = world(lambda _: json_answer(result(state)), ALLOW_ALL, allow)
    await know_task(w, "t")

    assert (await ask(w, "2026-07-28", "tasks/get"))["result"] == state
    passed = [r.facts for r in w.log.records if r.kind == "server-message"]
    assert [(one["decision"], one["name"]) for one in passed] == [("pass", "sampling")]


RELATED = {"io.modelcontextprotocol/related-task": {"taskId": "t"}}


@pytest.mark.parametrize("token", ["alice", "bob"])
async def test_a_message_cannot_be_put_under_another_persons_task(token: str) -> None:
    w = world(lambda _: ScriptedExchange(202, {}, []))
    await know_task(w, "t")
    session = await w.session(token=token)
    w.upstream.sent.clear()
    progress = {
        "jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": 1, "_meta": RELATED},
    }  # fmt: skip

    answer = await w.send(progress, token=token, headers=(("mcp-session-id", session),))

    assert (answer.status, len(w.upstream.sent)) == ((202, 1) if token == "alice" else (403, 0))


@pytest.mark.parametrize("meta", [{**RELATED, "x": 1}, {next(iter(RELATED)): "t"}])
async def test_a_response_under_a_task_that_is_not_its_own_is_refused(meta: Any) -> None:
    asked = request("roots/list", {}, request_id="s1")
    allow = {
        "name": "asks", "effect": "Allow", "who": {"everyone": True},
        "match": {"server": ["roots"]},
    }  # fmt: skip
    w = world(lambda _: sse_answer(asked, result({})), ALLOW_ALL, allow)
    session = await w.session()
    await drained(await w.legacy(session, "tools/call", {"name": "a"}))
    sent = len(w.upstream.sent)

    answer = await w.send(
        result({"roots": [], "_meta": meta}, request_id="s1"),
        headers=(("mcp-session-id", session),),
    )

    assert answer.status in (400, 403)
    assert len(w.upstream.sent) == sent


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel"])
async def test_a_server_reaches_no_task_of_a_clients_other_session(method: str) -> None:
    asked = request(method, {"taskId": "c"}, request_id="s1")
    w = world(
        lambda sent: (
            sse_answer(asked, result({}))
            if b"tools/call" in sent.body
            else ScriptedExchange(202, {}, [])
        )
    )
    await know_task(w, "c", session=await w.session())
    session = await w.session()
    w.upstream.sent.clear()

    seen = events(await drained(await w.legacy(session, "tools/call", {"name": "a"})))

    assert seen == [result({})]
    assert json.loads(w.upstream.sent[1].body)["error"]["code"] == -32602


async def test_only_a_question_that_policy_knows_can_become_a_clients_task() -> None:
    ping = request("ping", {}, request_id="s1")
    w = world(
        lambda sent: (
            sse_answer(ping, result({}))
            if b"tools/call" in sent.body
            else ScriptedExchange(202, {}, [])
        )
    )
    session = await w.session()
    await drained(await w.legacy(session, "tools/call", {"name": "a"}))

    made = result({"task": {"taskId": "c"}}, request_id="s1")
    assert (await w.send(made, headers=(("mcp-session-id", session),))).status == 202

    assert await w.live.store.scan(TASKS, "", limit=10) == []


async def test_a_page_of_too_many_tasks_is_not_looked_up() -> None:
    tasks = [{"taskId": f"t{number}"} for number in range(1001)]
    w = world(lambda _: json_answer(result({"tasks": tasks})))
    session = await w.session()

    answer = await w.legacy(session, "tasks/list", {})

    assert body(answer)["error"]["code"] == -31012


ELICIT = request(
    "elicitation/create",
    {
        "message": "?", "requestedSchema": {"type": "object", "properties": {}}, "_meta": RELATED,
    },
    request_id="s1",
)  # fmt: skip
NOTE = {
    "jsonrpc": "2.0", "method": "notifications/message",
    "params": {"level": "info", "data": "write to bob@example.com", "_meta": RELATED},
}  # fmt: skip


def saying(*said: Any) -> World:
    """Return a world whose server says that in the answer to each call, and takes everything."""
    return world(
        lambda sent: (
            sse_answer(*said, result({}))
            if b"tools/call" in sent.body
            else ScriptedExchange(202, {}, [])
        ),
        ALLOW_ALL,
        ALLOW_SERVER,
    )


async def heard(w: World, token: str = "alice") -> list[Any]:
    session = await w.session(token=token)
    w.upstream.sent.clear()
    answer = await w.legacy(session, "tools/call", {"name": "x"}, token=token)
    return events(await drained(answer))


async def test_a_server_asks_under_a_task_of_the_callers_own_only() -> None:
    w = saying(ELICIT)
    await know_task(w, "t")

    assert await heard(w) == [ELICIT, result({})]
    assert await heard(w, "bob") == [result({})]
    assert json.loads(w.upstream.sent[1].body) == {
        "jsonrpc": "2.0", "id": "s1", "error": {"code": -32602, "message": "no such task"},
    }  # fmt: skip
    (dropped,) = [one for one in w.log.records if one.facts.get("decision") == "drop"]
    assert dropped.facts == {
        "decision": "drop",
        "during": dropped.facts["during"],
        "detail": "not a task of this grant",
        "method": "elicitation/create",
        "rpc_id": "s1",
    }


async def test_a_server_tells_under_a_task_of_the_callers_own_only() -> None:
    w = saying(NOTE)
    await know_task(w, "t")

    assert await heard(w) == [NOTE, result({})]
    assert await heard(w, "bob") == [result({})]


async def test_a_server_may_speak_of_a_task_that_the_client_works_at_in_this_session() -> None:
    w = saying(NOTE)
    session = await w.session()
    await know_task(w, "t", session=session)

    answer = await w.legacy(session, "tools/call", {"name": "x"})

    assert events(await drained(answer)) == [NOTE, result({})]
    assert await heard(w) == [result({})]


async def test_what_a_server_tells_of_a_task_is_redacted_like_its_call() -> None:
    masked = {
        "name": "masked", "effect": "Allow", "who": {"everyone": True}, "match": {"tools": ["a"]},
        "transform": {"redact": [{"pattern": "bob@[a-z.]+"}]},
    }  # fmt: skip
    other = {**ALLOW_ALL, "match": {"tools": ["x"]}}
    house = {**ALLOW_ALL, "name": "house", "match": {"methods": ["initialize"]}}
    w = saying(NOTE)
    w.allow(masked, other, house)
    await know_task(w, "t")

    (note, _) = await heard(w)

    assert "bob@example.com" not in json.dumps(note)


async def test_nothing_is_told_of_a_task_whose_tool_is_denied_now() -> None:
    w = saying(NOTE)
    await know_task(w, "t")
    w.allow(ALLOW_ALL, {"name": "no-a", "effect": "Deny", "match": {"tools": ["a"]}})

    assert await heard(w) == [result({})]


async def test_a_call_that_names_a_task_makes_it_nobodys_own() -> None:
    w = saying(NOTE)
    await know_task(w, "t")
    session = await w.session(token="bob")

    answer = await w.legacy(session, "tools/call", {"name": "x", "taskId": "t"}, token="bob")

    assert events(await drained(answer)) == [result({})]


@pytest.mark.parametrize("token", ["alice", "bob"])
async def test_an_answer_under_a_task_of_somebody_elses_is_refused(token: str) -> None:
    w = world(lambda _: json_answer(result({"content": [], "_meta": RELATED})))
    await know_task(w, "t")
    session = await w.session(token=token)

    answer = body(await w.legacy(session, "tools/call", {"name": "x"}, token=token))

    assert answer.get("error", {}).get("code") == (None if token == "alice" else -31012)


async def test_what_a_task_brings_names_it_without_the_store() -> None:
    w = world(lambda _: json_answer(result({"content": [], "_meta": RELATED})))
    await know_task(w, "t")
    session = await w.session()

    answer = body(await w.legacy(session, "tasks/result", {"taskId": "t"}))

    assert answer == result({"content": [], "_meta": RELATED})


@pytest.mark.parametrize("meta", [{**RELATED, "x": 1}, {next(iter(RELATED)): "t"}, RELATED])
async def test_a_server_that_names_no_task_or_one_that_never_was_is_not_heard(meta: Any) -> None:
    w = saying({**NOTE, "params": {"level": "info", "data": "x", "_meta": meta}})

    assert await heard(w) == [result({})]
