"""X12: several servers behind one URL look like one server with sessions."""

import asyncio
import json

import pytest

from joined_parts import Server, asked, joined, to
from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    ScriptedExchange,
    ScriptedUpstream,
    body,
    drained,
    event,
    events,
    header,
    initialize,
    initialized,
    next_said,
    result,
    sent_header,
    sse_answer,
)
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.many import greeting, merged
from ostiary_proxy.pipeline.many.sessions import LATER
from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.store.port import StoreUnavailable

CALLED = {"content": [{"type": "text", "text": "done"}]}
TOOL = {"name": "a", "inputSchema": {"type": "object"}}
PROGRESS = "notifications/progress"
CHANGED = "notifications/tools/list_changed"
ASKING = {
    "jsonrpc": "2.0",
    "id": 7,
    "method": "elicitation/create",
    "params": {
        "message": "?",
        "requestedSchema": {"type": "object", "properties": {}},
        "_meta": {"progressToken": 3},
    },
}


async def opened(w, version="2025-11-25"):
    answer = await w.send(initialize(version))
    assert answer.status == 200, answer.body
    return answer, header(answer, "mcp-session-id")


async def told(w, session, method, params=None):
    message = {"jsonrpc": "2.0", "method": method, "params": params or {}}
    return await w.send(message, headers=(("mcp-session-id", session),))


def event_id(said):
    lines = said.decode().split("\n")
    return next(line.removeprefix("id: ") for line in lines if line.startswith("id: "))


def bodies(w, server):
    return [json.loads(sent.body) for sent in w.upstream.sent if to(sent) == server and sent.body]


async def test_one_session_stands_for_one_at_each_server_in_its_own_version():
    w = joined(
        {
            "files": Server(session="f-1", tools__call=CALLED),
            "web": Server(version="2025-06-18", tools__call=CALLED),
        }
    )

    answer, session = await opened(w)
    await w.legacy(session, "tools/call", {"name": "files_read"})
    await w.legacy(session, "tools/call", {"name": "web_read"})

    assert body(answer)["result"]["protocolVersion"] == "2025-06-18"
    files, web = w.upstream.sent[-2:]
    assert sent_header(files, "mcp-session-id") == "f-1"
    assert sent_header(files, "mcp-protocol-version") == "2025-11-25"
    assert sent_header(web, "mcp-session-id") is None
    assert sent_header(web, "mcp-protocol-version") == "2025-06-18"


async def test_finding_a_server_adds_no_trip_to_the_store():
    class Counting(MemoryStore):
        trips = 0

        async def get(self, table, key):
            self.trips += 1
            return await super().get(table, key)

    w = joined({"files": Server(session="f-1", tools__call=CALLED)})
    store = Counting(lambda: w.now[0])
    object.__setattr__(w.live, "store", store)
    _, session = await opened(w)
    store.trips = 0

    await w.legacy(session, "tools/call", {"name": "files_read"})

    assert store.trips == 1  # whether the session was ended, as with one server


async def test_a_server_that_was_away_at_the_start_is_greeted_when_it_is_needed():
    web = Server(session="w-1", tools__call=CALLED, tools__list={"tools": []})
    web.away = True
    w = joined({"files": Server(session="f-1", tools__list={"tools": []}), "web": web})
    answer, session = await opened(w)
    assert body(answer)["result"]["_meta"] == {"ostiary.dev/partial": ["web"]}
    assert "web: " in body(answer)["result"]["instructions"]

    away = await w.legacy(session, "tools/list")
    web.away = False
    back = await w.legacy(session, "tools/list")
    called = await w.legacy(session, "tools/call", {"name": "web_read"})

    assert body(away)["result"]["_meta"] == {"ostiary.dev/partial": ["web"]}
    assert "_meta" not in body(back)["result"]
    assert body(called)["result"] == CALLED
    methods = [one["method"] for one in bodies(w, "web")]
    assert methods == [
        *("initialize", "initialize"),
        *("initialize", "notifications/initialized", "tools/list", "tools/call"),
    ]
    greeting = bodies(w, "web")[2]["params"]
    assert greeting == {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "Agent", "version": "0"},
    }


