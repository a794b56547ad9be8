"""Tasks of a 2026-07-28 client in front of a server of 2025-11-25: a test for each cell, and more.

docs/concepts/eras.md has the table.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from joined_parts import joined
from legacy_parts import CAN_ALL, INFO, OFFERED, LegacyServer, asks, replica_of, until
from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    ScriptedExchange,
    World,
    body,
    drained,
    event,
    events,
    json_answer,
    next_said,
    result,
    sse_answer,
    world,
)
from task_parts import EXTENDED

META = {"io.modelcontextprotocol/serverInfo": INFO}
COMPLETE = {"resultType": "complete", "_meta": META}
RELATED = "io.modelcontextprotocol/related-task"
TAG = "io.modelcontextprotocol/subscriptionId"
TASKS: Mapping[str, Any] = {
    **OFFERED, "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
}  # fmt: skip
LEGACY: Mapping[str, Any] = {
    "taskId": "t1", "createdAt": "2025-11-25T10:30:00Z", "lastUpdatedAt": "2025-11-25T10:30:00Z",
    "ttl": 60_000, "pollInterval": 500,
}  # fmt: skip
MODERN: Mapping[str, Any] = {
    "taskId": "t1", "createdAt": "2025-11-25T10:30:00Z", "lastUpdatedAt": "2025-11-25T10:30:00Z",
    "ttlMs": 60_000, "pollIntervalMs": 500,
}  # fmt: skip
TEXT = {"content": [{"type": "text", "text": "done"}]}
FORM = {"message": "?", "requestedSchema": {"type": "object"}}
NEEDED: Mapping[str, Any] = {
    "requiredCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}
}
TOOLS: Mapping[str, Any] = {
    "a": {"taskSupport": "required"}, "b": {"taskSupport": "optional"},
    "c": {"taskSupport": "forbidden"}, "d": None,
}  # fmt: skip


class Asking(ScriptedExchange):
    """The stream of tasks/result: a queue feeds it."""

    def __init__(self) -> None:
        super().__init__(200, {"content-type": "text/event-stream"}, [])
        self.said: asyncio.Queue[Any] = asyncio.Queue()

    async def _chunks(self) -> Any:
        while (message := await self.said.get()) is not None:
            yield event(message)


class Tasked(LegacyServer):
    """Makes a task of each call as one; `states` are what it shows of it, the last from then on."""

    def __init__(self, *states: Any, brought: Any = None, **more: Any) -> None:
        listed = [
            {"name": name, "inputSchema": {}, **({"execution": how} if how else {})}
            for name, how in TOOLS.items()
        ]
        answers = {
            "tools/list": lambda _: {"tools": listed},
            "tools/call": lambda m: {"task": task()} if "task" in m["params"] else TEXT,
            "tasks/get": self._state,
            "tasks/result": lambda m: brought(m) if callable(brought) else brought or TEXT,
            "tasks/cancel": lambda _: task("cancelled"),
        }
        super().__init__(answers, capabilities=TASKS, **more)
        self.states = list(states)

    def _state(self, message: Any) -> Any:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if "code" in state:
            return json_answer({"jsonrpc": "2.0", "id": message["id"], "error": state})
        return state

    def asked(self, method: str) -> list[Any]:
        return [said.message["params"] for said in self.said if said.method == method]

    def replies(self) -> list[Any]:
        """Return what the server's own requests were answered."""
        return [said.message for said in self.said if said.message and "method" not in said.message]

    def _answer(self, _: Any, message: Any) -> ScriptedExchange:
        return json_answer(b"", status=202)


def task(status: str = "working", **more: Any) -> dict[str, Any]:
    return {**LEGACY, "status": status, **more}


async def called(server: LegacyServer, name: str = "a", **more: Any) -> tuple[World, Any]:
    """Call a tool as a client that knows tasks; return the pipeline and the answer."""
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    return w, await call(w, name, **more)


