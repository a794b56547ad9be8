"""Attacks on what is kept for 2026-07-28 clients before a legacy server: sessions, parked calls."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from legacy_parts import CAN_ALL, LegacyServer, asks, until
from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    ORIGIN,
    PATH,
    ScriptedExchange,
    World,
    body,
    drained,
    events,
    json_answer,
    live_route,
    result,
    sent_header,
    sse_answer,
    world,
)
from newer_parts import ModernServer
from ostiary.config.document import Upstream
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed, Outgoing
from task_parts import EXTENDED

CALL = {"name": "a", "arguments": {"x": 1}}
ELICIT = {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}
DECLARED = "io.modelcontextprotocol/clientCapabilities"
ACCEPT = {"question-1": {"action": "accept"}}


def asking(*, twice: bool = False) -> LegacyServer:
    """Return a server whose tool asks a question under an id of its own for each call."""

    def answered(said: Any) -> Any:
        call, answer = said
        if twice and not str(answer["id"]).startswith("again"):
            return [asks("elicitation/create", ELICIT, request_id=f"again-{call['id']}")]
        return [result({"content": []}, request_id=call["id"])]

    return LegacyServer(
        {
            "tools/call": lambda m: [asks("elicitation/create", ELICIT, request_id=f"s-{m['id']}")],
            "answered": answered,
        }
    )


async def asked(w: World, *, token: str = "alice") -> str:
    """Make a call that waits for an answer; return its requestState."""
    answer = await w.modern("tools/call", CALL, meta=CAN_ALL, token=token)
    (found,) = events(await drained(answer))
    return str(found["result"]["requestState"])


async def test_two_people_never_share_a_session():
    server = LegacyServer({"tools/call": lambda _: {"content": []}})
    w = world(server)

    for token in ("alice", "bob", "alice"):
        await w.modern("tools/call", CALL, token=token)

    used = [said.session for said in server.said if said.method == "tools/call"]
    assert used == [None, "up-1", "up-2", "up-1"]


async def test_a_session_id_that_a_client_sends_is_never_used():
    server = LegacyServer({"tools/call": lambda _: {"content": []}})
    w = world(server)
    await w.modern("tools/call", CALL, token="alice")

    headers = (
        ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "a"),
        ("mcp-session-id", "up-1"),
    )  # fmt: skip
    await w.modern("tools/call", CALL, token="bob", headers=headers)

    assert [said.session for said in server.said][-1] == "up-2"


@pytest.mark.parametrize("params", [CALL, {"name": "a", "arguments": {"x": 2}}])
async def test_a_state_is_good_for_its_person_and_its_call_only(params):
    w = world(asking(), ALLOW_ALL, ALLOW_SERVER)
    state = await asked(w)
    retry = {"requestState": state, "inputResponses": ACCEPT}

    token = "bob" if params is CALL else "alice"
    stolen = await w.modern("tools/call", {**params, **retry}, meta=CAN_ALL, token=token)
    rightful = await w.modern("tools/call", {**CALL, **retry}, meta=CAN_ALL)

    assert (stolen.status, body(stolen)["error"]["code"]) == (400, -32602)
    assert "result" in events(await drained(rightful))[0]


@pytest.mark.parametrize("state", ["x", "there.0", "/" * 900])
async def test_a_state_that_a_server_gave_before_it_was_replaced_is_refused(state):
    server = asking()
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    question = {"method": "elicitation/create", "params": ELICIT}
    found = {
        "resultType": "input_required", "inputRequests": {"question-1": question},
        "requestState": state,
    }  # fmt: skip
    w.upstream.script = lambda _: json_answer(result(found))
    given = body(await w.modern("tools/call", CALL, meta=CAN_ALL))["result"]["requestState"]

    w.upstream.script = server
    retry = {**CALL, "requestState": given, "inputResponses": ACCEPT}
    answer = await w.modern("tools/call", retry, meta=CAN_ALL)

    assert (answer.status, body(answer)["error"]["code"]) == (400, -32602)


async def test_an_answer_is_given_once():
    w = world(asking(), ALLOW_ALL, ALLOW_SERVER)
    retry = {**CALL, "requestState": await asked(w), "inputResponses": ACCEPT}

    await drained(await w.modern("tools/call", retry, meta=CAN_ALL))
    replayed = await w.modern("tools/call", retry, meta=CAN_ALL)

    assert (replayed.status, body(replayed)["error"]["code"]) == (400, -32602)


async def test_an_answer_to_what_was_not_asked_yet_is_passed_over():
    w = world(asking(twice=True), ALLOW_ALL, ALLOW_SERVER)
    ahead = {"question-1": {"action": "accept"}, "question-2": {"action": "accept"}}

    retry = {**CALL, "requestState": await asked(w), "inputResponses": ahead}
    (second,) = events(await drained(await w.modern("tools/call", retry, meta=CAN_ALL)))

    assert list(second["result"]["inputRequests"]) == ["question-2"]


async def test_what_was_answered_is_not_answered_again_in_a_later_round():
    server = asking(twice=True)
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    first = {**CALL, "requestState": await asked(w), "inputResponses": ACCEPT}
    (second,) = events(await drained(await w.modern("tools/call", first, meta=CAN_ALL)))

    replayed = await w.modern("tools/call", first, meta=CAN_ALL)
    changed = {"question-1": {"action": "decline"}}
    later = {**first, "requestState": second["result"]["requestState"], "inputResponses": changed}
    await drained(await w.modern("tools/call", later, meta=CAN_ALL))

    assert (replayed.status, body(replayed)["error"]["code"]) == (400, -32602)
    assert [one["result"]["action"] for one in server.answered.values()] == ["accept"]


async def test_where_one_of_several_questions_is_forbidden_none_is_asked_and_the_call_cancelled():
    roots = asks("roots/list", {}, request_id="r")
    server = asking()
    server.answers = {"tools/call": lambda _: [asks("elicitation/create", ELICIT), roots]}
    form = {**ALLOW_SERVER, "match": {"server": ["elicitation/form"]}}
    w = world(server, ALLOW_ALL, form)

    answer = await w.modern("tools/call", CALL, meta=CAN_ALL)

    assert events(await drained(answer))[0]["error"]["code"] == -31003
    await until(lambda: "notifications/cancelled" in server.methods())
    assert len(w.live.older.parked) == 0


@pytest.mark.parametrize(("size", "room"), [(1, 32), (200_000, 5)])
async def test_a_server_that_asks_without_end_fills_no_more_than_one_calls_room(size, room):
    params = {"_meta": {"x": "x" * size}}
    own = [asks("roots/list", params, request_id=number) for number in range(100)]
    may = asyncio.get_running_loop().create_future()
    server = asking()
    server.own = lambda: sse_answer(may, *own)
    for number in range(100):
        server.waiting["up-1", number] = (sse_answer(), asyncio.Future(), None)
    server.answers = {**server.answers, "answered": lambda _: []}
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    await asked(w)

    may.set_result(None)
    await until(lambda: w.upstream.exchanges[4].closed)

    assert len(server.answered) == 100 - room
    assert {one["error"]["code"] for one in server.answered.values()} == {-32601}


async def test_a_parked_call_of_a_grant_that_ended_is_cancelled_within_a_second():
    server = asking()
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    await asked(w)

    del w.doors.grants["alice"]
    w.live.streams.wake()

    await until(lambda: "notifications/cancelled" in server.methods(), seconds=1)
    await until(lambda: "DELETE" in server.methods(), seconds=1)
    assert (len(w.live.older.parked), len(w.live.older.sessions)) == (0, 0)


async def test_a_flood_of_parked_calls_ends_the_oldest_of_that_person_only():
    server = asking()
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    bobs = await asked(w, token="bob")
    first = await asked(w)

    for _ in range(20):
        await asked(w)

    assert len(w.live.older.parked) == 17
    await until(lambda: server.methods().count("notifications/cancelled") == 5)
    retry = {**CALL, "inputResponses": ACCEPT}
    gone = await w.modern("tools/call", {**retry, "requestState": first}, meta=CAN_ALL)
    kept = await w.modern("tools/call", {**retry, "requestState": bobs}, meta=CAN_ALL, token="bob")
    assert body(gone)["error"]["code"] == -32602
    assert "result" in events(await drained(kept))[0]


async def test_where_too_many_calls_wait_in_all_one_more_is_refused_and_cancelled():
    server = asking()
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    w.live.older.parked._most = 0

    answer = await w.modern("tools/call", CALL, meta=CAN_ALL)

    assert events(await drained(answer))[0]["error"]["code"] == -31006
    await until(lambda: "notifications/cancelled" in server.methods())


async def test_what_policy_forbids_the_server_to_ask_is_refused_and_its_call_cancelled():
    server = asking()
    w = world(server, ALLOW_ALL)

    answer = await w.modern("tools/call", CALL, meta=CAN_ALL)

    assert events(await drained(answer))[0]["error"]["code"] == -31003
    await until(lambda: "notifications/cancelled" in server.methods())
    assert len(w.live.older.parked) == 0


async def test_a_call_whose_policy_changed_meanwhile_is_judged_again_when_it_comes_back():
    w = world(asking(), ALLOW_ALL, ALLOW_SERVER)
    state = await asked(w)

    w.allow({**ALLOW_ALL, "match": {"tools": ["other"]}})
    retry = {**CALL, "requestState": state, "inputResponses": ACCEPT}
    answer = await w.modern("tools/call", retry, meta=CAN_ALL)

    assert body(answer)["error"]["code"] in (-31003, -32602)


async def test_a_server_that_never_ends_its_answer_to_initialize_is_given_up(monkeypatch):
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.opening.TIMEOUT", 0.05)
    never = asyncio.get_running_loop().create_future()
    server = asking()
    w = world(lambda said: sse_answer(never) if b'"initialize"' in said.body else server(said))

    answer = await w.modern("tools/call", CALL)

    assert (answer.status, body(answer)["error"]["code"]) == (400, -32600)
    assert w.upstream.exchanges[-1].closed


async def test_a_server_that_says_too_much_to_initialize_is_given_up():
    server = asking()
    server.capabilities = {"tools": {}, "experimental": {"x": {"x": "x" * 300_000}}}
    w = world(server)

    answer = await w.modern("tools/call", CALL)

    assert (answer.status, body(answer)["error"]["code"]) == (400, -32600)
    assert len(w.live.older.sessions) == 0


async def test_a_session_that_the_server_opened_and_did_not_let_begin_is_ended():
    server = asking()
    w = world(
        lambda said: OutboundFailed("connect") if b"initialized" in said.body else server(said)
    )

    answer = await w.modern("tools/call", CALL)

    assert (answer.status, body(answer)["error"]["code"]) == (502, -31010)
    await until(lambda: server.sessions == set())


async def test_sessions_of_one_person_are_bounded():
    server = LegacyServer({"tools/call": lambda _: {"content": []}})
    w = world(server)

    for number in range(20):
        meta: dict[str, Any] = {DECLARED: {"experimental": {str(number): {}}}}
        await w.modern("tools/call", CALL, meta=meta)

    assert len(w.live.older.sessions) == 16
    await until(lambda: server.methods().count("DELETE") == 4)


async def test_sessions_that_one_person_opens_at_the_same_time_are_bounded_too(
    monkeypatch: pytest.MonkeyPatch,
):
    w = world(LegacyServer({"tools/call": lambda _: {"content": []}}))
    send, let = w.upstream.send, asyncio.Event()

    async def slow(sent: Outgoing) -> Exchange:
        if b'"initialize"' in sent.body:
            await let.wait()
        return await send(sent)

    monkeypatch.setattr(w.upstream, "send", slow)
    calls = [
        asyncio.create_task(
            w.modern("tools/call", CALL, meta={DECLARED: {"experimental": {n: {}}}})
        )
        for n in map(str, range(20))
    ]
    await until(lambda: len(w.live.older._opening) == 16)
    let.set()
    answers = [body(answer) for answer in await asyncio.gather(*calls)]

    assert [one["error"]["code"] for one in answers if "error" in one] == [-31006] * 4
    assert len(w.live.older.sessions) == 16


# -- tasks -------------------------------------------------------------------------------------

MADE = {"taskId": "t1", "status": "input_required", "ttl": None}
QUESTION = {
    "message": "a secret?", "requestedSchema": {},
    "_meta": {"io.modelcontextprotocol/related-task": {"taskId": "t1"}},
}  # fmt: skip


def making_tasks(*asked: Any) -> LegacyServer:
    """Return a server whose tool is a task that asks these things."""
    tool = {"name": "a", "inputSchema": {}, "execution": {"taskSupport": "required"}}
    return LegacyServer(
        {
            "tools/list": lambda _: {"tools": [tool]},
            "tools/call": lambda _: {"task": MADE},
            "tasks/get": lambda _: MADE,
            "tasks/result": lambda _: list(asked),
        },
        capabilities={"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}},
    )


async def asked_of_alice(*asked: Any) -> tuple[World, LegacyServer, Any]:
    """Return a task of alice's, and how she is shown it."""
    server = making_tasks(*asked)
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    await w.modern("tools/call", {"name": "a", "arguments": {}}, meta=EXTENDED)
    return w, server, body(await w.modern("tasks/get", {"taskId": "t1"}, meta=EXTENDED))


