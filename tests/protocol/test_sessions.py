"""Rules 7, 10, 29, 31, 33, pitfalls 3 to 8: sessions, notifications, GET and DELETE of 2025."""

import asyncio
import json

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    CREDENTIAL,
    ScriptedExchange,
    body,
    drained,
    event,
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
from ostiary_proxy.outbound.exchange import OutboundFailed

REFUSED = {
    "another version": lambda: json_answer(initialized("2024-11-05"), mcp_session_id="up-1"),
    "another version in a stream": lambda: sse_answer(
        initialized("2024-11-05"), mcp_session_id="up-1"
    ),
    "an error": lambda: json_answer(
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no"}},
        mcp_session_id="up-1",
    ),
    "garbage": lambda: json_answer(b"hello", mcp_session_id="up-1"),
    "a page": lambda: ScriptedExchange(
        200, {"content-type": "text/html", "mcp-session-id": "up-1"}, [b"<html>"]
    ),
}


def told(method, **params):
    return {"jsonrpc": "2.0", "method": method, "params": params}


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
@pytest.mark.parametrize("answer", [json_answer, sse_answer])
async def test_initialize_opens_a_session_under_an_id_of_ours(version, answer):
    w = world(lambda _: answer(initialized(version), mcp_session_id="up-1"))

    opened = await w.send(initialize(version))

    session = header(opened, "mcp-session-id")
    assert opened.status == 200
    assert session.isascii()
    assert session.isprintable()
    assert "up-1" not in session
    await w.legacy(session, "tools/list")
    assert sent_header(w.upstream.sent[1], "mcp-session-id") == "up-1"
    assert sent_header(w.upstream.sent[1], "mcp-protocol-version") == version


@pytest.mark.parametrize("answer", [json_answer, sse_answer])
async def test_a_version_that_is_not_served_with_initialize_is_named(answer):
    w = world(lambda _: answer(initialized("2024-11-05"), mcp_session_id="up-1"))

    opened = await w.send(initialize("2024-11-05"))

    assert isinstance(opened.body, bytes)
    said = body(opened) if opened.body[:1] == b"{" else events(opened.body)[0]
    assert said["error"]["code"] == -32602
    assert "2025-03-26, 2025-06-18, 2025-11-25" in said["error"]["message"]
    assert header(opened, "mcp-session-id") is None


async def test_a_server_without_sessions_gets_none_while_the_client_has_one():
    w = world(lambda _: json_answer(initialized()))

    session = header(await w.send(initialize()), "mcp-session-id")
    w.upstream.script = lambda _: json_answer(result({"tools": []}))
    answer = await w.legacy(session, "tools/list")

    assert (answer.status, sent_header(w.upstream.sent[1], "mcp-session-id")) == (200, None)


async def test_a_request_without_session_is_400_and_with_an_unknown_one_404():
    w = world()

    without = await w.send(request("tools/list"))
    unknown = await w.legacy("made-up", "tools/list")

    assert (without.status, unknown.status, w.upstream.sent) == (400, 404, [])


async def test_a_version_header_that_differs_from_the_session_is_400():
    w = world()
    session = await w.session(version="2025-06-18")

    for version in ("2025-11-25", "2025-03-26", "bogus"):
        headers = (("mcp-session-id", session), ("mcp-protocol-version", version))
        assert (await w.send(request("ping"), headers=headers)).status == 400


async def test_a_session_id_in_another_spelling_is_unknown():
    w = world()
    session = await w.session()

    for spelled in (session + "=", session.swapcase(), session[:-1], session + "A", "x" * 5000):
        assert (await w.legacy(spelled, "ping")).status == 404


async def test_a_session_is_too_old_after_a_day():
    w = world()
    session = await w.session()
    w.doors.grants["alice"] = w.doors.grants["alice"].__class__(
        grant=w.doors.grants["alice"].grant, jti="j", expires=1e9
    )
    w.now[0] += 24 * 3600

    assert (await w.legacy(session, "ping")).status == 404