async def call(w: World, name: str = "a", *, meta: Any = EXTENDED, **more: Any) -> Any:
    return body(await w.modern("tools/call", {"name": name, "arguments": {}, **more}, meta=meta))


async def of_task(w: World, method: str, task_id: str = "t1", **more: Any) -> Any:
    return body(await w.modern(f"tasks/{method}", {"taskId": task_id, **more}, meta=EXTENDED))


# -- what is there -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capabilities", "version", "there"),
    [
        (TASKS, "2025-11-25", True),
        (TASKS, "2025-06-18", False),
        ({**OFFERED, "tasks": {"list": {}}}, "2025-11-25", False),
        ({**OFFERED, "extensions": {"io.modelcontextprotocol/tasks": {}}}, "2025-11-25", False),
    ],
)
async def test_a_server_that_makes_tasks_of_calls_is_one_with_the_extension(
    capabilities: Any, version: str, there: bool
) -> None:
    server = LegacyServer({}, capabilities=capabilities, version=version)

    answer = body(await world(server).modern("server/discover"))

    extensions = answer["result"]["capabilities"].get("extensions", {})
    assert ("io.modelcontextprotocol/tasks" in extensions) is there
    assert "tasks" not in answer["result"]["capabilities"]


async def test_a_server_without_tasks_has_none_here() -> None:
    w, answer = await called(LegacyServer({"tools/call": lambda _: TEXT}), task={"ttl": 1})

    refused = await of_task(w, "get")

    assert answer["result"] == {**TEXT, **COMPLETE}
    assert refused["error"]["code"] == -32602
    assert b'"task"' not in w.upstream.sent[-1].body


# -- tools/call --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "b"])
async def test_a_tool_that_may_run_as_a_task_does_so_for_a_client_that_knows_tasks(
    name: str,
) -> None:
    server = Tasked(task())

    w, first = await called(server, name)
    second = await call(w, name)

    assert first["result"] == {**MODERN, "status": "working", "resultType": "task", "_meta": META}
    assert second == first
    assert [params["task"] for params in server.asked("tools/call")[-2:]] == [{}, {}]
    assert len(server.asked("tools/list")) == 1


@pytest.mark.parametrize(
    ("name", "meta"), [("c", EXTENDED), ("d", EXTENDED), ("b", CAN_ALL), ("c", CAN_ALL)]
)
async def test_any_other_call_is_a_plain_one_whatever_its_client_says(name: str, meta: Any) -> None:
    server = Tasked(task())

    _, answer = await called(server, name, meta=meta, task={"ttl": 1})

    assert answer["result"] == {**TEXT, **COMPLETE}
    assert "task" not in server.asked("tools/call")[-1]


async def test_a_tool_that_only_runs_as_a_task_says_what_is_lacking() -> None:
    server = Tasked(task())

    _, answer = await called(server, "a", meta=CAN_ALL)

    assert (answer["error"]["code"], answer["error"]["data"]["requiredCapabilities"]) == (
        -32021, NEEDED["requiredCapabilities"],
    )  # fmt: skip
    assert [params for params in server.asked("tools/call") if "_meta" not in params] == []