async def test_the_store_never_sees_what_a_task_asks_or_the_servers_session() -> None:
    w, _, shown = await asked_of_alice(asks("elicitation/create", QUESTION))

    rows = await w.live.store.scan("mcp-older-tasks", "", limit=9)

    assert shown["result"]["inputRequests"]
    assert len(rows) == 2
    assert not any(b"secret" in row.value or b"up-1" in row.value for row in rows)


async def test_a_server_hangs_no_question_on_a_task_that_it_never_made() -> None:
    foreign = {**QUESTION, "_meta": {"io.modelcontextprotocol/related-task": {"taskId": "t2"}}}
    w, server, shown = await asked_of_alice(asks("elicitation/create", foreign))

    rows = await w.live.store.scan("mcp-older-tasks", "", limit=9)

    assert shown["result"]["status"] == "working"
    assert (len(rows), server.answered) == (1, {})


async def test_rows_of_a_task_are_good_for_no_other_row_and_no_other_person() -> None:
    w, server, shown = await asked_of_alice(asks("elicitation/create", QUESTION))
    (name,) = shown["result"]["inputRequests"]
    before = len(server.said)
    rows = await w.live.store.scan("mcp-older-tasks", "", limit=9)
    for row, into in zip(rows, reversed(rows), strict=True):
        await w.live.store.put("mcp-older-tasks", into.key, row.value, expires=None)

    params = {"taskId": "t1", "inputResponses": {name: {"action": "decline"}}}
    hers = body(await w.modern("tasks/update", params, meta=EXTENDED))
    his = body(await w.modern("tasks/update", params, meta=EXTENDED, token="bob"))

    assert ("error" in hers, "error" in his) == (True, True)
    assert len(server.said) == before


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [("tools/call", CALL, None), ("tools/call", CALL, -32000), ("server/discover", {}, -32602)],
)
async def test_one_odd_client_does_not_take_the_2026_era_from_all_others(
    method: str, params: Any, code: int | None
):
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "odd"}}
    refusal = json_answer(b"" if code is None else error, status=400)
    older, newer = LegacyServer({}), ModernServer({"tools/call": lambda _: {"content": []}})
    odd = {"io.modelcontextprotocol/clientInfo": {"name": "odd"}}

    def script(sent: Outgoing) -> ScriptedExchange:
        if sent_header(sent, "mcp-protocol-version") != "2026-07-28":
            return older(sent)
        return refusal if b'"odd"' in sent.body else newer(sent)

    w = world(script)

    answer = await w.modern(method, params, meta=odd)
    others = await w.modern("tools/call", CALL)

    assert answer.status == 400
    assert body(others)["result"]["content"] == []
    assert older.methods() == []


