"""Tasks of a legacy client in front of a server of 2026-07-28: one test for each cell, and more.

docs/concepts/eras.md has the table.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from joined_parts import Server, joined
from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    World,
    body,
    drained,
    events,
    json_answer,
    result,
    sent_header,
    sse_answer,
)
from newer_parts import (
    DISCOVERED,
    Listened,
    ModernServer,
    cancel,
    heard,
    in_session,
    opening,
    stream_of,
    told,
)

EXTENSION: Mapping[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
RELATED = "io.modelcontextprotocol/related-task"
MODERN: Mapping[str, Any] = {
    "taskId": "t1", "createdAt": "2026-07-28T10:30:00Z", "lastUpdatedAt": "2026-07-28T10:30:00Z",
    "ttlMs": 60_000, "pollIntervalMs": 1,
}  # fmt: skip
LEGACY: Mapping[str, Any] = {
    "taskId": "t1", "createdAt": "2026-07-28T10:30:00Z", "lastUpdatedAt": "2026-07-28T10:30:00Z",
    "ttl": 60_000, "pollInterval": 1,
}  # fmt: skip
SAID = {"content": [{"type": "text", "text": "done"}]}
DONE = {"resultType": "complete", **SAID}
FORM = {"mode": "form", "message": "?", "requestedSchema": {"type": "object"}}
QUESTION = {"q": {"method": "elicitation/create", "params": FORM}}
ABLE: Mapping[str, Any] = {"elicitation": {"form": {}}}


def task(status: str = "working", **more: Any) -> dict[str, Any]:
    return {"resultType": "complete", **MODERN, "status": status, **more}


def made(**more: Any) -> dict[str, Any]:
    return {**task(**more), "resultType": "task"}


class Tasked(ModernServer):
    """Makes a task of each call; `states` are what it shows of it, the last one from then on."""

    def __init__(self, *states: Any, answer: Any = None) -> None:
        super().__init__()
        self.states = list(states)
        self.replies["tools/call"] = lambda _: answer or made()
        self.replies["tasks/get"] = self._state
        self.replies["tasks/update"] = lambda _: {"resultType": "complete"}
        self.replies["tasks/cancel"] = lambda _: {"resultType": "complete"}

    def _state(self, message: dict[str, Any]) -> Any:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if "code" in state:
            return json_answer({"jsonrpc": "2.0", "id": message["id"], "error": state})
        return state

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [sent["params"] for sent in self.sent if sent["method"] == method]


async def as_task(server: ModernServer, **more: Any) -> tuple[World, str, Any]:
    """Call a tool as a task; return the pipeline, the session and the answer."""
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE, **more)
    return w, session, body(await called(w, session))


async def called(w: World, session: str, **more: Any) -> Any:
    params = {"name": "a", "arguments": {}, "task": {"ttl": 90_000}, **more}
    return await w.legacy(session, "tools/call", params)


async def of_task(w: World, session: str, method: str, task_id: str = "t1", **more: Any) -> Any:
    return await w.legacy(session, f"tasks/{method}", {"taskId": task_id}, **more)


# -- what is there -----------------------------------------------------------------------------


async def test_a_server_that_has_the_extension_offers_legacy_tasks() -> None:
    tools = [{"name": "a", "inputSchema": {}}]
    server = ModernServer({"tools/list": lambda _: {"resultType": "complete", "tools": tools}})

    w, session = await opening(server)
    listed = await w.legacy(session, "tools/list")

    assert body(listed)["result"]["tools"] == [
        {**tools[0], "execution": {"taskSupport": "optional"}}
    ]


@pytest.mark.parametrize(
    ("version", "discovered"),
    [("2025-06-18", DISCOVERED), ("2025-11-25", {**DISCOVERED, "capabilities": {"tools": {}}})],
)
async def test_without_the_extension_or_before_2025_11_25_there_are_no_tasks(
    version: str, discovered: Any
) -> None:
    tools = [{"name": "a", "inputSchema": {}}]
    server = ModernServer(
        {
            "server/discover": lambda _: discovered,
            "tools/list": lambda _: {"resultType": "complete", "tools": tools},
            "tools/call": lambda _: DONE,
        }
    )
    w, session = await opening(server, version=version)

    listed = await w.legacy(session, "tools/list")
    plain = await called(w, session)
    refused = await w.legacy(session, "tasks/list")

    assert body(listed)["result"]["tools"] == tools
    assert body(plain)["result"] == SAID
    assert body(refused)["error"]["code"] == -32601
    assert server.sent[-1]["params"]["_meta"][CAPABILITIES] == {}


# -- tools/call --------------------------------------------------------------------------------


@pytest.mark.parametrize("answer_with", [json_answer, sse_answer])
async def test_a_call_as_a_task_declares_the_extension_and_brings_the_servers_task(
    answer_with: Any,
) -> None:
    meta = {"io.modelcontextprotocol/model-immediate-response": "wait"}
    server = Tasked(task(), answer=answer_with(result(made(statusMessage="soon", _meta=meta))))
    w, session = await opening(server)

    answer = await called(w, session)

    read = body(answer) if isinstance(answer.body, bytes) else events(await drained(answer))[0]
    state = {**LEGACY, "status": "working", "statusMessage": "soon"}
    assert read == result({"task": state, "_meta": meta})
    (sent,) = server.asked("tools/call")
    assert sent.keys() == {"name", "arguments", "_meta"}
    assert sent["_meta"][CAPABILITIES] == EXTENSION


async def test_a_call_that_wants_no_task_declares_none_and_gets_none() -> None:
    server = Tasked(task())
    w, session = await opening(server)

    answer = await w.legacy(session, "tools/call", {"name": "a"})

    assert body(answer)["error"]["code"] == -31012
    assert server.asked("tools/call")[0]["_meta"][CAPABILITIES] == {}


async def test_what_is_answered_at_once_is_kept_as_a_task_that_is_over() -> None:
    server = Tasked(task(), answer=DONE)
    w, session, created = await as_task(server)
    own = created["result"]["task"]["taskId"]

    state = body(await of_task(w, session, "get", own))["result"]
    brought = body(await of_task(w, session, "result", own))
    late = body(await of_task(w, session, "cancel", own))
    listed = body(await w.legacy(session, "tasks/list"))["result"]
    w.now[0] += 90.1
    gone = body(await of_task(w, session, "result", own))

    assert (state["status"], state["ttl"]) == ("completed", 90_000)
    assert created["result"]["task"] == state
    assert brought == result({**SAID, "_meta": {RELATED: {"taskId": own}}})
    assert late["error"]["code"] == -32602
    assert listed == {"tasks": [state]}
    assert gone["error"]["code"] == -32602
    assert server.asked("tasks/get") == []


async def test_a_result_that_is_too_large_to_be_kept_is_an_error_that_says_so() -> None:
    text = {"type": "text", "text": "x" * 600_000}
    _, _, answer = await as_task(Tasked(task(), answer={**DONE, "content": [text]}))

    assert answer["error"] == {
        "code": -32603,
        "message": "the tool's result is too large to be kept as a task; call it without one",
    }


async def test_an_error_of_a_call_as_a_task_is_its_answer() -> None:
    error = {"code": -32602, "message": "no"}
    refused = json_answer({"jsonrpc": "2.0", "id": 1, "error": error})

    _, _, answer = await as_task(Tasked(task(), answer=refused))

    assert answer["error"] == error


async def test_a_server_may_ask_before_it_makes_the_task() -> None:
    server = Tasked(task())
    asks = {"resultType": "input_required", "inputRequests": QUESTION, "requestState": "S"}
    server.replies["tools/call"] = lambda m: made() if "requestState" in m["params"] else asks
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE)

    stream = stream_of(await called(w, session))
    asked = await heard(stream)
    await w.send(result({"action": "decline"}, request_id=asked["id"]), headers=in_session(session))

    assert (await heard(stream))["result"] == {"task": {**LEGACY, "status": "working"}}
    assert server.asked("tools/call")[1]["_meta"][CAPABILITIES] == {**ABLE, **EXTENSION}


@pytest.mark.parametrize(
    "answer",
    [
        made(taskId="ostiary-task.d1"),
        made(taskId=""),
        {"resultType": "task", "taskId": "t1", "status": "odd"},
        {**made(), "resultType": "complete", "inputRequests": {}},
    ],
)
async def test_a_task_that_is_none_is_an_invalid_answer(answer: Any) -> None:
    _, _, read = await as_task(Tasked(task(), answer=answer))

    assert read["error"]["code"] == -31012


LACKING = {"code": -32021, "message": "runs as a task", "data": {"requiredCapabilities": EXTENSION}}


class OnlyAsTask(Tasked):
    """Refuses a call that does not declare the extension."""

    def __init__(self, *states: Any, answer: Any = None) -> None:
        super().__init__(*states, answer=answer)
        made_of_it = self.replies["tools/call"]
        self.replies["tools/call"] = lambda message: (
            made_of_it(message)
            if "extensions" in message["params"]["_meta"][CAPABILITIES]
            else json_answer({"jsonrpc": "2.0", "id": message["id"], "error": LACKING}, status=400)
        )


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_tool_that_only_runs_as_a_task_is_waited_for_by_a_client_without_tasks(
    version: str,
) -> None:
    server = OnlyAsTask(task(), task("completed", result=DONE))
    w, session = await opening(server, version=version)

    answer = await w.legacy(session, "tools/call", {"name": "a", "arguments": {}})

    assert events(await drained(answer)) == [result(SAID)]
    declared = [params["_meta"][CAPABILITIES] for params in server.asked("tools/call")]
    assert declared == [{}, EXTENSION]
    assert [params["taskId"] for params in server.asked("tasks/get")] == ["t1", "t1"]


async def test_a_task_that_is_waited_for_asks_as_the_call_would() -> None:
    server = OnlyAsTask(task("input_required", inputRequests=QUESTION))
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE)
    stream = stream_of(await w.legacy(session, "tools/call", {"name": "a"}))

    asked = await heard(stream)
    await w.send(result({"action": "decline"}, request_id=asked["id"]), headers=in_session(session))
    server.states.append(task("failed", error={"code": -1, "message": "no"}))
    ended = await heard(stream)

    assert asked["params"] == {"message": "?", "requestedSchema": {"type": "object"}}
    assert ended == {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}}
    assert server.asked("tasks/update")[0]["inputResponses"] == {"q": {"action": "decline"}}


async def test_a_call_that_is_cancelled_cancels_the_task_that_it_waits_for() -> None:
    server = OnlyAsTask(task())
    w, session = await opening(server)
    stream = stream_of(await w.legacy(session, "tools/call", {"name": "a"}))
    waiting = asyncio.create_task(heard(stream))
    async with asyncio.timeout(5):
        while not server.asked("tasks/get"):
            await asyncio.sleep(0.01)

    await cancel(w, session)

    assert (await waiting)["error"]["code"] == -31008
    async with asyncio.timeout(5):
        while not server.asked("tasks/cancel"):
            await asyncio.sleep(0.01)


async def test_a_tool_that_only_runs_as_a_task_may_be_done_at_once() -> None:
    w, session = await opening(OnlyAsTask(task(), answer=DONE))

    answer = await w.legacy(session, "tools/call", {"name": "a"})

    assert events(await drained(answer)) == [result(SAID)]


async def test_a_tool_that_is_refused_with_the_extension_too_is_asked_once_more_only() -> None:
    refused = json_answer({"jsonrpc": "2.0", "id": 1, "error": LACKING}, status=400)
    server = Tasked(task(), answer=refused)
    w, session = await opening(server)

    answer = await w.legacy(session, "tools/call", {"name": "a"})

    (ended,) = events(await drained(answer))
    assert (ended["error"]["code"], len(server.asked("tools/call"))) == (-32600, 2)


# -- tasks/get, tasks/result -------------------------------------------------------------------

STATES: Mapping[str, tuple[dict[str, Any], str]] = {
    "working": (task(), "working"),
    "input_required": (task("input_required", inputRequests=QUESTION), "input_required"),
    "completed": (task("completed", result=DONE), "completed"),
    "a tool's error": (task("completed", result={**DONE, "isError": True}), "failed"),
    "failed": (task("failed", error={"code": -1, "message": "no"}), "failed"),
    "cancelled": (task("cancelled"), "cancelled"),
}


@pytest.mark.parametrize("name", STATES)
async def test_a_task_is_shown_in_each_state_without_what_it_brings_or_asks(name: str) -> None:
    state, status = STATES[name]
    server = Tasked(state)
    w, session, _ = await as_task(server)

    answer = await of_task(w, session, "get")

    assert body(answer)["result"] == {**LEGACY, "status": status}
    assert server.asked("tasks/get")[0]["taskId"] == "t1"
    assert server.asked("tasks/get")[0]["_meta"][CAPABILITIES] == {**ABLE, **EXTENSION}
    assert sent_header(server.requests[-1], "mcp-name") == "t1"


async def test_a_task_without_an_end_of_its_own_says_so() -> None:
    w, session, _ = await as_task(Tasked({**task(), "ttlMs": None}))

    assert body(await of_task(w, session, "get"))["result"]["ttl"] is None


@pytest.mark.parametrize("method", ["get", "result", "cancel"])
async def test_a_task_that_the_server_forgot_is_unknown(method: str) -> None:
    error = {"code": -32602, "message": "Task not found"}
    w, session, _ = await as_task(Tasked(error))

    assert body(await of_task(w, session, method))["error"] == error


@pytest.mark.parametrize("method", ["get", "result", "cancel"])
async def test_nobody_elses_task_reaches_the_server(method: str) -> None:
    server = Tasked(task())
    w, _, _ = await as_task(server)
    _, other = await opening(server, before=w, token="bob")
    before = len(server.sent)

    theirs = body(await of_task(w, other, method, token="bob"))
    never = body(await of_task(w, other, method, "t9", token="bob"))

    assert theirs["error"]["code"] == never["error"]["code"] == -32602
    assert len(server.sent) == before


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("completed", {"result": {**SAID, "_meta": {RELATED: {"taskId": "t1"}}}}),
        (
            "a tool's error",
            {"result": {**SAID, "isError": True, "_meta": {RELATED: {"taskId": "t1"}}}},
        ),
        ("failed", {"error": {"code": -1, "message": "no"}}),
        ("cancelled", {"error": {"code": -32603, "message": "the task was cancelled"}}),
    ],
)
async def test_what_a_task_brought_is_what_the_call_would_have_been_answered(
    state: str, answer: dict[str, Any]
) -> None:
    w, session, _ = await as_task(Tasked(STATES[state][0]))

    read = body(await of_task(w, session, "result"))

    assert read == {"jsonrpc": "2.0", "id": 1, **answer}


async def test_who_asks_early_waits_until_the_task_is_over() -> None:
    server = Tasked(task(), task(), task("completed", result=DONE))
    w, session, _ = await as_task(server)

    answer = await of_task(w, session, "result")

    (ended,) = events(await drained(answer))
    assert ended["result"]["content"] == SAID["content"]
    assert len(server.asked("tasks/get")) == 3


@pytest.mark.parametrize(
    "state",
    [
        task("completed"),
        task("completed", result={"resultType": "input_required", "inputRequests": QUESTION}),
        task("failed"),
        task("failed", error={"message": "no code"}),
        task("odd"),
        {**task("completed", result=DONE), "taskId": "t2"},
        task("input_required", inputRequests=[]),
    ],
)
@pytest.mark.parametrize("before", [[], [task()]])
async def test_a_state_that_is_none_is_an_invalid_answer(
    state: dict[str, Any], before: list[Any]
) -> None:
    w, session, _ = await as_task(Tasked(*before, state))

    answer = await of_task(w, session, "result")

    read = body(answer) if isinstance(answer.body, bytes) else events(await drained(answer))[0]
    assert read["error"]["code"] == -31012


async def test_a_client_that_cancels_the_request_ends_its_waiting_and_not_the_task() -> None:
    server = Tasked(task())
    w, session, _ = await as_task(server)
    stream = stream_of(await of_task(w, session, "result", request_id="r"))
    waiting = asyncio.create_task(heard(stream))
    await asyncio.sleep(0)

    await cancel(w, session, "r")

    assert (await waiting)["error"]["code"] == -31008
    assert server.asked("tasks/cancel") == []


async def test_a_client_that_goes_away_is_waited_for_no_longer() -> None:
    server = Tasked(task())
    w, session, _ = await as_task(server)
    answer = await of_task(w, session, "result")
    assert not isinstance(answer.body, bytes)

    await answer.body.abandon()

    assert w.log.words()[-1] == ("outcome", "cancelled")
    assert len(w.live.streams) == 0


# -- what a task asks for ----------------------------------------------------------------------


async def test_what_a_task_wants_is_asked_once_on_the_stream_that_waits_for_it() -> None:
    server = Tasked(task("input_required", inputRequests=QUESTION))
    w, session, _ = await as_task(server)
    stream = stream_of(await of_task(w, session, "result"))

    asked = await heard(stream)
    answer = {"action": "accept", "content": {"name": "Ada"}}
    meta = {RELATED: {"taskId": "t1"}}
    reply = result({**answer, "_meta": meta}, request_id=asked["id"])
    posted = await w.send(reply, headers=in_session(session))
    server.states.append(task("completed", result=DONE))
    ended = await heard(stream)

    assert posted.status == 202
    assert asked["method"] == "elicitation/create"
    assert asked["params"] == {"message": "?", "requestedSchema": {"type": "object"}, "_meta": meta}
    assert ended["result"]["content"] == SAID["content"]
    (update,) = server.asked("tasks/update")
    assert (update["taskId"], update["inputResponses"]) == ("t1", {"q": answer})
    assert update["_meta"][CAPABILITIES] == {**ABLE, **EXTENSION}
    assert ("server-message", "pass") in w.log.words()


async def test_answers_go_to_the_server_as_they_come() -> None:
    both = {"q": QUESTION["q"], "r": QUESTION["q"]}
    server = Tasked(task("input_required", inputRequests=both))
    w, session, _ = await as_task(server)
    stream = stream_of(await of_task(w, session, "result"))
    first, second = await heard(stream), await heard(stream)
    waiting = asyncio.create_task(heard(stream))

    for asked in (second, first):
        count = len(server.asked("tasks/update"))
        reply = result({"action": "accept"}, request_id=asked["id"])
        await w.send(reply, headers=in_session(session))
        async with asyncio.timeout(5):
            while len(server.asked("tasks/update")) == count:
                await asyncio.sleep(0.01)
    server.states = [task("completed", result=DONE)]
    await waiting

    given = [list(update["inputResponses"]) for update in server.asked("tasks/update")]
    assert given == [["r"], ["q"]]


async def test_what_policy_forbids_a_task_to_ask_ends_the_waiting() -> None:
    server = Tasked(task("input_required", inputRequests=QUESTION))
    w, session = await opening(server, ALLOW_ALL, capabilities=ABLE)
    await called(w, session)

    (ended,) = events(await drained(await of_task(w, session, "result")))

    assert ended["error"]["code"] == -31003
    assert server.asked("tasks/update") == []


async def test_what_the_client_did_not_declare_no_task_asks_it() -> None:
    sampling = {"q": {"method": "sampling/createMessage", "params": {"messages": []}}}
    w, session, _ = await as_task(Tasked(task("input_required", inputRequests=sampling)))

    (ended,) = events(await drained(await of_task(w, session, "result")))

    assert ended["error"]["code"] == -32600
    assert ended["error"]["data"] == {"requiredCapabilities": {"sampling": {}}}


async def test_a_task_that_asks_without_end_is_given_up() -> None:
    server = Tasked(task())
    numbers = iter(range(99))
    server.replies["tasks/get"] = lambda _: task(
        "input_required", inputRequests={f"q{next(numbers)}": QUESTION["q"] for _ in range(16)}
    )
    w, session, _ = await as_task(server)

    seen = events(await drained(await of_task(w, session, "result")))

    assert [message.get("method", "error") for message in seen] == [
        *["elicitation/create"] * 64, "error",
    ]  # fmt: skip
    assert seen[-1]["error"]["code"] == -31012


# -- tasks/cancel, tasks/list ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([task(), task("cancelled")], "cancelled"),
        ([task(), task(), task("completed", result=DONE)], "completed"),
        ([task(), {"code": -32602, "message": "Task not found"}], "cancelled"),
        ([task()], "working"),
    ],
)
async def test_a_cancelled_task_is_told_as_the_server_shows_it(
    states: list[Any], status: str
) -> None:
    server = Tasked(*states)
    w, session, _ = await as_task(server)

    answer = body(await of_task(w, session, "cancel"))

    assert answer["result"] == {**LEGACY, "status": status}
    assert [params["taskId"] for params in server.asked("tasks/cancel")] == ["t1"]


async def test_a_task_that_is_over_is_not_cancelled() -> None:
    server = Tasked(task("completed", result=DONE))
    w, session, _ = await as_task(server)

    answer = body(await of_task(w, session, "cancel"))

    assert answer["error"] == {"code": -32602, "message": "the task is over already: completed"}
    assert server.asked("tasks/cancel") == []


async def test_tasks_of_the_grant_are_listed_from_every_session_and_nobody_elses() -> None:
    server = Tasked(task())
    server.replies["tasks/get"] = lambda m: task(taskId=m["params"]["taskId"])
    w, session, _ = await as_task(server)
    server.replies["tools/call"] = lambda _: made(taskId="t2")
    await called(w, session)
    _, second = await opening(server, before=w)
    _, bobs = await opening(server, before=w, token="bob")

    mine = body(await w.legacy(second, "tasks/list"))["result"]["tasks"]
    theirs = body(await w.legacy(bobs, "tasks/list", token="bob"))["result"]["tasks"]

    assert [one["taskId"] for one in mine] == ["t2", "t1"]
    assert theirs == []


async def test_a_list_leaves_out_what_the_server_forgot_and_holds_the_newest() -> None:
    server = Tasked({"code": -32602, "message": "Task not found"})
    w, session, _ = await as_task(server)
    server.replies["tools/call"] = lambda _: DONE
    for _ in range(65):
        answer = body(await called(w, session))

    listed = body(await w.legacy(session, "tasks/list"))["result"]["tasks"]

    assert len(listed) == 64
    assert listed[0] == answer["result"]["task"]


# -- notifications/tasks -----------------------------------------------------------------------


async def test_a_changed_task_is_told_on_the_get_stream_of_who_made_it() -> None:
    server, listened = Tasked(task()), Listened()
    server.replies["subscriptions/listen"] = listened
    w, session, _ = await as_task(server)
    stream = stream_of(await w.send(method="GET", headers=in_session(session)))

    listened.tell("notifications/tasks", **{**task("completed", result=DONE), "taskId": "t9"})
    listened.tell("notifications/tasks", **task("completed", result=DONE))

    told_of = await heard(stream)
    assert told_of == told("notifications/tasks/status", **LEGACY, status="completed")
    assert listened.asked[0]["taskIds"] == ["t1"]
    assert ("server-message", "drop") in w.log.words()


async def test_a_task_made_while_the_stream_is_open_is_listened_for() -> None:
    server, listened = Tasked(task()), Listened()
    server.replies["subscriptions/listen"] = listened
    w, session = await opening(server)
    stream = stream_of(await w.send(method="GET", headers=in_session(session)))
    hearing = asyncio.create_task(heard(stream))
    await asyncio.sleep(0)

    await called(w, session)
    async with asyncio.timeout(5):
        while len(listened.asked) < 2:
            await asyncio.sleep(0.01)
    listened.tell("notifications/tasks", **task("cancelled"))

    assert (await hearing)["params"]["status"] == "cancelled"
    assert [asked.get("taskIds") for asked in listened.asked] == [None, ["t1"]]


# -- beside other servers ----------------------------------------------------------------------


async def test_tasks_of_a_server_of_2026_stand_beside_a_legacy_ones_behind_one_url() -> None:
    server = Tasked(task("input_required", inputRequests=QUESTION), task("completed", result=DONE))
    old = Server(session="up-1", tools__call={"task": {**LEGACY, "status": "working"}})
    w = joined({"modern": server, "legacy": old}, ALLOW_ALL, ALLOW_SERVER)
    w, session = await opening(server, before=w, capabilities=ABLE)
    ids = [
        body(await called(w, session, name=name))["result"]["task"]["taskId"]
        for name in ("modern_a", "legacy_a")
    ]

    stream = stream_of(await of_task(w, session, "result", ids[0]))
    asked = await heard(stream)
    meta = asked["params"]["_meta"]
    reply = result({"action": "decline", "_meta": meta}, request_id=asked["id"])
    posted = await w.send(reply, headers=in_session(session))
    ended = await heard(stream)

    assert posted.status == 202
    assert meta == ended["result"]["_meta"] == {RELATED: {"taskId": ids[0]}}
    assert ids[0] != ids[1]
    assert server.asked("tasks/update")[0]["taskId"] == "t1"