async def test_a_server_that_lost_its_session_gets_a_new_one_and_the_call_once_more():
    files = Server(session="f-1", tools__call=CALLED)
    w = joined({"files": files})
    _, session = await opened(w)
    files.sessions = ["f-2"]

    first = await w.legacy(session, "tools/call", {"name": "files_read"})
    second = await w.legacy(session, "tools/call", {"name": "files_read"})

    assert body(first)["result"] == body(second)["result"] == CALLED
    used = [sent_header(sent, "mcp-session-id") for sent in w.upstream.sent]
    assert used == [None, "f-1", None, "f-2", "f-2", "f-1", "f-2"]
    kept = await w.live.store.scan(LATER, "", limit=10)
    assert [b"f-2" in row.value for row in kept] == [False]


async def test_of_two_requests_that_greet_a_server_at_once_both_go_on_in_one_session():
    files = Server(session="f-1", tools__call=CALLED)
    greeted: list[str] = []
    both = asyncio.get_running_loop().create_future()

    def restarted(sent):
        message = json.loads(sent.body) if sent.body else {}
        if message.get("method") != "initialize" or "f-1" in files.sessions:
            return files(sent)
        files.sessions.append(f"new-{len(greeted)}")
        greeted.append(files.sessions[-1])
        if len(greeted) == 2:
            both.set_result(None)
        answer = {**initialized(), "id": message["id"]}
        return sse_answer(asyncio.shield(both), answer, mcp_session_id=greeted[-1])

    w = joined({"files": restarted})
    _, session = await opened(w)
    files.sessions = ["none"]

    call = {"name": "files_read"}
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(w.legacy(session, "tools/call", call) for _ in range(2)))
        again = await w.legacy(session, "tools/call", call)
        await w.live.streams.settle(5)

    used = {
        sent_header(sent, "mcp-session-id")
        for sent in w.upstream.sent
        if sent.body and json.loads(sent.body)["method"] == "tools/call"
    }
    ended = [
        sent_header(one, "mcp-session-id") for one in w.upstream.sent if one.method == "DELETE"
    ]
    assert [body(answer)["result"] for answer in (*answers, again)] == [CALLED] * 3
    assert len(greeted) == 2
    assert len(used - {"f-1"}) == len(ended) == 1
    assert used.isdisjoint(ended)


async def test_a_call_does_not_wait_for_a_greeting_that_is_never_answered(monkeypatch):
    monkeypatch.setattr(greeting, "PATIENCE", 0.05)
    files = Server(session="f-1", tools__call=CALLED)
    w = joined({"files": files})
    _, session = await opened(w)
    files.sessions = ["f-2"]
    held = asyncio.get_running_loop().create_future()
    files.results["initialize"] = lambda _: sse_answer(held)

    async with asyncio.timeout(5):
        answer = await w.legacy(session, "tools/call", {"name": "files_read"})

    assert answer.status == 504
    assert [exchange.closed for exchange in w.upstream.exchanges] == [True] * 3


async def test_a_session_whose_beginning_can_not_be_told_is_ended():
    files = Server(session="f-1", DELETE=204, tools__call=CALLED)

    def half(sent):
        told = sent.body and json.loads(sent.body)["method"] == "notifications/initialized"
        return OutboundFailed("closed") if told else files(sent)

    w = joined({"files": half})
    _, session = await opened(w)
    files.sessions = ["f-2"]

    answer = await w.legacy(session, "tools/call", {"name": "files_read"})
    await w.live.streams.settle(5)

    last = w.upstream.sent[-1]
    assert answer.status == 502
    assert (last.method, sent_header(last, "mcp-session-id")) == ("DELETE", "f-2")