async def test_a_changed_list_of_tools_is_read_anew() -> None:
    own = Asking()
    server = Tasked(task(), own=lambda: own)
    w, _ = await called(server)

    own.said.put_nowait({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    await until(own.said.empty)
    await asyncio.sleep(0)
    await call(w)

    assert len(server.asked("tools/list")) == 2


async def test_so_is_one_that_changed_by_what_a_call_says() -> None:
    told = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    server = Tasked(task(), own=Asking)
    w, _ = await called(server)
    plain, server.answers = server.answers, {
        **server.answers, "tools/call": lambda m: [told, result(TEXT, request_id=m["id"])],
    }  # fmt: skip

    await drained(await w.modern("tools/call", {"name": "d"}, meta=EXTENDED))
    server.answers = plain
    await call(w)

    assert len(server.asked("tools/list")) == 2


@pytest.mark.parametrize("answer", [{"task": {"taskId": ""}}, {"task": {**LEGACY, "status": "?"}}])
async def test_a_task_that_is_none_is_an_invalid_answer(answer: Any) -> None:
    server = Tasked(task())
    server.answers = {**server.answers, "tools/call": lambda _: answer}

    _, read = await called(server)

    assert read["error"]["code"] == -31012


async def test_a_server_may_ask_before_it_makes_the_task() -> None:
    server = Tasked(task())
    server.answers = {
        **server.answers,
        "tools/call": lambda _: [asks("elicitation/create", FORM)],
        "answered": lambda said: [result({"task": task()}, request_id=said[0]["id"])],
    }
    server._answer = LegacyServer._answer.__get__(server)  # type: ignore[method-assign]
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    params = {"name": "a", "arguments": {}}

    (asked,) = events(await drained(await w.modern("tools/call", params, meta=EXTENDED)))
    (name,) = asked["result"]["inputRequests"]
    retried = {
        **params, "requestState": asked["result"]["requestState"],
        "inputResponses": {name: {"action": "decline"}},
    }  # fmt: skip
    (made,) = events(await drained(await w.modern("tools/call", retried, meta=EXTENDED)))

    assert made["result"]["resultType"] == "task"
    assert (await of_task(w, "get"))["result"]["status"] == "working"


# -- tasks/get ---------------------------------------------------------------------------------


async def test_a_task_at_work_is_shown_as_it_is() -> None:
    server = Tasked(task(statusMessage="soon"))
    w, _ = await called(server)

    answer = await of_task(w, "get")

    assert answer["result"] == {**MODERN, **COMPLETE, "status": "working", "statusMessage": "soon"}
    assert server.asked("tasks/get") == [{"taskId": "t1"}]
    assert server.asked("tasks/result") == []


@pytest.mark.parametrize(
    ("status", "brought", "whole"),
    [
        ("completed", TEXT, {"status": "completed", "result": {**TEXT, **COMPLETE}}),
        (
            "failed", {**TEXT, "isError": True, "_meta": {RELATED: {"taskId": "t1"}}},
            {"status": "completed", "result": {**TEXT, **COMPLETE, "isError": True}},
        ),
        (
            "failed",
            lambda m: json_answer(
                {"jsonrpc": "2.0", "id": m["id"], "error": {"code": -1, "message": "no"}}
            ),
            {"status": "failed", "error": {"code": -1, "message": "no"}},
        ),
        (
            "failed", {"_meta": {RELATED: {"taskId": "t1"}}},
            {"status": "failed", "error": {"code": -32603, "message": "the task failed"}},
        ),
        ("cancelled", TEXT, {"status": "cancelled"}),
    ],
)  # fmt: skip
async def test_a_task_that_is_over_is_shown_with_what_it_brought(
    status: str, brought: Any, whole: dict[str, Any]
) -> None:
    w, _ = await called(Tasked(task(status), brought=brought))

    answer = await of_task(w, "get")

    assert answer["result"] == {**MODERN, **COMPLETE, **whole}
    await until(lambda: len(w.live.older.tasks) == 0)


@pytest.mark.parametrize("method", ["get", "cancel"])
async def test_a_task_that_the_server_forgot_is_unknown(method: str) -> None:
    error = {"code": -32602, "message": "Task not found"}
    server = Tasked(error)
    server.answers = {**server.answers, "tasks/cancel": server._state}
    w, _ = await called(server)

    assert (await of_task(w, method))["error"] == error


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ScriptedExchange(404, {}, []), -32602),
        (json_answer({}, status=400), -31014),
        (ScriptedExchange(503, {}, []), -31010),
        (json_answer(b"hello"), -31012),
        (sse_answer(result({}, request_id="other")), -31012),
    ],
)
async def test_a_server_that_does_not_answer_about_a_task_is_told_as_such(
    answer: ScriptedExchange, code: int
) -> None:
    server = Tasked(task())
    w, _ = await called(server)
    server.answers = {**server.answers, "tasks/get": lambda _: answer}

    assert (await of_task(w, "get"))["error"]["code"] == code


