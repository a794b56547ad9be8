"""Attacks by servers of 2026-07-28 on legacy clients, and by those on everybody else there."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    ORIGIN,
    PATH,
    Script,
    ScriptedExchange,
    World,
    body,
    drained,
    events,
    initialize,
    initialized,
    json_answer,
    live_route,
    next_said,
    request,
    result,
    sent_header,
    sse_answer,
    world,
)
from newer_parts import REFUSAL, ModernServer, call, in_session, opening
from ostiary.config.document import Upstream
from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.pipeline import allowance
from ostiary_proxy.pipeline.bridge.newer import speaking
from ostiary_proxy.store.port import StoreUnavailable

DONE = {"resultType": "complete", "content": []}
ASKS = request("sampling/createMessage", {"messages": [], "maxTokens": 1}, request_id=9)


def batch(*messages: Any) -> bytes:
    return b"data: " + json.dumps(messages).encode() + b"\n\n"


# -- what is a message to some clients and to no server ----------------------------------------


@pytest.mark.parametrize("message", [ASKS, result({**DONE, "ttlMs": 1})])
async def test_an_array_reaches_no_client_that_could_read_messages_in_it(message: Any) -> None:
    said = sse_answer(batch(message), result(DONE))
    w, session = await opening(
        ModernServer({"tools/call": lambda _: said}), ALLOW_ALL, ALLOW_SERVER, version="2025-03-26"
    )

    (last,) = events(await drained(await call(w, session)))

    assert last["error"]["code"] == -31012
    assert "server-message" not in [kind for kind, _ in w.log.words()]


async def test_an_array_on_a_get_stream_reaches_no_client_either() -> None:
    said = sse_answer(batch(ASKS))
    w, session = await opening(
        ModernServer({"subscriptions/listen": lambda _: said}),
        ALLOW_ALL, ALLOW_SERVER, version="2025-03-26",
    )  # fmt: skip

    stream = await w.send(method="GET", headers=in_session(session))

    assert events(await drained(stream)) == []
    assert w.log.words()[-2:] == [("server-message", "drop"), ("outcome", "ok")]


async def test_an_array_as_a_whole_answer_is_none() -> None:
    said = json_answer([result({**DONE, "ttlMs": 1})])
    w, session = await opening(ModernServer({"tools/call": lambda _: said}), version="2025-03-26")

    answer = await call(w, session)

    assert body(answer)["error"]["code"] == -31012


async def test_a_later_round_is_not_answered_under_the_clients_own_id() -> None:
    untold = {**DONE, "inputRequests": {"q": {"method": "sampling/createMessage"}}}

    def reply(message: dict[str, Any]) -> Any:
        if "requestState" in message["params"]:
            return sse_answer(result(untold))
        return {"resultType": "input_required", "requestState": "S"}

    w, session = await opening(ModernServer({"tools/call": reply}), ALLOW_ALL, ALLOW_SERVER)

    (last,) = events(await drained(await call(w, session)))

    assert last["error"]["code"] == -31010


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (json_answer(result(DONE), status=500), -31010),
        (json_answer(result(DONE), status=400), -31014),
        (ScriptedExchange(200, {"content-type": "text/html"}, [b'{"jsonrpc":"2.0"}']), -31012),
        (json_answer(b'{"jsonrpc":"2.0","id":1,"result":{"content":["\xff"]}}'), -31012),
    ],
)
async def test_what_is_no_answer_natively_is_none_across_the_eras(
    said: ScriptedExchange, code: int
) -> None:
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))

    answer = await call(w, session)

    assert body(answer)["error"]["code"] == code


@pytest.mark.parametrize(
    ("status", "content", "code"), [(200, b'["\xff"]', -31012), (500, b"[]", -31010)]
)
async def test_nor_is_it_one_in_a_later_round(status: int, content: bytes, code: int) -> None:
    def reply(message: dict[str, Any]) -> Any:
        if "requestState" not in message["params"]:
            return {"resultType": "input_required", "requestState": "S"}
        own = json.dumps(message["id"]).encode()
        said = b'{"jsonrpc":"2.0","id":' + own + b',"result":{"content":' + content + b"}}"
        return json_answer(said, status=status)

    w, session = await opening(ModernServer({"tools/call": reply}))

    (last,) = events(await drained(await call(w, session)))

    assert last["error"]["code"] == code


# -- questions of our own ----------------------------------------------------------------------


async def test_a_server_that_tells_without_end_keeps_no_client_waiting_for_its_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speaking, "_PATIENCE", 0.05)
    said = sse_answer(request("ping"), asyncio.get_running_loop().create_future())
    w = world(ModernServer({"server/discover": lambda _: said}))

    answer = await w.send(initialize())

    assert body(answer)["error"] == REFUSAL
    assert said.closed


async def test_a_question_of_ours_whose_answer_breaks_off_is_not_answered() -> None:
    said = sse_answer(request("ping"), OutboundFailed("closed"))
    w = world(ModernServer({"server/discover": lambda _: said}))

    answer = await w.send(initialize())

    assert body(answer)["error"] == REFUSAL
    assert w.log.words()[-1] == ("outcome", "error")


# -- what the gateway takes a server for -------------------------------------------------------


def speaking_both(refusal: ScriptedExchange, opened: list[str]) -> Script:
    """Return a server of both eras that refuses an initialize which does not name its client."""
    newer = ModernServer()

    def script(sent: Outgoing) -> ScriptedExchange:
        if sent_header(sent, "mcp-protocol-version") == "2026-07-28":
            return newer(sent)
        if sent.method == "DELETE":
            opened.remove(str(sent_header(sent, "mcp-session-id")))
            return ScriptedExchange(204, {}, [])
        message = json.loads(sent.body)
        if "name" not in message["params"]["clientInfo"]:
            return refusal
        opened.append(message["params"]["clientInfo"]["name"])
        return json_answer({**initialized(), "id": message["id"]}, mcp_session_id=opened[-1])

    return script


def refused(code: int, status: int) -> ScriptedExchange:
    error = {"code": code, "message": "not so"}
    return json_answer({"jsonrpc": "2.0", "id": 1, "error": error}, status=status)


@pytest.mark.parametrize(
    "refusal",
    [
        refused(-32602, 200),
        refused(-32022, 400),
        ScriptedExchange(413, {}, []),
        ScriptedExchange(400, {}, []),
    ],
)
async def test_one_odd_client_does_not_take_the_legacy_era_from_all_others(
    refusal: ScriptedExchange,
) -> None:
    opened: list[str] = []
    w = world(speaking_both(refusal, opened))
    odd = initialize()

    answer = await w.send({**odd, "params": {**odd["params"], "clientInfo": {}}})
    others = await w.send(odd)

    assert "error" in body(answer)
    assert body(others) == initialized()
    assert opened == ["t"]


@pytest.mark.parametrize("busy", [ScriptedExchange(429, {}, []), refused(-32000, 200)])
async def test_a_server_that_opens_no_more_sessions_for_now_is_asked_again(
    busy: ScriptedExchange,
) -> None:
    newer, idle = ModernServer(), json_answer(initialized())
    now = [busy, idle]
    w = world(
        lambda sent: (
            newer(sent) if sent_header(sent, "mcp-protocol-version") == "2026-07-28" else now[0]
        )
    )

    bridged = await w.send(initialize())
    now.pop(0)
    natively = await w.send(initialize())

    assert body(bridged)["result"]["serverInfo"] == {"name": "s", "version": "1"}
    assert body(natively) == initialized()


# -- what changes meanwhile --------------------------------------------------------------------


def move(w: World) -> None:
    """Let the route lead to another server."""
    moved = live_route((ALLOW_ALL, ALLOW_SERVER))
    elsewhere = Upstream(url="http://elsewhere.internal/mcp")
    route = moved.route.model_copy(update={"upstream": elsewhere})
    object.__setattr__(w.live, "routes", {(ORIGIN, PATH): replace(moved, route=route)})
    w.live.streams.wake()


async def test_a_call_that_waited_goes_on_at_no_server_that_its_route_led_to_before() -> None:
    wants = {"resultType": "input_required", "inputRequests": {"r": {"method": "roots/list"}}}
    w, session = await opening(
        ModernServer({"tools/call": lambda _: wants}),
        ALLOW_ALL, ALLOW_SERVER, capabilities={"roots": {}},
    )  # fmt: skip
    answer = await call(w, session)
    assert not isinstance(answer.body, bytes)
    (question,) = events(await next_said(answer.body))
    said = len(w.upstream.sent)

    move(w)
    await w.send(result({"roots": []}, request_id=question["id"]), headers=in_session(session))
    (last,) = events(await drained(answer))

    assert last["error"]["code"] == -31010
    assert len(w.upstream.sent) == said


async def test_a_task_is_asked_about_at_no_server_that_its_route_led_to_before() -> None:
    working = {"taskId": "t", "status": "working", "pollIntervalMs": 1, "ttlMs": None}
    server = ModernServer(
        {
            "tools/call": lambda _: {**working, "resultType": "task"},
            "tasks/get": lambda _: {**working, "resultType": "complete"},
        }
    )
    w, session = await opening(server)
    await w.legacy(session, "tools/call", {"name": "a", "task": {}})
    answer = await w.legacy(session, "tasks/result", {"taskId": "t"})
    said = len(w.upstream.sent)

    move(w)
    (last,) = events(await drained(answer))

    assert last["error"]["code"] == -31010
    assert len(w.upstream.sent) == said


async def test_each_round_lets_go_of_the_one_before_and_the_call_of_all_connections() -> None:
    states = iter("ST")
    rounds: list[ScriptedExchange] = []
    held: list[int] = []

    @contextmanager
    def borrowed() -> Iterator[None]:
        held.append(len(rounds))
        yield
        held.remove(held[0])

    def reply(message: dict[str, Any]) -> Any:
        assert all(one.closed for one in rounds)
        if (state := next(states, None)) is None:
            return {**DONE, "content": held}
        again = {"resultType": "input_required", "requestState": state}
        said = result(again, request_id=message["id"])
        rounds.append(sse_answer(said, asyncio.get_running_loop().create_future()))
        return rounds[-1]

    w, session = await opening(ModernServer({"tools/call": reply}))
    object.__setattr__(w.live, "borrowed", borrowed)

    (last,) = events(await drained(await call(w, session)))

    assert last["result"]["content"] == [1, 2]
    assert held == []


async def test_a_get_stream_is_opened_anew_at_no_server_that_its_route_led_to_before() -> None:
    silent = sse_answer(asyncio.get_running_loop().create_future())
    w, session = await opening(ModernServer({"subscriptions/listen": lambda _: silent}))
    answer = await w.send(method="GET", headers=in_session(session))
    assert not isinstance(answer.body, bytes)
    reading = asyncio.create_task(drained(answer))
    await asyncio.sleep(0)
    said = len(w.upstream.sent)

    move(w)
    await w.legacy(session, "resources/subscribe", {"uri": "file:///a"})
    await reading

    assert len(w.upstream.sent) == said
    assert silent.closed


async def test_a_get_stream_that_the_store_does_not_know_is_closed_at_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = sse_answer(asyncio.get_running_loop().create_future())
    w, session = await opening(ModernServer({"subscriptions/listen": lambda _: silent}))

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(w.live.store, "put", away)
    answer = await w.send(method="GET", headers=in_session(session))

    assert answer.status == 503
    assert silent.closed


async def test_calls_of_one_id_are_let_go_of_one_by_one() -> None:
    let, never = (asyncio.get_running_loop().create_future() for _ in range(2))
    said = [sse_answer(b": x\n\n", let, result(DONE)), sse_answer(b": x\n\n", never)]
    coming = iter(said)
    w, session = await opening(ModernServer({"tools/call": lambda _: next(coming)}))
    first, second = [asyncio.create_task(drained(await call(w, session))) for _ in range(2)]
    let.set_result(None)
    await first

    await w.send(method="DELETE", headers=in_session(session))

    (last,) = events(await second)
    assert last["error"]["code"] == -31008
    assert said[1].closed


async def test_an_answer_that_finds_no_room_leaves_no_call_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(allowance, "_BOUNDS", ((90_000.0, 8192),))
    wants = {"resultType": "input_required", "inputRequests": {"r": {"method": "roots/list"}}}
    w, session = await opening(
        ModernServer({"tools/call": lambda _: wants}),
        ALLOW_ALL, ALLOW_SERVER, capabilities={"roots": {}},
    )  # fmt: skip
    answer = await call(w, session)
    assert not isinstance(answer.body, bytes)
    (question,) = events(await next_said(answer.body))

    reply = result({"roots": [], "more": "x" * 9000}, request_id=question["id"])
    refused = await w.send(reply, headers=in_session(session))
    (last,) = events(await drained(answer))

    assert (refused.status, last["error"]["code"]) == (429, -31015)