async def test_nothing_of_a_task_is_said_to_a_server_that_its_route_leads_to_now() -> None:
    gate = asyncio.get_running_loop().create_future()
    stream = sse_answer(
        b": alive\n\n", gate, asks("ping", {}, request_id="p"),
        asks("tasks/get", QUESTION, request_id=7),
    )  # fmt: skip
    server = making_tasks()
    server.answers = {**server.answers, "tasks/result": lambda _: stream}
    w = world(server, ALLOW_ALL, ALLOW_SERVER)
    await w.modern("tools/call", {"name": "a", "arguments": {}}, meta=EXTENDED)
    await w.modern("tasks/get", {"taskId": "t1"}, meta=EXTENDED)
    said = len(w.upstream.sent)

    moved = live_route((ALLOW_ALL, ALLOW_SERVER))
    elsewhere = Upstream(url="http://elsewhere.internal/mcp")
    route = moved.route.model_copy(update={"upstream": elsewhere})
    object.__setattr__(w.live, "routes", {(ORIGIN, PATH): replace(moved, route=route)})
    gate.set_result(None)
    await until(lambda: stream.closed)

    assert len(w.upstream.sent) == said


@pytest.mark.parametrize("upstream", [Upstream(url="http://elsewhere.internal/mcp"), None])
async def test_no_session_is_ended_at_a_server_that_its_route_leads_to_no_more(
    upstream: Upstream | None,
) -> None:
    server = LegacyServer({"tools/call": lambda _: {"content": []}})
    w = world(server)
    await w.modern("tools/call", CALL)
    (opened,) = w.live.older.sessions._things.values()
    said = len(w.upstream.sent)

    moved = live_route((ALLOW_ALL,))
    route = moved.route.model_copy(update={"upstream": upstream})
    object.__setattr__(w.live, "routes", {(ORIGIN, PATH): replace(moved, route=route)})
    await opened.end()

    assert len(w.upstream.sent) == said