async def test_a_server_that_keeps_losing_its_session_does_not_end_the_clients():
    files = Server(session="f-1", tools__call=CALLED)
    w = joined({"files": files, "web": Server(tools__call=CALLED)})
    _, session = await opened(w)
    files.sessions = ["f-2"]
    files.results["initialize"] = lambda message: {
        "protocolVersion": "2025-11-25", "capabilities": {},
    }  # fmt: skip

    lost = await w.legacy(session, "tools/call", {"name": "files_read"})
    other = await w.legacy(session, "tools/call", {"name": "web_read"})

    assert (lost.status, other.status) == (502, 200)


async def test_a_version_or_session_id_that_can_not_be_kept_leaves_its_server_out():
    w = joined(
        {
            "files": Server(session="f-1"),
            "old": Server(version="2024-11-05"),
            "long": Server(session="x" * 257),
        }
    )

    answer, _ = await opened(w)

    assert body(answer)["result"]["_meta"] == {"ostiary.dev/partial": ["old", "long"]}


async def test_eight_servers_fit_into_one_session_id():
    w = joined({f"a-name-of-20-letters{n}": Server(session="x" * 256) for n in range(8)})
    message = initialize()
    message["params"]["capabilities"] = {"experimental": {"x": "y" * 370}}

    answer = await w.send(message)

    session = header(answer, "mcp-session-id")
    assert len(session) <= 4096
    assert (await w.legacy(session, "ping")).status == 200


async def test_servers_ask_under_ids_that_never_meet_and_each_gets_its_own_answer():
    def call(message):
        return sse_answer(ASKING, result(CALLED, request_id=message["id"]))

    w = joined(
        {"files": Server(tools__call=call), "web": Server(tools__call=call)},
        ALLOW_ALL,
        ALLOW_SERVER,
    )
    _, session = await opened(w)

    streams = [
        await drained(await w.legacy(session, "tools/call", {"name": f"{server}_ask"}))
        for server in ("files", "web")
    ]
    asking = [events(stream)[0] for stream in streams]
    reply = {"jsonrpc": "2.0", "id": "web:i7", "result": {"action": "decline"}}
    answered = await w.send(reply, headers=(("mcp-session-id", session),))
    again = await w.send(reply, headers=(("mcp-session-id", session),))

    assert [one["id"] for one in asking] == ["files:i7", "web:i7"]
    assert [one["params"]["_meta"]["progressToken"] for one in asking] == ["files:i3", "web:i3"]
    assert (answered.status, again.status) == (202, 400)
    assert bodies(w, "web")[-1] == {"jsonrpc": "2.0", "id": 7, "result": {"action": "decline"}}
    assert all("result" not in one for one in bodies(w, "files"))


async def test_a_server_can_not_ask_under_anothers_id():
    asking = {**ASKING, "id": "files:i7"}
    w = joined(
        {
            "files": Server(tools__call=CALLED),
            "evil": Server(
                tools__call=lambda m: sse_answer(asking, result(CALLED, request_id=m["id"]))
            ),
        },
        ALLOW_ALL,
        ALLOW_SERVER,
    )
    _, session = await opened(w)

    stream = await drained(await w.legacy(session, "tools/call", {"name": "evil_ask"}))
    reply = {"jsonrpc": "2.0", "id": "files:i7", "result": {"action": "accept"}}
    forged = await w.send(reply, headers=(("mcp-session-id", session),))

    assert events(stream)[0]["id"] == "evil:sfiles:i7"
    assert forged.status == 400
    assert all("result" not in one for one in bodies(w, "files"))


async def test_a_server_can_not_complete_the_visit_that_another_asked_for():
    def visit(message):
        asking = {
            "jsonrpc": "2.0", "id": 7, "method": "elicitation/create",
            "params": {
                "mode": "url", "message": "?", "url": "https://a.example/", "elicitationId": "v",
            },
        }  # fmt: skip
        return sse_answer(asking, complete, result(CALLED, request_id=message["id"]))

    def forge(message):
        return sse_answer(complete, forged, result(CALLED, request_id=message["id"]))

    method = "notifications/elicitation/complete"
    complete = {"jsonrpc": "2.0", "method": method, "params": {"elicitationId": "v"}}
    forged = {"jsonrpc": "2.0", "method": method, "params": {"elicitationId": "files:sv"}}
    servers = {"files": Server(tools__call=visit), "evil": Server(tools__call=forge)}
    w = joined(servers, ALLOW_ALL, ALLOW_SERVER)
    _, session = await opened(w)

    asked_for = events(await drained(await w.legacy(session, "tools/call", {"name": "files_a"})))
    told_by_evil = events(await drained(await w.legacy(session, "tools/call", {"name": "evil_a"})))

    assert asked_for[0]["params"]["elicitationId"] == "files:sv"
    assert asked_for[1]["params"] == {"elicitationId": "files:sv"}
    assert [one for one in told_by_evil if one.get("method") == method] == []


