"""Rules 4 and 5, pitfall 19: arrays of 2025-03-26, each message on its own, in both directions."""

import asyncio
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
    header,
    initialize,
    json_answer,
    modern_headers,
    next_said,
    request,
    result,
    sse_answer,
    world,
)
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.pipeline.answer import Answer

READ = {**ALLOW_ALL, "match": {"tools": ["read_*"]}}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(name: str, request_id: Any) -> dict[str, Any]:
    return request("tools/call", {"name": name}, request_id=request_id)


def answered(sent: Outgoing) -> ScriptedExchange:
    """Answer each call with the tool's name."""
    said = json.loads(sent.body) if sent.body else {}
    if "id" not in said or "method" not in said:
        return ScriptedExchange(202, {}, [])
    return json_answer(answer_of(said))


def answer_of(said: Mapping[str, Any]) -> dict[str, Any]:
    return result({"content": [], "tool": said["params"]["name"]}, request_id=said["id"])


async def opened(w: World, version: str = "2025-03-26") -> str:
    session = await w.session(version=version)
    w.upstream.sent.clear()
    w.log.records.clear()
    return session


async def post(w: World, session: str, messages: Any) -> Answer:
    return await w.send(messages, headers=(("mcp-session-id", session),))


async def test_each_message_of_a_batch_is_said_alone_and_answered_in_order() -> None:
    w = world(answered)
    session = await opened(w)

    answer = await post(w, session, [call("a", 7), INITIALIZED, call("b", "7")])

    assert (answer.status, header(answer, "content-type")) == (200, "application/json")
    assert [(one["id"], one["result"]["tool"]) for one in body(answer)] == [(7, "a"), ("7", "b")]
    said = [json.loads(sent.body) for sent in w.upstream.sent]
    assert said == [call("a", 7), INITIALIZED, call("b", "7")]


async def test_a_forbidden_message_of_a_batch_becomes_an_error_and_the_others_go_on() -> None:
    w = world(answered, READ)
    session = await opened(w)

    answer = await post(w, session, [call("read_a", 1), call("drop", 2), call("read_b", 3)])

    first, denied, last = body(answer)
    assert (first["id"], denied["id"], last["id"]) == (1, 2, 3)
    assert denied["error"]["code"] == -32602
    assert [one["result"]["tool"] for one in (first, last)] == ["read_a", "read_b"]
    assert [json.loads(s.body)["params"]["name"] for s in w.upstream.sent] == ["read_a", "read_b"]


async def test_each_message_of_a_batch_has_a_record_of_its_own_that_names_the_batch() -> None:
    w = world(answered, READ)
    session = await opened(w)

    await post(w, session, [call("read_a", 1), call("drop", 2)])

    assert w.log.words() == [("decision", "allow"), ("outcome", "ok"), ("decision", "deny")]
    decisions = [record for record in w.log.records if record.kind == "decision"]
    assert len({record.id for record in decisions}) == 2
    assert len({record.facts["batch"] for record in decisions}) == 1


async def test_each_message_of_a_batch_is_charged() -> None:
    w = world(answered, {**READ, "rateLimit": {"requests": 2, "per": "1h", "by": ["user"]}})
    session = await opened(w)

    answer = await post(w, session, [call("read_a", number) for number in range(3)])

    assert ["result" in one for one in body(answer)] == [True, True, False]
    assert body(answer)[2]["error"]["code"] == -31006


async def test_a_batch_of_notifications_is_202_and_one_that_is_refused_says_so() -> None:
    w = world(answered)
    session = await opened(w)

    taken = await post(w, session, [INITIALIZED, INITIALIZED])
    unknown = {**INITIALIZED, "method": "made/up"}
    refused = await post(w, session, [INITIALIZED, unknown])
    w.upstream.script = lambda _: ScriptedExchange(400, {}, [])
    mixed = [await post(w, session, [INITIALIZED, unknown][::way]) for way in (1, -1)]

    assert (taken.status, taken.body, refused.status, refused.body) == (202, b"", 403, b"")
    assert [one.status for one in mixed] == [400, 403]  # the first that was refused says it
    assert len(w.upstream.sent) == 5