async def test_a_notification_is_202_with_nothing_in_it():
    w = world(lambda _: ScriptedExchange(202, {}, []))
    session = await w.session()

    answer = await w.send(told("notifications/initialized"), headers=(("mcp-session-id", session),))

    assert (answer.status, answer.body) == (202, b"")
    assert w.log.words()[-2:] == [("decision", "allow"), ("outcome", "ok")]


@pytest.mark.parametrize("name", REFUSED)
async def test_a_session_that_no_client_got_is_ended_upstream(name):
    answers = [REFUSED[name](), ScriptedExchange(200, {}, [])]
    w = world(lambda _: answers.pop(0))

    opened = await w.send(initialize("2025-11-25"))
    await w.live.streams.settle(5)

    assert header(opened, "mcp-session-id") is None
    ended = w.upstream.sent[1]
    assert (ended.method, sent_header(ended, "mcp-session-id"), ended.body) == (
        "DELETE", "up-1", b"",
    )  # fmt: skip
    assert sent_header(ended, "authorization") == f"Bearer {CREDENTIAL}"
    own = [record for record in w.log.records if record.id == "d2"]
    assert [(one.kind, one.facts.get("during"), one.facts.get("outcome")) for one in own] == [
        ("decision", "d1", None),
        ("outcome", None, "ok"),
    ]


@pytest.mark.parametrize("failure", [OutboundFailed("timeout"), ScriptedExchange(401, {}, [])])
async def test_a_session_that_upstream_keeps_to_itself_is_recorded_and_holds_up_nobody(failure):
    answers = [REFUSED["garbage"](), failure]
    w = world(lambda _: answers.pop(0))

    opened = await w.send(initialize("2025-11-25"))
    await w.live.streams.settle(5)

    assert body(opened)["error"]["code"] == -31012
    assert (w.log.records[-1].id, w.log.words()[-1]) == ("d2", ("outcome", "error"))


async def test_an_initialize_that_opened_a_session_ends_none():
    w = world()

    await w.session()
    await w.live.streams.settle(5)

    assert [sent.method for sent in w.upstream.sent] == ["POST"]


async def test_an_unknown_notification_is_refused_without_a_body():
    w = world()
    session = await w.session()

    answer = await w.send(told("notifications/evil"), headers=(("mcp-session-id", session),))

    assert (answer.status, answer.body, len(w.upstream.sent)) == (403, b"", 1)


async def test_delete_ends_the_session_here_and_upstream():
    w = world(lambda _: ScriptedExchange(200, {}, []))
    session = await w.session()
    headers = (("mcp-session-id", session),)

    ended = await w.send(method="DELETE", headers=headers)

    assert ended.status == 204
    assert (w.upstream.sent[-1].method, sent_header(w.upstream.sent[-1], "mcp-session-id")) == (
        "DELETE", "up-1",
    )  # fmt: skip
    count = len(w.upstream.sent)
    for method in ("POST", "GET", "DELETE"):
        data = request("ping") if method == "POST" else b""
        assert (await w.send(data, method=method, headers=headers)).status == 404
    assert len(w.upstream.sent) == count


async def test_a_session_is_ended_although_its_client_went_away_meanwhile():
    held = asyncio.get_running_loop().create_future()

    class Slow(ScriptedExchange):
        async def close(self):
            await held

    w = world(lambda _: Slow(204, {}, []))
    session = await w.session()
    ending = asyncio.create_task(w.send(method="DELETE", headers=(("mcp-session-id", session),)))
    while len(w.upstream.sent) < 2:
        await asyncio.sleep(0)

    ending.cancel()
    await asyncio.wait([ending])
    held.set_result(None)
    await w.live.streams.settle(5)

    assert w.log.words()[-1] == ("outcome", "ok")


async def test_a_session_that_upstream_forgot_is_404_so_that_clients_initialize_again():
    w = world(lambda _: json_answer({}, status=404))
    session = await w.session()

    assert (await w.legacy(session, "ping")).status == 404


async def test_get_without_a_session_is_405():
    w = world()

    answer = await w.send(method="GET")

    assert (answer.status, w.upstream.sent) == (405, [])


async def test_another_http_method_is_405():
    assert (await world().send(method="PUT")).status == 405