async def test_a_refused_request_of_a_server_is_answered_under_its_own_id():
    w = joined(
        {
            "files": Server(
                tools__call=lambda m: sse_answer(ASKING, result(CALLED, request_id=m["id"]))
            )
        },
        ALLOW_ALL,
    )
    _, session = await opened(w)

    await drained(await w.legacy(session, "tools/call", {"name": "files_ask"}))

    refused = bodies(w, "files")[-1]
    assert (refused["id"], refused["error"]["code"]) == (7, -31003)


async def test_notifications_go_to_whom_they_concern():
    w = joined({"files": Server(session="f-1"), "web": Server(session="w-1")})
    _, session = await opened(w)

    initialized = await told(w, session, "notifications/initialized")
    cancelled = await told(w, session, "notifications/cancelled", {"requestId": 4})
    progress = {"progressToken": "web:sx", "progress": 1}
    await told(w, session, "notifications/progress", progress)
    stray = await told(w, session, "notifications/progress", {"progressToken": 1, "progress": 1})

    assert (initialized.status, cancelled.status, stray.status) == (202, 202, 400)
    assert [one["method"] for one in bodies(w, "files")[1:]] == [
        "notifications/initialized",
        "notifications/cancelled",
    ]
    assert bodies(w, "web")[-1]["params"] == {"progressToken": "x", "progress": 1}


async def test_a_ping_is_answered_here():
    w = joined({"files": Server(session="f-1")})
    _, session = await opened(w)

    answer = await w.legacy(session, "ping")

    assert (body(answer)["result"], len(w.upstream.sent)) == ({}, 1)


async def test_the_log_level_is_set_at_every_server_that_has_one():
    w = joined({"files": Server(logging__setLevel={}), "web": Server()})
    _, session = await opened(w)

    answer = await w.legacy(session, "logging/setLevel", {"level": "info"})

    assert body(answer)["result"] == {}
    assert asked(w)[2:] == [("files", "logging/setLevel"), ("web", "logging/setLevel")]


async def test_a_subscription_is_made_at_its_server_and_its_news_come_back_under_its_name():
    news = {
        "jsonrpc": "2.0",
        "method": "notifications/resources/updated",
        "params": {"uri": "notes://today"},
    }
    held = asyncio.get_running_loop().create_future()
    files = Server(resources__subscribe={}, GET=[news, held])
    w = joined({"files": files, "web": Server()})
    _, session = await opened(w)

    await w.legacy(session, "resources/subscribe", {"uri": "files+notes://today"})
    stream = await w.send(method="GET", headers=(("mcp-session-id", session),))

    assert not isinstance(stream.body, bytes)
    async with asyncio.timeout(5):
        heard = events(await next_said(aiter(stream.body)))
    assert bodies(w, "files")[-1]["params"] == {"uri": "notes://today"}
    assert heard[0]["params"]["uri"] == "files+notes://today"
    await stream.body.abandon()
    assert w.upstream.exchanges[-2].closed


def streaming(w, session):
    """Return what reads the first events of the session's own streams, and returns the last id."""

    async def streamed(last=None, *, count=1):
        more = (("last-event-id", last),) if last else ()
        stream = await w.send(method="GET", headers=(("mcp-session-id", session), *more))
        assert not isinstance(stream.body, bytes)
        pieces = aiter(stream.body)
        async with asyncio.timeout(5):
            said = [await next_said(pieces) for _ in range(count)]
        await stream.body.abandon()
        return event_id(said[-1])

    return streamed