@pytest.mark.parametrize(
    "state", [task("odd"), {**task(), "taskId": "t2"}, {"status": "working"}, {}]
)
async def test_a_state_that_is_none_is_an_invalid_answer(state: dict[str, Any]) -> None:
    w, _ = await called(Tasked(state))

    assert (await of_task(w, "get"))["error"]["code"] == -31012


@pytest.mark.parametrize("method", ["get", "update", "cancel"])
async def test_nobody_elses_task_reaches_the_server(method: str) -> None:
    server = Tasked(task())
    w, _ = await called(server)
    before = len(server.said)

    theirs = await w.modern(
        f"tasks/{method}", {"taskId": "t1", "inputResponses": {}}, meta=EXTENDED, token="bob"
    )

    assert body(theirs)["error"]["code"] == -32602
    assert len(server.said) == before


async def test_a_session_stays_open_for_its_tasks() -> None:
    w, _ = await called(Tasked(task()))
    (session,) = w.live.older.sessions._things.values()

    assert session.busy
    await of_task(w, "cancel")
    await until(lambda: not session.busy)


# -- what a task asks for ----------------------------------------------------------------------


async def asked_in_task(*rules: Any, **more: Any) -> tuple[World, Tasked, Asking]:
    """Return a task that needs input, and the stream on which its server asks."""
    stream = Asking()
    server = Tasked(task("input_required"), brought=lambda _: stream, **more)
    w = world(server, *(rules or (ALLOW_ALL, ALLOW_SERVER)))
    await call(w)
    return w, server, stream


def question(request_id: Any = "s-1", method: str = "elicitation/create", **more: Any) -> Any:
    params = {**FORM, "_meta": {RELATED: {"taskId": "t1"}}, **more}
    return asks(method, params, request_id=request_id)


async def test_what_a_task_asks_is_shown_and_its_answer_goes_to_the_server() -> None:
    w, server, stream = await asked_in_task()
    stream.said.put_nowait(question())

    shown = (await of_task(w, "get"))["result"]
    again = (await of_task(w, "get"))["result"]
    (name,) = shown["inputRequests"]
    given = {"action": "accept", "content": {"name": "Ada"}}
    acknowledged = await of_task(w, "update", inputResponses={name: given, "other": given})
    twice = await of_task(w, "update", inputResponses={name: given})
    await until(lambda: bool(server.replies()))

    assert shown["status"] == "input_required"
    assert shown["inputRequests"] == {name: {"method": "elicitation/create", "params": FORM}}
    assert again == shown
    assert acknowledged["result"] == twice["result"] == COMPLETE
    assert server.replies() == [result(given, request_id="s-1")]
    assert len(server.asked("tasks/result")) == 1


async def test_a_task_that_asks_for_nothing_yet_has_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.task._FIRST", 0.01)
    w, _, _ = await asked_in_task()

    assert (await of_task(w, "get"))["result"]["status"] == "working"


async def test_another_replica_shows_what_is_asked_and_takes_the_answer() -> None:
    w, server, stream = await asked_in_task()
    stream.said.put_nowait(question())
    there = replica_of(w, "there")
    await of_task(w, "get")

    shown = (await of_task(there, "get"))["result"]
    (name,) = shown["inputRequests"]
    await of_task(there, "update", inputResponses={name: {"action": "decline"}})
    await until(lambda: bool(server.replies()))

    assert server.replies() == [result({"action": "decline"}, request_id="s-1")]
    assert len(server.asked("tasks/result")) == 1