async def test_a_batch_of_responses_answers_what_the_server_asked() -> None:
    asked = [{"jsonrpc": "2.0", "id": n, "method": "roots/list"} for n in ("s1", "s2")]
    w = world(
        lambda sent: (
            sse_answer(*asked, answer_of(json.loads(sent.body)))
            if b"tools/call" in sent.body
            else ScriptedExchange(202, {}, [])
        ),
        ALLOW_ALL,
        ALLOW_SERVER,
    )
    session = await opened(w)
    await drained(await post(w, session, call("a", 1)))
    answers = [result({"roots": []}, request_id=n) for n in ("s1", "s2")]

    first = await post(w, session, answers)
    again = await post(w, session, answers)

    assert (first.status, again.status) == (202, 400)
    assert [json.loads(sent.body) for sent in w.upstream.sent[1:]] == answers


WRONG: dict[str, Any] = {
    "nothing": [],
    "initialize": [initialize("2025-03-26")],
    "too many": [call("a", number) for number in range(65)],
    "two of one id": [call("a", 1), call("b", 1)],
    "requests and responses": [call("a", 1), result({}, request_id=9)],
    "no message": [call("a", 1), 5],
    "a batch in a batch": [call("a", 1), [call("b", 2)]],
    "a message in doubt": [call("a", 1), {**call("b", 2), "ID": 3}],
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_no_batch_is_refused_whole(name: str) -> None:
    w = world(answered)
    session = await opened(w)

    answer = await post(w, session, WRONG[name])

    assert (answer.status, body(answer)["error"]["code"], w.upstream.sent) == (400, -32600, [])
    assert len(w.log.records) == 1


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
async def test_later_revisions_have_no_batches(version: str) -> None:
    w = world(answered)
    session = await opened(w, version)

    answer = await post(w, session, [call("a", 1)])

    assert (answer.status, body(answer)["error"]["code"], w.upstream.sent) == (400, -32600, [])


@pytest.mark.parametrize("headers", [(), modern_headers("tools/call", {"name": "a"})])
async def test_without_a_session_there_are_no_batches(headers: Any) -> None:
    w = world(answered)

    for messages in ([call("a", 1)], [initialize("2025-03-26")]):
        answer = await w.send(messages, headers=headers)
        assert (answer.status, body(answer)["error"]["code"], w.upstream.sent) == (400, -32600, [])


async def test_a_batch_is_a_stream_from_the_first_answer_that_is_one() -> None:
    held = asyncio.get_running_loop().create_future()
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}

    def script(sent: Outgoing) -> ScriptedExchange:
        said = json.loads(sent.body)
        if said["params"]["name"] == "slow":
            return sse_answer(progress, held, answer_of(said))
        return answered(sent)

    w = world(script)
    session = await opened(w)

    answer = await post(w, session, [call("a", 1), call("slow", 2), call("b", 3)])

    assert header(answer, "content-type") == "text/event-stream"
    assert not isinstance(answer.body, bytes)
    pieces = aiter(answer.body)
    early = [*events(await next_said(pieces)), *events(await next_said(pieces))]
    assert [one.get("id") for one in early] == [1, None]
    held.set_result(None)
    late = [one for piece in [piece async for piece in pieces] for one in events(piece)]
    assert [one["id"] for one in late] == [2, 3]


async def test_large_answers_to_a_batch_leave_one_by_one_and_none_is_asked_for_before() -> None:
    padding = "x" * (600 * 1024)

    def script(sent: Outgoing) -> ScriptedExchange:
        said = json.loads(sent.body)
        return json_answer(result({"content": [], "padding": padding}, request_id=said["id"]))

    w = world(script)
    session = await opened(w)

    answer = await post(w, session, [call("a", number) for number in range(8)])
    begun = len(w.upstream.sent)

    told = events(await drained(answer))
    assert begun == 2
    assert [(one["id"], len(one["result"]["padding"])) for one in told] == [
        (number, len(padding)) for number in range(8)
    ]


async def test_what_is_left_of_a_batch_that_took_too_long_is_refused_and_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, passed = asyncio.get_running_loop(), [0.0]
    tick = loop.time
    monkeypatch.setattr(loop, "time", lambda: tick() + passed[0])

    def script(sent: Outgoing) -> ScriptedExchange:
        passed[0] = 300.0
        return answered(sent)

    w = world(script)
    session = await opened(w)

    told = body(await post(w, session, [call("slow", 1), call("b", "two"), call("c", 3)]))

    assert [(one["id"], one.get("error", {}).get("code")) for one in told] == [
        (1, None), ("two", -31011), (3, -31011),
    ]  # fmt: skip
    assert len(w.upstream.sent) == 1
    refused = [one.facts["code"] for one in w.log.records if one.facts.get("decision") == "deny"]
    assert refused == ["UpstreamTimeout"] * 2