def changed(name):
    return event({"jsonrpc": "2.0", "method": CHANGED}, event_id=name)


def resumed(w):
    """Return whose own streams were opened, and after which event."""
    return [
        (to(sent), sent_header(sent, "last-event-id"))
        for sent in w.upstream.sent
        if sent.method == "GET"
    ]


async def test_streams_go_on_at_the_servers_whose_events_they_broke_off_after():
    def call(message):
        return sse_answer(event({"jsonrpc": "2.0", "method": PROGRESS}, event_id="9"))

    held = asyncio.get_running_loop().create_future()
    w = joined(
        {
            "files": Server(tools__call=call, GET=[changed("5"), held]),
            "web": Server(GET=[changed("7:x"), held]),
            "idle": Server(GET=[held]),
        }
    )
    _, session = await opened(w)
    streamed = streaming(w, session)

    answered = await drained(await w.legacy(session, "tools/call", {"name": "files_read"}))
    standing = await streamed(count=2)
    await streamed(standing)
    await streamed(event_id(answered))

    assert resumed(w) == [
        *(("files", None), ("web", None), ("idle", None)),
        *(("files", "5"), ("web", "7:x"), ("idle", None)),
        ("files", "9"),
    ]


async def test_a_server_whose_event_ids_are_long_begins_its_stream_anew():
    held = asyncio.get_running_loop().create_future()
    w = joined(
        {
            "files": Server(GET=[changed("5"), held]),
            "web": Server(GET=[changed("7" * 99), held]),
        }
    )
    _, session = await opened(w)
    streamed = streaming(w, session)

    await streamed(await streamed(count=2))

    assert resumed(w)[2:] == [("files", "5"), ("web", None)]


async def test_a_server_that_forgot_where_its_stream_broke_off_is_asked_for_another(monkeypatch):
    monkeypatch.setattr(merged, "_AGAIN", 0.01)
    held = asyncio.get_running_loop().create_future()
    web = Server(GET=[changed("7"), held])

    def forgetful(sent):
        known = sent_header(sent, "last-event-id")
        return ScriptedExchange(400, {}, []) if known else web(sent)

    w = joined({"files": Server(GET=[held]), "web": forgetful})
    _, session = await opened(w)
    last = await streaming(w, session)()

    stream = await w.send(
        method="GET", headers=(("mcp-session-id", session), ("last-event-id", last))
    )
    assert not isinstance(stream.body, bytes)
    async with asyncio.timeout(5):
        news = events(await next_said(aiter(stream.body)))
    await stream.body.abandon()

    assert resumed(w)[2:] == [("files", None), ("web", "7"), ("web", None)]
    assert news[0]["method"] == CHANGED


async def test_a_server_that_lost_its_session_begins_its_stream_anew_and_that_is_written_down():
    held = asyncio.get_running_loop().create_future()
    web = Server(session="w-1", GET=[changed("7"), held])

    def restarted(sent):
        known = sent_header(sent, "mcp-session-id") in (None, web.sessions[-1])
        return web(sent) if known else ScriptedExchange(404, {}, [])

    w = joined({"web": restarted})
    _, session = await opened(w)
    streamed = streaming(w, session)
    last = await streamed()
    web.sessions = ["w-2"]
    before = len(w.upstream.sent)

    await streamed(last)

    said = [
        (sent.method, sent_header(sent, "mcp-session-id"), sent_header(sent, "last-event-id"))
        for sent in w.upstream.sent[before:]
    ]
    greeted = [r.facts["method"] for r in w.log.records if r.facts.get("by") == "gateway"]
    assert said == [
        ("GET", "w-1", "7"),
        ("POST", None, None),
        ("POST", "w-2", None),
        ("GET", "w-2", None),
    ]
    assert greeted == ["initialize", "notifications/initialized"]