@pytest.mark.parametrize("method", ["get", "cancel"])
async def test_every_replica_asks_in_the_session_that_the_task_was_made_in(method: str) -> None:
    server = Tasked(task())
    w, _ = await called(server)
    there = replica_of(w, "there")

    answer = await of_task(there, method)

    assert "result" in answer
    sessions = [said.session for said in server.said if said.method == f"tasks/{method}"]
    assert sessions == [None, "up-1"]  # this replica did not know what the server speaks
    assert len(server.asked("initialize")) == 1


async def test_a_replica_that_ends_leaves_the_sessions_of_tasks_open_for_others() -> None:
    server = Tasked(task())
    w, _ = await called(server)
    there = replica_of(w, "there")

    w.live.streams.leave()
    await w.live.streams.settle(1)

    assert "DELETE" not in server.methods()
    assert (await of_task(there, "get"))["result"]["status"] == "working"


async def test_a_question_finds_its_task_on_whatever_stream_it_comes() -> None:
    own = Asking()
    w, server, _ = await asked_in_task(own=lambda: own)

    own.said.put_nowait(question("s-2"))
    async with asyncio.timeout(5):
        while (await of_task(w, "get"))["result"]["status"] == "working":
            await asyncio.sleep(0.01)
    server.answers = {
        **server.answers,
        "tools/list": lambda m: [question("s-3"), result({"tools": []}, request_id=m["id"])],
    }
    await drained(await w.modern("tools/list", meta=EXTENDED))
    shown = (await of_task(w, "get"))["result"]["inputRequests"]
    server.answers = {
        **server.answers,
        "tasks/get": lambda m: [
            question("s-4"), asks("ping", {}, request_id="p"),
            result(task("input_required"), request_id=m["id"]),
        ],
    }  # fmt: skip
    polled = (await of_task(w, "get"))["result"]["inputRequests"]
    own.said.put_nowait(asks("roots/list", {"_meta": {RELATED: {"taskId": "t9"}}}, request_id=3))
    await until(lambda: len(server.replies()) == 2)

    assert (len(shown), len(polled)) == (2, 3)
    assert [reply["id"] for reply in server.replies()] == ["p", 3]
    assert server.replies()[1]["error"]["code"] == -32601
    assert server.asked("tasks/result") == []