async def test_what_is_left_of_a_batch_is_refused_once_the_grant_is_revoked() -> None:
    def script(sent: Outgoing) -> ScriptedExchange:
        w.doors.grants.clear()
        return answered(sent)

    w = world(script)
    session = await opened(w)

    answer = await post(w, session, [call("a", 1), call("b", 2)])

    assert [(one["id"], one.get("error", {}).get("code")) for one in body(answer)] == [
        (1, None), (2, -31002),
    ]  # fmt: skip
    assert len(w.upstream.sent) == 1


async def test_a_batch_goes_on_although_its_client_went_away() -> None:
    held = asyncio.get_running_loop().create_future()

    def script(sent: Outgoing) -> ScriptedExchange:
        said = json.loads(sent.body)
        return sse_answer(held, answer_of(said)) if said["id"] == 1 else answered(sent)

    w = world(script)
    session = await opened(w)
    answer = await post(w, session, [call("a", 1), call("b", 2)])
    assert not isinstance(answer.body, bytes)

    await answer.body.abandon()
    held.set_result(None)
    await w.live.streams.settle(5)

    assert [json.loads(sent.body)["id"] for sent in w.upstream.sent] == [1, 2]
    assert [word for word in w.log.words() if word[0] == "outcome"] == [("outcome", "ok")] * 2


async def test_a_batch_whose_client_left_before_its_head_goes_on_too() -> None:
    held = asyncio.get_running_loop().create_future()

    class Late(ScriptedExchange):
        async def body(self, limit: int) -> bytes:
            await held
            return await super().body(limit)

    def script(sent: Outgoing) -> ScriptedExchange:
        whole = answered(sent)
        return Late(whole.status, whole.headers, whole.parts)

    w = world(script)
    session = await opened(w)
    sending = asyncio.create_task(post(w, session, [call("a", 1), call("b", 2)]))
    while not w.upstream.sent:
        await asyncio.sleep(0)

    sending.cancel()
    held.set_result(None)
    await w.live.streams.settle(5)

    assert [json.loads(sent.body)["id"] for sent in w.upstream.sent] == [1, 2]


async def test_an_array_of_a_server_is_judged_message_by_message() -> None:
    asked = {"jsonrpc": "2.0", "id": "s1", "method": "sampling/createMessage", "params": {}}
    made_up = {"jsonrpc": "2.0", "method": "notifications/made_up"}
    logged = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x"}}

    def script(sent: Outgoing) -> ScriptedExchange:
        if b"tools/call" not in sent.body:
            return ScriptedExchange(202, {}, [])
        array = json.dumps([asked, made_up, logged, answer_of(json.loads(sent.body))]).encode()
        return sse_answer(b"id: e1\nevent: message\ndata: " + array + b"\n\n")

    w = world(script)
    session = await opened(w)

    said = await drained(await post(w, session, call("a", 1)))

    assert events(said) == [logged, answer_of(call("a", 1))]
    told = json.loads(w.upstream.sent[1].body)
    assert (told["id"], told["error"]["code"]) == ("s1", -31003)
    assert said.count(b"\nid: ") + said.startswith(b"id: ") == 1
    assert said.rindex(b"id: ") > said.index(b"notifications/message")


async def test_an_answer_in_an_array_of_its_own_is_the_answer() -> None:
    w = world(lambda sent: json_answer([answer_of(json.loads(sent.body))]))
    session = await opened(w)

    assert body(await post(w, session, call("a", 1))) == answer_of(call("a", 1))


@pytest.mark.parametrize("more", [{"jsonrpc": "2.0", "id": "s1", "method": "ping"}, 5])
async def test_an_array_that_is_more_than_the_answer_is_an_invalid_answer(more: Any) -> None:
    w = world(lambda sent: json_answer([more, answer_of(json.loads(sent.body))]))
    session = await opened(w)

    answer = await post(w, session, call("a", 1))

    assert body(answer)["error"]["code"] == -31012


async def test_later_revisions_take_no_array_from_a_server() -> None:
    w = world(lambda sent: json_answer([answer_of(json.loads(sent.body))]))
    session = await opened(w, "2025-06-18")

    assert body(await post(w, session, call("a", 1)))["error"]["code"] == -31012