async def test_without_any_own_stream_of_a_server_one_is_left_to_the_gateways_notices():
    w = joined({"files": Server(), "web": Server()})
    _, session = await opened(w)

    answer = await w.send(method="GET", headers=(("mcp-session-id", session),))
    w.allow(ALLOW_ALL, {"name": "hidden", "effect": "Deny", "match": {"tools": ["files_b"]}})

    assert not isinstance(answer.body, bytes)
    first = events(await next_said(aiter(answer.body)))
    assert first == [{"jsonrpc": "2.0", "method": CHANGED}]
    await answer.body.abandon()


async def test_the_end_of_a_session_is_its_end_at_every_server():
    web = Server(session="w-1", DELETE=204, tools__list={"tools": []})
    w = joined({"files": Server(session="f-1", DELETE=405), "web": web})
    _, session = await opened(w)
    web.sessions = ["w-2"]
    await w.legacy(session, "tools/list")

    answer = await w.send(method="DELETE", headers=(("mcp-session-id", session),))

    ended = [(to(s), sent_header(s, "mcp-session-id")) for s in w.upstream.sent]
    deleted = [e for e, s in zip(ended, w.upstream.sent, strict=True) if s.method == "DELETE"]
    assert answer.status == 204
    assert sorted(deleted) == [("files", "f-1"), ("web", "w-1"), ("web", "w-2")]
    assert await w.live.store.scan(LATER, "", limit=10) == []


async def test_an_initialize_that_no_server_answers_is_an_error():
    web = Server()
    web.away = True
    w = joined({"web": web})

    answer = await w.send(initialize())

    assert (answer.status, "web: " in body(answer)["error"]["message"]) == (502, True)


async def test_another_persons_session_is_unknown_here_too():
    w = joined({"files": Server(session="f-1", tools__call=CALLED)})
    _, session = await opened(w)

    answer = await w.legacy(session, "tools/call", {"name": "files_read"}, token="bob")

    assert (answer.status, len(w.upstream.sent)) == (404, 1)


async def test_a_stream_that_nobody_reads_is_closed_at_every_server():
    held = asyncio.get_running_loop().create_future()
    w = joined({"files": Server(GET=[held]), "web": Server(GET=[held])})
    _, session = await opened(w)

    stream = await w.send(method="GET", headers=(("mcp-session-id", session),))
    assert not isinstance(stream.body, bytes)
    await stream.body.abandon()

    assert [exchange.closed for exchange in w.upstream.exchanges[2:]] == [True, True]


async def test_a_client_that_goes_while_streams_open_leaves_none_of_them_open():
    waiting = asyncio.Event()

    class Slow(ScriptedUpstream):
        async def send(self, request):
            if request.method == "GET" and to(request) == "web":
                waiting.set()
                await asyncio.Event().wait()
            return await super().send(request)

    held = asyncio.get_running_loop().create_future()
    w = joined({"files": Server(GET=[held]), "web": Server(GET=[held])})
    _, session = await opened(w)
    slow = Slow(w.upstream.script)
    object.__setattr__(w.live, "transport", slow)

    opening = asyncio.ensure_future(w.send(method="GET", headers=(("mcp-session-id", session),)))
    async with asyncio.timeout(5):
        await waiting.wait()
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)

    assert [exchange.closed for exchange in slow.exchanges] == [True]


async def test_a_client_may_wait_on_its_stream_for_the_only_server_that_has_one(monkeypatch):
    monkeypatch.setattr(merged, "_AGAIN", 0.001)
    web = Server(GET=[asyncio.get_running_loop().create_future()])
    web.away = True
    w = joined({"files": Server(session="f-1"), "web": web})
    _, session = await opened(w)

    stream = await w.send(method="GET", headers=(("mcp-session-id", session),))
    web.away = False
    w.now[0] += 5
    assert not isinstance(stream.body, bytes)
    async with asyncio.timeout(5):
        news = events(await next_said(aiter(stream.body)))
    await stream.body.abandon()

    assert news[0]["method"] == CHANGED


async def test_a_stream_that_every_server_refuses_is_refused():
    w = joined({"files": Server(session="f-1", GET=403), "web": Server(GET=401)})
    _, session = await opened(w)

    answer = await w.send(method="GET", headers=(("mcp-session-id", session),))

    assert answer.status == 502