async def test_a_get_stream_passes_what_the_server_tells_and_drops_the_rest():
    said = [
        told("notifications/tools/list_changed"),
        told("notifications/tasks/status", taskId="t"),
        result({"replayed": True}),
        told("notifications/resources/updated", uri="file:///b"),
        told("notifications/resources/updated", uri="file:///a"),
    ]
    denied = {"name": "no-b", "effect": "Deny", "match": {"resources": ["file:///b"]}}
    w = world(lambda _: sse_answer(*said), ALLOW_ALL, denied)
    session = await w.session()

    answer = await w.send(method="GET", headers=(("mcp-session-id", session),))

    assert events(await drained(answer)) == [said[0], said[4]]
    assert w.log.words()[-1] == ("outcome", "ok")


async def test_a_get_stream_ends_with_the_token():
    w = world()
    session = await w.session()
    held = asyncio.get_running_loop().create_future()
    w.upstream.script = lambda _: sse_answer(held)

    answer = await w.send(method="GET", headers=(("mcp-session-id", session),))
    w.now[0] = 10_000.0
    w.live.streams.wake()

    assert await drained(answer) == b""
    assert w.log.words()[-1] == ("outcome", "cut")
    assert w.upstream.exchanges[-1].closed


async def test_the_id_of_a_dropped_event_still_passes():
    dropped = event(request("evil/method", {}, request_id=9), event_id="42")
    w = world()
    session = await w.session()
    w.upstream.script = lambda sent: (
        sse_answer(b"id: 41\ndata:\n\n", dropped, event(result({"tools": []}), event_id="43"))
        if sent.method == "POST" and b"tools/list" in sent.body
        else ScriptedExchange(202, {}, [])
    )

    data = await drained(await w.legacy(session, "tools/list"))

    primed, silent, answer, _ = data.decode().split("\n\n")
    assert [line.partition(":")[0] for line in primed.split("\n")] == ["id", "data"]
    assert [line.partition(":")[0] for line in silent.split("\n")] == ["id", "data"]
    assert silent.endswith("data: ")
    assert "id: " in answer


ASK = request("elicitation/create", {"message": "?", "requestedSchema": {}}, request_id="ask-1")


async def asked(w, session):
    """Open a call on which the server asks; return everything the client sees."""
    w.upstream.script = lambda sent: (
        sse_answer(ASK, result({"content": []}))
        if b"tools/call" in sent.body
        else ScriptedExchange(202, {}, [])
    )
    return events(await drained(await w.legacy(session, "tools/call", {"name": "a"})))


async def test_a_server_request_needs_an_allow_that_names_it_else_upstream_is_told():
    w = world()
    session = await w.session()

    seen = await asked(w, session)

    assert seen == [result({"content": []})]
    told_upstream = json.loads(w.upstream.sent[-1].body)
    assert (told_upstream["id"], told_upstream["error"]["code"]) == ("ask-1", -31003)
    assert ("server-message", "drop") in w.log.words()


async def test_a_server_request_gets_exactly_one_answer_from_its_own_session():
    w = world(None, ALLOW_ALL, ALLOW_SERVER)
    session, other = await w.session(), await w.session(token="bob")
    assert await asked(w, session) == [ASK, result({"content": []})]
    reply = result({"action": "accept"}, request_id="ask-1")

    foreign = await w.send(reply, token="bob", headers=(("mcp-session-id", other),))
    stolen = await w.send(reply, token="bob", headers=(("mcp-session-id", session),))
    first = await w.send(reply, headers=(("mcp-session-id", session),))
    second = await w.send(reply, headers=(("mcp-session-id", session),))

    assert [a.status for a in (foreign, stolen, first, second)] == [400, 404, 202, 400]
    assert sum(b"accept" in sent.body for sent in w.upstream.sent) == 1


async def test_a_reply_is_refused_once_policy_forbids_the_request():
    w = world(None, ALLOW_ALL, ALLOW_SERVER)
    session = await w.session()
    await asked(w, session)
    w.allow(ALLOW_ALL)

    answer = await w.send(
        result({"action": "accept"}, request_id="ask-1"), headers=(("mcp-session-id", session),)
    )

    assert (answer.status, answer.body) == (403, b"")
    assert not any(b"accept" in sent.body for sent in w.upstream.sent)