@pytest.mark.parametrize(
    ("asked", "rules"),
    [
        (question(), (ALLOW_ALL,)),
        (question(method="tasks/get"), (ALLOW_ALL, ALLOW_SERVER)),
        (question(requestedSchema={"x": "y" * 300_000}), (ALLOW_ALL, ALLOW_SERVER)),
    ],
)
async def test_what_no_client_is_asked_is_refused_to_the_server(
    asked: Any, rules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.task._FIRST", 0.05)
    w, server, stream = await asked_in_task(*rules)
    stream.said.put_nowait(asked)
    stream.said.put_nowait(asks("ping", {}, request_id="p"))

    shown = (await of_task(w, "get"))["result"]
    await until(lambda: len(server.replies()) == 2)

    refused, alive = server.replies()
    assert shown["status"] == "working"
    assert (refused["error"]["code"], alive) == (-32601, result({}, request_id="p"))
    assert ("server-message", "drop") in w.log.words()


async def test_a_task_needs_input_until_all_is_answered_whatever_its_server_says() -> None:
    w, server, stream = await asked_in_task()
    stream.said.put_nowait(question("s-1"))
    stream.said.put_nowait(question("s-2"))
    async with asyncio.timeout(5):
        while len(asked := (await of_task(w, "get"))["result"]["inputRequests"]) < 2:
            await asyncio.sleep(0.01)
    first, second = asked

    await of_task(w, "update", inputResponses={first: {"action": "accept"}})
    server.states = [task("working")]
    half = (await of_task(w, "get"))["result"]
    await of_task(w, "update", inputResponses={second: {"action": "accept"}})
    whole = (await of_task(w, "get"))["result"]

    assert (half["status"], list(half["inputRequests"])) == ("input_required", [second])
    assert whole["status"] == "working"


async def test_a_question_taken_twice_is_answered_once() -> None:
    w, server, stream = await asked_in_task()
    stream.said.put_nowait(question())
    (name,) = (await of_task(w, "get"))["result"]["inputRequests"]

    answers = {name: {"action": "decline"}}
    await asyncio.gather(*(of_task(w, "update", inputResponses=answers) for _ in range(3)))

    assert server.replies() == [result({"action": "decline"}, request_id="s-1")]


async def test_a_grant_that_ends_ends_the_listening_for_its_tasks() -> None:
    w, _, stream = await asked_in_task()
    stream.said.put_nowait(question())
    await of_task(w, "get")

    w.doors.grants.pop("alice")
    w.live.streams.wake()
    await until(lambda: stream.closed)

    assert len(w.live.older.tasks) == 0


# -- tasks/cancel ------------------------------------------------------------------------------


async def test_a_task_is_cancelled_and_that_is_acknowledged() -> None:
    server = Tasked(task())
    w, _ = await called(server)

    assert (await of_task(w, "cancel"))["result"] == COMPLETE
    assert server.asked("tasks/cancel") == [{"taskId": "t1"}]


async def test_cancelling_what_is_over_already_is_no_error() -> None:
    server = Tasked(task("completed"))
    error = {"code": -32602, "message": "Cannot cancel task: already in terminal status"}
    refusal = {"jsonrpc": "2.0", "id": 1, "error": error}
    server.answers = {
        **server.answers, "tasks/cancel": lambda m: json_answer({**refusal, "id": m["id"]}),
    }  # fmt: skip
    w, _ = await called(server)

    assert (await of_task(w, "cancel"))["result"] == COMPLETE


# -- notifications/tasks/status ----------------------------------------------------------------


async def test_a_changed_task_is_told_whole_on_the_listen_streams_that_named_it() -> None:
    own = Asking()
    server = Tasked(task("completed"), own=lambda: own)
    w, _ = await called(server)
    wanted = {"taskIds": ["t1", "t9"]}
    answer = await w.modern("subscriptions/listen", {"notifications": wanted}, meta=EXTENDED)
    assert not isinstance(answer.body, bytes)
    stream = aiter(answer.body)
    (acknowledged,) = events(await next_said(stream))

    for task_id in ("t9", "t1"):
        status = {**task("working"), "taskId": task_id}
        own.said.put_nowait(
            {"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": status}
        )
    async with asyncio.timeout(5):
        (told,) = events(await next_said(stream))

    assert acknowledged["params"]["notifications"] == {"taskIds": ["t1"]}
    assert told["method"] == "notifications/tasks"
    assert told["params"] == {
        **MODERN, "status": "completed", "result": {**TEXT, **COMPLETE}, "_meta": {TAG: 1},
    }  # fmt: skip


# -- beside other servers ----------------------------------------------------------------------


async def test_tasks_of_one_of_several_servers_are_known_by_ids_of_the_routes() -> None:
    stream = Asking()
    server = Tasked(task("input_required"), brought=lambda _: stream)
    w = joined({"old": server, "other": LegacyServer({})}, ALLOW_ALL, ALLOW_SERVER)
    made = await call(w, "old_a")
    stream.said.put_nowait(question())

    shown = (await of_task(w, "get", made["result"]["taskId"]))["result"]
    (name,) = shown["inputRequests"]
    await of_task(
        w, "update", made["result"]["taskId"], inputResponses={name: {"action": "decline"}}
    )
    await until(lambda: bool(server.replies()))

    assert shown["taskId"] == made["result"]["taskId"] != "t1"
    assert server.replies() == [result({"action": "decline"}, request_id="s-1")]