async def test_a_server_that_is_away_is_looked_for_by_one_stream_at_a_time(monkeypatch):
    monkeypatch.setattr(merged, "_AGAIN", 0.001)
    held = asyncio.get_running_loop().create_future()
    web = Server(GET=[held])
    web.away = True
    w = joined({"files": Server(session="f-1", GET=[held]), "web": web})
    sessions = [(await opened(w))[1] for _ in range(3)]
    before = len(bodies(w, "web"))

    streams = [
        await w.send(method="GET", headers=(("mcp-session-id", session),)) for session in sessions
    ]
    looked = []
    async with asyncio.timeout(10):
        for number in range(3):
            while len(bodies(w, "web")) - before <= number:
                await asyncio.sleep(0.001)
            for _ in range(20):  # turns in which no other stream may look
                await asyncio.sleep(0.001)
            looked.append(len(bodies(w, "web")) - before)
            w.now[0] += 5
    for stream in streams:
        assert not isinstance(stream.body, bytes)
        await stream.body.abandon()

    assert looked == [1, 2, 3]


async def test_a_store_that_is_away_leaves_the_streams_open_that_need_none():
    class Away(MemoryStore):
        async def get(self, table, key):
            if table == LATER:
                raise StoreUnavailable("away")
            return await super().get(table, key)

    held = asyncio.get_running_loop().create_future()
    web = Server(GET=[held])
    web.away = True
    w = joined({"files": Server(GET=[held]), "web": web})
    object.__setattr__(w.live, "store", Away(lambda: w.now[0]))
    _, session = await opened(w)

    stream = await w.send(method="GET", headers=(("mcp-session-id", session),))
    assert not isinstance(stream.body, bytes)
    await stream.body.abandon()

    assert [exchange.closed for exchange in w.upstream.exchanges[1:]] == [True]


def in_body(*messages):
    data = json.dumps(messages[-1:]).encode()
    return ScriptedExchange(200, {"content-type": "application/json"}, [data])


def in_stream(*messages):
    return sse_answer(event(messages, event_id="e1"))


@pytest.mark.parametrize("array", [in_body, in_stream])
async def test_arrays_of_a_server_among_several_are_taken_apart_and_renamed(array):
    changed = {"jsonrpc": "2.0", "method": CHANGED, "params": {}}
    link = {"type": "resource_link", "uri": "file:///a", "name": "a"}
    w = joined(
        {
            "desk": Server(
                version="2025-03-26",
                tools__call=lambda message: array(
                    changed, result({"content": [link]}, request_id=message["id"])
                ),
                tools__list=lambda message: array(
                    changed, result({"tools": [TOOL]}, request_id=message["id"])
                ),
            )
        }
    )
    _, session = await opened(w, "2025-03-26")

    answer = await w.legacy(session, "tools/call", {"name": "desk_a"})

    listed = await w.legacy(session, "tools/list")

    assert body(listed)["result"]["tools"] == [{**TOOL, "name": "desk_a"}]
    shown = [body(answer)] if isinstance(answer.body, bytes) else events(await drained(answer))
    assert shown[-1]["result"] == {"content": [{**link, "uri": "desk+file:///a"}]}


async def test_another_replica_goes_on_with_the_sessions_of_the_start_and_those_opened_later():
    files, web = Server(session="f-1", tools__call=CALLED), Server(tools__call=CALLED)
    web.away = True
    here, there = joined({"files": files, "web": web}), joined({"files": files, "web": web})
    object.__setattr__(there.live, "store", here.live.store)
    _, session = await opened(here)
    web.away, web.sessions = False, ["w-1"]
    await here.legacy(session, "tools/call", {"name": "web_read"})

    for name in ("files_read", "web_read"):
        assert body(await there.legacy(session, "tools/call", {"name": name}))["result"] == CALLED

    used = [(to(sent), sent_header(sent, "mcp-session-id")) for sent in there.upstream.sent]
    assert used == [("files", "f-1"), ("web", "w-1")]
