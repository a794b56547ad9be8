"""A 2026-07-28 client in front of a server that speaks legacy revisions only: table of eras.md."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from joined_parts import joined
from legacy_parts import CAN_ALL, INFO, LegacyServer, asks, replica_of, until
from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    body,
    drained,
    events,
    json_answer,
    next_said,
    request,
    result,
    sent_header,
    sse_answer,
    world,
)
from ostiary_proxy.mcp import server_methods
from ostiary_proxy.mcp.bridge.older_table import ASKED, NEEDED, NOTIFICATIONS, REQUESTS, TOLD
from ostiary_proxy.mcp.bridge.way import Way
from ostiary_proxy.mcp.methods import LEGACY, MODERN, client_notifications, client_requests
from ostiary_proxy.pipeline.bridge.older import retold as older_retold

META = {"io.modelcontextprotocol/serverInfo": INFO}
COMPLETE = {"resultType": "complete", "_meta": META}
UNCACHED = {"ttlMs": 0, "cacheScope": "private"}
TEXT = {"content": [{"type": "text", "text": "done"}]}


def test_every_message_stands_in_the_table():
    requests = client_requests(MODERN).keys()
    asked = {one.name for one in server_methods.ASKED if set(one.served) & set(LEGACY)}
    told_of = {one.name for one in server_methods.TOLD if set(one.served) & set(LEGACY)}

    assert (requests - REQUESTS.keys(), asked - ASKED.keys()) == (set(), set())
    assert told_of - TOLD.keys() == set()
    assert client_notifications(MODERN).keys() == NOTIFICATIONS.keys()
    forwarded = {name for name, way in REQUESTS.items() if way is Way.FORWARDED}
    assert forwarded == NEEDED.keys() == {**CACHED, **PLAIN}.keys()


def test_the_documented_table_is_the_one_in_the_code():
    page = Path(__file__).parents[2] / "docs" / "concepts" / "eras.md"
    text = page.read_text().split("## A client of 2026-07-28, a server of older revisions")[1]
    rows = [line.split("|")[1:3] for line in text.splitlines() if "| `" in line]

    said = [(name.strip(" `"), way.strip()) for name, way in rows]

    assert said == [
        (name, str(way))
        for table in (REQUESTS, NOTIFICATIONS, ASKED, TOLD)
        for name, way in table.items()
    ]


def older(server: LegacyServer, *rules: Any) -> Any:
    return world(server, *(rules or (ALLOW_ALL, ALLOW_SERVER)))


async def test_a_server_that_refuses_as_legacy_ones_do_is_spoken_to_in_a_session():
    server = LegacyServer({"tools/call": lambda _: TEXT})
    w = older(server)

    answer = await w.modern("tools/call", {"name": "a", "arguments": {"x": 1}})

    assert (answer.status, body(answer)) == (200, result({**TEXT, **COMPLETE}))
    assert server.methods() == [
        "tools/call", "server/discover", "initialize", "notifications/initialized", "tools/call",
    ]  # fmt: skip
    assert [said.session for said in server.said] == [None, None, None, "up-1", "up-1"]
    assert server.said[4].message == request(
        "tools/call", {"name": "a", "arguments": {"x": 1}}, request_id=1
    )
    called = [one.kind for one in w.log.records if one.id == "d1"]
    assert called == ["decision", "outcome"]


def told(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


async def test_what_a_session_is_for_is_declared_once_and_the_session_used_again():
    server = LegacyServer({"tools/list": lambda _: {"tools": []}})
    w = older(server)

    await w.modern("tools/list", meta=CAN_ALL)
    await w.modern("tools/list", meta=CAN_ALL)
    await w.modern("tools/list")

    opened = [said.message["params"] for said in server.said if said.method == "initialize"]
    assert opened == [
        {
            "protocolVersion": "2025-11-25",
            "capabilities": CAN_ALL["io.modelcontextprotocol/clientCapabilities"],
            "clientInfo": {"name": "ostiary", "version": "0"},
        },
        {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "ostiary", "version": "0"},
        },
    ]
    assert [said.session for said in server.said if said.method == "tools/list"] == [
        None, "up-1", "up-1", "up-2",
    ]  # fmt: skip


async def test_discover_is_answered_from_what_the_server_said_to_initialize():
    w = older(LegacyServer({}))

    answer = await w.modern("server/discover")

    assert (answer.status, body(answer)) == (
        200,
        result(
            {
                "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
                "capabilities": {
                    "tools": {"listChanged": True}, "prompts": {"listChanged": True},
                    "completions": {}, "logging": {},
                    "resources": {"subscribe": True, "listChanged": True},
                },
                "instructions": "Be kind.",
                **UNCACHED,
                **COMPLETE,
            }
        ),
    )  # fmt: skip


@pytest.mark.parametrize("code", [-32601, -32602, -32600, 0])
async def test_an_older_server_without_sessions_is_known_by_its_answer_to_discover(code):
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "?"}}
    w = older(LegacyServer({}, refusal=lambda: sse_answer(error)))

    answer = await w.modern("server/discover")

    assert body(answer)["result"]["instructions"] == "Be kind."


async def test_a_server_that_can_be_discovered_and_names_older_revisions_only_is_an_older_one():
    found = {"resultType": "complete", "supportedVersions": ["2025-11-25"], "capabilities": {}}
    w = older(LegacyServer({}, refusal=lambda: json_answer(result(found))))

    answer = await w.modern("server/discover")

    assert body(answer)["result"]["instructions"] == "Be kind."


REFUSALS = {
    "nothing readable": lambda: json_answer(b"no", status=404),
    "an SDK's words": lambda: json_answer(
        {"jsonrpc": "2.0", "error": {"code": -32000, "message": "Server not initialized"},
         "id": None}, status=400,
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", REFUSALS)
async def test_each_way_of_refusing_leads_to_a_session(how):
    w = older(LegacyServer({"tools/list": lambda _: {"tools": []}}, refusal=REFUSALS[how]))

    assert body(await w.modern("tools/list"))["result"]["tools"] == []


@pytest.mark.parametrize(
    ("status", "code"), [(400, -32020), (400, -32022), (404, -32601), (400, -32602), (200, -32600)]
)
async def test_what_a_modern_server_answers_is_never_said_again(status, code):
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "no"}}
    server = LegacyServer({}, refusal=lambda: json_answer(error, status=status))
    w = older(server)

    answer = await w.modern("tools/call", {"name": "a"})

    assert (answer.status, body(answer)["error"]["code"]) == (status, code)
    assert server.methods() == ["tools/call"]


async def test_a_refusal_of_what_opens_no_session_either_passes_as_it_came():
    sent = []

    def refuses(outgoing):
        sent.append(json.loads(outgoing.body)["method"])
        return json_answer(
            {"jsonrpc": "2.0", "id": 1, "error": {"code": -32600, "message": "no"}}, status=400
        )

    answer = await world(refuses).modern("tools/call", {"name": "a"})

    assert (answer.status, body(answer)["error"]["code"]) == (400, -32600)
    assert sent == ["tools/call", "server/discover", "initialize"]


async def test_a_session_that_the_server_lost_is_opened_anew_and_nothing_runs_twice():
    server = LegacyServer({"tools/call": lambda _: TEXT})
    w = older(server)
    await w.modern("tools/call", {"name": "a"})
    server.sessions.clear()

    answer = await w.modern("tools/call", {"name": "b"})

    assert body(answer) == result({**TEXT, **COMPLETE})
    assert [(s.session, s.method) for s in server.said[5:]] == [
        ("up-1", "tools/call"), (None, "initialize"), ("up-2", "notifications/initialized"),
        ("up-2", "tools/call"),
    ]  # fmt: skip


async def test_a_server_that_became_modern_is_found_out():
    server = LegacyServer({"tools/list": lambda _: {"tools": []}})
    w = older(server)
    await w.modern("tools/list")
    modern = {"resultType": "complete", "tools": [{"name": "new"}], **UNCACHED}

    def replaced(outgoing):
        if json.loads(outgoing.body)["params"].get("_meta") is None:
            return json_answer(b"", status=404)
        return json_answer(result(modern))

    w.upstream.script = replaced
    answer = await w.modern("tools/list")

    assert body(answer) == result(modern)


CACHED: dict[str, Any] = {
    "tools/list": {"tools": [{"name": "a"}]},
    "prompts/list": {"prompts": [{"name": "a"}]},
    "resources/list": {"resources": [{"uri": "file:///a", "name": "a"}]},
    "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "file:///{x}"}]},
    "resources/read": {"contents": [{"uri": "file:///a", "text": "x"}]},
}
PLAIN: dict[str, Any] = {
    "tools/call": TEXT,
    "prompts/get": {"messages": []},
    "completion/complete": {"completion": {"values": []}},
}
PARAMS: dict[str, Any] = {
    "tools/call": {"name": "a"},
    "prompts/get": {"name": "a"},
    "resources/read": {"uri": "file:///a"},
    "completion/complete": {
        "ref": {"type": "ref/prompt", "name": "a"}, "argument": {"name": "x", "value": ""},
    },
}  # fmt: skip


@pytest.mark.parametrize("method", [*CACHED, *PLAIN])
async def test_a_result_gets_what_2026_wants_in_it(method):
    found = {**CACHED, **PLAIN}[method]
    w = older(LegacyServer({method: lambda _: found}))

    answer = await w.modern(method, PARAMS.get(method))

    kept = UNCACHED if method in CACHED else {}
    assert (answer.status, body(answer)) == (200, result({**found, **kept, **COMPLETE}))


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"result": TEXT}, 200),
        ({"error": {"code": -32601, "message": "no"}}, 404),
        ({"error": {"code": -32021, "message": "no"}}, 400),
    ],
)
async def test_an_answer_that_comes_at_once_in_events_has_the_status_that_it_should(said, status):
    message = {"jsonrpc": "2.0", "id": 1, **said}
    w = older(LegacyServer({"tools/call": lambda _: [message]}))

    answer = await w.modern("tools/call", {"name": "a"})

    told = {"result": {**TEXT, **COMPLETE}} if "result" in said else said
    assert (answer.status, body(answer)) == (status, {**message, **told})


async def test_a_method_that_the_server_never_offered_is_404():
    server = LegacyServer({}, capabilities={"tools": {}})
    w = older(server)

    answer = await w.modern("prompts/list")

    assert (answer.status, body(answer)["error"]["code"]) == (404, -32601)
    assert server.methods()[2:] == ["initialize", "notifications/initialized"]


def failing(code: int, message: str = "no") -> Any:
    def answer(asked: Any) -> Any:
        error = {"code": code, "message": message}
        return json_answer({"jsonrpc": "2.0", "id": asked["id"], "error": error})

    return answer


@pytest.mark.parametrize(
    ("code", "status", "retold"),
    [
        (-32002, 200, -32602), (-32601, 404, -32601), (-32602, 200, -32602), (-32042, 200, -32603),
        (-32050, 200, -32603), (-32000, 200, -32000), (7, 200, 7),
    ],
)  # fmt: skip
async def test_an_error_gets_a_code_that_2026_knows(code, status, retold):
    w = older(LegacyServer({"resources/read": failing(code)}))

    answer = await w.modern("resources/read", {"uri": "file:///a"})

    assert (answer.status, body(answer)["error"]["code"]) == (status, retold)


async def test_a_resource_that_is_not_there_looks_like_a_hidden_one():
    denied = {"name": "no-b", "effect": "Deny", "match": {"resources": ["file:///b"]}}
    w = older(LegacyServer({"resources/read": failing(-32002, "gone")}), ALLOW_ALL, denied)

    missing = body(await w.modern("resources/read", {"uri": "file:///a"}))["error"]
    hidden = body(await w.modern("resources/read", {"uri": "file:///b"}))["error"]

    assert missing["code"] == hidden["code"] == -32602
    assert (missing["data"]["uri"], hidden["data"]["uri"]) == ("file:///a", "file:///b")
    assert missing["data"].keys() == hidden["data"].keys()


async def test_meta_loses_what_only_2026_knows_and_keeps_trace_context_and_the_vendors_own():
    server = LegacyServer({"tools/call": lambda _: TEXT})
    w = older(server)
    kept = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "acme/x": 1}

    await w.modern("tools/call", {"name": "a"}, meta={**kept, **CAN_ALL, "progressToken": "p"})

    assert server.said[-1].message["params"] == {
        "name": "a",
        "_meta": {**kept, "progressToken": server.said[-1].message["id"]},
    }


async def test_progress_comes_under_the_clients_token_and_only_its_own():
    said = [
        told("notifications/progress", progressToken=1, progress=1),
        told("notifications/progress", progressToken=9, progress=1),
        result(TEXT, request_id=1),
    ]
    w = older(LegacyServer({"tools/call": lambda _: said}))

    answer = await w.modern("tools/call", {"name": "a"}, meta={"progressToken": "mine"})

    assert events(await drained(answer)) == [
        told("notifications/progress", progressToken="mine", progress=1),
        result({**TEXT, **COMPLETE}),
    ]


async def test_each_message_of_an_array_from_a_2025_03_26_server_counts_as_if_it_came_alone():
    progress = told("notifications/progress", progressToken=1, progress=1)
    array = b"data: " + json.dumps([progress, result(TEXT, request_id=1)]).encode() + b"\n\n"
    answers = {
        "tools/call": lambda _: [array],
        "tools/list": lambda said: json_answer([result({"tools": []}, request_id=said["id"])]),
    }
    w = older(LegacyServer(answers, version="2025-03-26"))

    answer = await w.modern("tools/call", {"name": "a"}, meta={"progressToken": "mine"})
    listed = await w.modern("tools/list")

    assert events(await drained(answer)) == [
        told("notifications/progress", progressToken="mine", progress=1),
        result({**TEXT, **COMPLETE}),
    ]
    assert body(listed) == result({"tools": [], **UNCACHED, **COMPLETE})


async def test_what_an_array_on_a_2025_03_26_sessions_own_stream_tells_is_heard():
    said = [told(f"notifications/{kind}/list_changed") for kind in ("tools", "resources")]
    own = Telling(b"data: " + json.dumps(said).encode() + b"\n\n")
    w = older(LegacyServer({}, own=own, version="2025-03-26"))

    answer = await w.modern(LISTEN, {"notifications": EVERYTHING})
    own.may.set_result(None)

    heard = events(await drained(answer))
    assert [one.get("method") for one in heard[1:-1]] == [one["method"] for one in said]


async def test_an_array_of_a_server_of_a_later_revision_is_no_answer():
    array = b"data: " + json.dumps([result(TEXT, request_id=1)]).encode() + b"\n\n"
    w = older(LegacyServer({"tools/call": lambda _: [array]}))

    answer = await w.modern("tools/call", {"name": "a"})

    assert (answer.status, body(answer)["error"]["code"]) == (502, -31012)


LOG_LEVEL = "io.modelcontextprotocol/logLevel"


async def test_a_log_level_is_set_in_the_session_only_to_say_more():
    server = LegacyServer({"tools/call": lambda _: TEXT})
    w = older(server)

    for level in ("warning", "warning", "debug", "error"):
        await w.modern("tools/call", {"name": "a"}, meta={LOG_LEVEL: level})

    levels = [s.message["params"]["level"] for s in server.said if s.method == "logging/setLevel"]
    assert levels == ["warning", "debug"]


async def test_log_messages_pass_from_the_level_that_was_asked_for():
    def talks(asked):
        said = [told("notifications/message", level=one, data=one) for one in ("info", "error")]
        return [*said, result(TEXT, request_id=asked["id"])]

    w = older(LegacyServer({"tools/call": talks}))

    quiet = await drained(await w.modern("tools/call", {"name": "a"}))
    loud = await drained(await w.modern("tools/call", {"name": "a"}, meta={LOG_LEVEL: "warning"}))

    assert events(quiet) == [result({**TEXT, **COMPLETE})]
    assert events(loud) == [
        told("notifications/message", level="error", data="error"), result({**TEXT, **COMPLETE}),
    ]  # fmt: skip


async def test_a_ping_is_answered_by_us_and_an_unknown_request_is_refused():
    def talks(asked):
        return [asks("ping", {}, request_id=7), asks("tasks/get", {}), result(TEXT, request_id=1)]

    server = LegacyServer({"tools/call": talks, "answered": lambda _: []})
    w = older(server)

    answer = await w.modern("tools/call", {"name": "a"})

    assert events(await drained(answer)) == [result({**TEXT, **COMPLETE})]
    assert server.answered == {
        7: result({}, request_id=7),
        "s-1": {
            "jsonrpc": "2.0", "id": "s-1", "error": {"code": -32601, "message": "Method not found"},
        },
    }  # fmt: skip


ELICIT = {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}


def eliciting(*questions: dict[str, Any]) -> LegacyServer:
    """Return a server whose tool asks each of `questions` and then tells the answers."""
    heard: list[Any] = []

    def answered(said: Any) -> Any:
        asked, answer = said
        heard.append(answer["result"])
        if len(heard) < len(questions):
            return [questions[len(heard)]]
        return [result({"content": list(heard)}, request_id=asked["id"])]

    return LegacyServer({"tools/call": lambda _: [questions[0]], "answered": answered})


def stated(answer: Any) -> str:
    """Return the requestState of the one result among events."""
    return str(answer["result"]["requestState"])


CALL = {"name": "a", "arguments": {"x": 1}}


def again(asked: Any, *answers: Any) -> dict[str, Any]:
    """Return the call made again with answers to what was asked, in order."""
    given = dict(zip(asked["result"]["inputRequests"], answers, strict=False))
    return {**CALL, "requestState": stated(asked), "inputResponses": given}


@pytest.mark.parametrize(
    ("method", "params", "response"),
    [
        ("elicitation/create", ELICIT, {"action": "accept", "content": {"name": "Ann"}}),
        ("sampling/createMessage", {"messages": [], "maxTokens": 5}, {"role": "assistant",
         "content": {"type": "text", "text": "hi"}, "model": "m"}),
        ("roots/list", {}, {"roots": [{"uri": "file:///home"}]}),
    ],
)  # fmt: skip
async def test_what_the_server_asks_is_the_clients_to_answer_by_calling_again(
    method, params, response
):
    server = eliciting(asks(method, params))
    w = older(server)

    (asked,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))
    state = stated(asked)
    answer = await w.modern("tools/call", again(asked, response), meta=CAN_ALL)

    assert asked == result(
        {
            "resultType": "input_required",
            "inputRequests": {"question-1": {"method": method, "params": params}},
            "requestState": state,
        }
    )
    assert events(await drained(answer)) == [result({"content": [response], **COMPLETE})]
    assert server.methods()[4:] == ["tools/call", {"answers": "s-1"}]


async def test_a_tool_may_ask_several_times_and_report_progress_between():
    server = eliciting(asks("elicitation/create", ELICIT), asks("roots/list", {}, request_id=2))
    w = older(server)
    meta = {**CAN_ALL, "progressToken": "p"}

    (first,) = events(await drained(await w.modern("tools/call", CALL, meta=meta)))
    accepted = again(first, {"action": "accept"})
    (second,) = events(await drained(await w.modern("tools/call", accepted, meta=meta)))
    told_roots = again(second, {"roots": []})
    (last,) = events(await drained(await w.modern("tools/call", told_roots, meta=meta)))

    assert last == result({"content": [{"action": "accept"}, {"roots": []}], **COMPLETE})


async def test_a_call_that_brings_no_answer_is_asked_once_more():
    w = older(eliciting(asks("elicitation/create", ELICIT)))

    (first,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))
    without = {**CALL, "requestState": stated(first), "inputResponses": {"other": {}}}
    (second,) = events(await drained(await w.modern("tools/call", without, meta=CAN_ALL)))
    third = await w.modern("tools/call", again(second, {"action": "decline"}), meta=CAN_ALL)

    assert second["result"]["inputRequests"] == first["result"]["inputRequests"]
    assert events(await drained(third))[0]["result"]["content"] == [{"action": "decline"}]


def asking_at_once(*parts: Any) -> LegacyServer:
    """Return a server whose tool says `parts` at once, and its result once all is answered."""
    asked = [one["id"] for one in parts if isinstance(one, dict) and "id" in one]
    heard: dict[Any, Any] = {}

    def answered(said: Any) -> Any:
        call, answer = said
        heard[answer["id"]] = answer["result"]
        if len(heard) < len(asked):
            return []
        return [result({"content": [heard[one] for one in asked]}, request_id=call["id"])]

    return LegacyServer({"tools/call": lambda _: list(parts), "answered": answered})


def named(message: Any) -> dict[str, str]:
    """Return what is asked for, by the names that it is asked under."""
    return {name: one["method"] for name, one in message["result"]["inputRequests"].items()}


TWO = (asks("elicitation/create", ELICIT, request_id=1), asks("roots/list", {}, request_id="1"))


async def test_what_is_open_at_once_is_asked_at_once_and_each_answer_is_to_its_own_question():
    w = older(asking_at_once(*TWO))

    (first,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))
    both = again(first, {"action": "accept"}, {"roots": []})
    answer = await w.modern("tools/call", both, meta=CAN_ALL)

    assert named(first) == {"question-1": "elicitation/create", "question-2": "roots/list"}
    assert events(await drained(answer)) == [
        result({"content": [{"action": "accept"}, {"roots": []}], **COMPLETE})
    ]


async def test_what_is_left_unanswered_is_asked_again_with_what_was_asked_meanwhile():
    came = asyncio.get_running_loop().create_future()
    third = asks("elicitation/create", ELICIT, request_id=3)
    server = asking_at_once(*TWO, came, third)
    w = older(server)

    (first,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))
    came.set_result(None)
    some = again(first, {"action": "accept"})
    (second,) = events(await drained(await w.modern("tools/call", some, meta=CAN_ALL)))
    answered = list(server.answered)
    rest = again(second, {"roots": []}, {"action": "decline"})
    (last,) = events(await drained(await w.modern("tools/call", rest, meta=CAN_ALL)))

    assert answered == [1]
    assert named(second) == {"question-2": "roots/list", "question-3": "elicitation/create"}
    assert last["result"]["content"] == [{"action": "accept"}, {"roots": []}, {"action": "decline"}]


async def test_what_is_asked_on_the_sessions_own_stream_joins_a_call_that_waits():
    own = Telling(asks("roots/list", {}, request_id=2))
    server = asking_at_once(asks("elicitation/create", ELICIT))
    server.own = own
    server.waiting["up-1", 2] = (sse_answer(), asyncio.get_running_loop().create_future(), None)
    w = older(server)

    (first,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))
    own.may.set_result(None)
    await until(lambda: w.upstream.exchanges[3].closed)
    without = again(first)
    (second,) = events(await drained(await w.modern("tools/call", without, meta=CAN_ALL)))

    assert named(second) == {"question-1": "elicitation/create", "question-2": "roots/list"}


@pytest.mark.parametrize("where", ["call", "session"])
async def test_what_the_server_takes_back_is_not_asked_again(where):
    may = asyncio.get_running_loop().create_future()
    back = told("notifications/cancelled", requestId=1)
    server = asking_at_once(*TWO, *((may, back) if where == "call" else ()))
    server.own = (lambda: sse_answer(may, back)) if where == "session" else None
    w = older(server)

    (first,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))
    may.set_result(None)
    await until(lambda: where == "call" or w.upstream.exchanges[3].closed)
    without = again(first)
    (second,) = events(await drained(await w.modern("tools/call", without, meta=CAN_ALL)))

    assert named(second) == {"question-2": "roots/list"}


@pytest.mark.parametrize(("status", "code"), [(400, None), (404, -31010), (503, -31010)])
async def test_an_answer_that_the_server_wants_no_more_does_not_end_the_call(status, code):
    may = asyncio.get_running_loop().create_future()
    server = LegacyServer({"tools/call": lambda _: [*TWO, may, result(TEXT, request_id=1)]})
    w = older(server)
    (first,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))

    def refuses(outgoing):
        if outgoing.body and "method" not in json.loads(outgoing.body):
            if not may.done():
                may.set_result(None)
            return json_answer(b"", status=status)
        return server(outgoing)

    w.upstream.script = refuses
    late = again(first, {"action": "accept"}, {"roots": []})
    answer = await w.modern("tools/call", late, meta=CAN_ALL)

    whole = isinstance(answer.body, bytes)
    (last,) = [body(answer)] if whole else events(await drained(answer))
    assert last.get("error", {}).get("code") == code


async def test_no_more_than_sixteen_questions_are_asked_at_once(monkeypatch):
    monkeypatch.setattr(older_retold, "_TOGETHER", 1.0)
    many = [asks("roots/list", {}, request_id=number) for number in range(1, 21)]
    w = older(asking_at_once(*many))

    (first,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))
    all_of_it = again(first, *[{"roots": []}] * 16)
    (second,) = events(await drained(await w.modern("tools/call", all_of_it, meta=CAN_ALL)))

    assert list(named(first)) == [f"question-{number}" for number in range(1, 17)]
    assert list(named(second)) == [f"question-{number}" for number in range(17, 21)]


async def test_questions_that_are_too_large_together_are_asked_one_after_the_other():
    large = {"messages": [], "maxTokens": 1, "systemPrompt": "x" * 300_000}
    many = [asks("sampling/createMessage", large, request_id=number) for number in (1, 2, 3)]
    w = older(asking_at_once(*many))
    sampled = {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"}

    retry, names = CALL, list[str]()
    for _ in many:
        (asked,) = events(await drained(await w.modern("tools/call", retry, meta=CAN_ALL)))
        names += named(asked)
        retry = again(asked, sampled)
    (last,) = events(await drained(await w.modern("tools/call", retry, meta=CAN_ALL)))

    assert names == ["question-1", "question-2", "question-3"]
    assert last["result"]["content"] == [sampled] * 3


async def test_a_server_that_answers_without_waiting_for_what_it_asked_has_answered():
    w = older(LegacyServer({"tools/call": lambda _: [*TWO, result(TEXT, request_id=1)]}))

    answer = await w.modern("tools/call", CALL, meta=CAN_ALL)

    assert events(await drained(answer)) == [result({**TEXT, **COMPLETE})]
    assert len(w.live.older.parked) == 0


async def test_a_client_that_did_not_declare_it_is_not_asked():
    server = LegacyServer(
        {
            "tools/call": lambda _: [asks("sampling/createMessage", {"messages": []})],
            "answered": lambda said: [result(TEXT, request_id=said[0]["id"])],
        }
    )
    w = older(server)

    answer = await w.modern("tools/call", CALL)

    assert events(await drained(answer)) == [result({**TEXT, **COMPLETE})]
    assert server.answered["s-1"]["error"]["code"] == -32601


async def test_an_address_that_the_person_has_to_open_is_asked_for_and_the_call_made_anew():
    links = [{"mode": "url", "elicitationId": "e", "url": "https://a.example/", "message": "Go"}]
    opened: list[Any] = []

    def needs(asked):
        if opened:
            return TEXT
        error = {"code": -32042, "message": "no", "data": {"elicitations": links}}
        return json_answer({"jsonrpc": "2.0", "id": asked["id"], "error": error})

    w = older(LegacyServer({"tools/call": needs}))

    asked = body(await w.modern("tools/call", CALL, meta=CAN_ALL))
    opened.append(True)
    state = stated(asked)
    answer = await w.modern(
        "tools/call",
        {**CALL, "requestState": state, "inputResponses": {"link-1": {"action": "accept"}}},
        meta=CAN_ALL,
    )

    assert asked["result"]["inputRequests"] == {
        "link-1": {
            "method": "elicitation/create",
            "params": {"mode": "url", "message": "Go", "url": "https://a.example/"},
        }
    }
    assert body(answer) == result({**TEXT, **COMPLETE})


async def ended(server: LegacyServer) -> None:
    """Wait until the server was told that a call is cancelled."""
    await until(lambda: "notifications/cancelled" in server.methods())


async def test_a_client_that_goes_away_cancels_the_call_at_the_server():
    held = asyncio.get_running_loop().create_future()
    said = [told("notifications/progress", progressToken=1, progress=1), held]
    server = LegacyServer({"tools/call": lambda _: said})
    w = older(server)

    answer = await w.modern("tools/call", CALL, meta={"progressToken": "p"})
    stream = aiter(answer.body)
    await next_said(stream)
    await answer.body.abandon()
    await ended(server)

    assert server.said[-1].message["params"]["requestId"] == server.said[-2].message["id"]
    assert w.upstream.exchanges[-2].closed


async def test_a_client_that_goes_away_before_the_answer_begins_cancels_it_too():
    server = LegacyServer({})
    w = older(server)
    await w.modern("server/discover")
    at_once, begun = w.upstream.send, asyncio.Event()

    async def slowly(outgoing):
        if b"tools/call" in outgoing.body:
            begun.set()
            await asyncio.Event().wait()
        return await at_once(outgoing)

    w.upstream.send = slowly
    call = asyncio.create_task(w.modern("tools/call", CALL))
    async with asyncio.timeout(5):
        await begun.wait()
    call.cancel()
    await ended(server)

    assert server.said[-1].message["params"]["requestId"] == 1


SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
LISTEN = "subscriptions/listen"
EVERYTHING = {
    "toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True,
    "resourceSubscriptions": ["file:///a", "file:///b"],
}  # fmt: skip


class Telling:
    """A session's own stream that says `said` and ends, once it may."""

    def __init__(self, *said: Any) -> None:
        self.may: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._said = said

    def __call__(self) -> Any:
        return sse_answer(self.may, *self._said)


def tagged(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "params": {**message["params"], "_meta": {SUBSCRIPTION: 1}}}


async def test_listen_hears_what_the_server_tells_the_session_and_was_asked_for():
    said = [
        told("notifications/tools/list_changed"),
        told("notifications/prompts/list_changed"),
        told("notifications/resources/updated", uri="file:///a"),
        told("notifications/resources/updated", uri="file:///c"),
        told("notifications/message", level="info", data="x"),
    ]
    own = Telling(*said)
    server = LegacyServer({}, own=own)
    w = older(server)

    answer = await w.modern(LISTEN, {"notifications": EVERYTHING})
    own.may.set_result(None)

    first = told("notifications/subscriptions/acknowledged", notifications=EVERYTHING)
    assert events(await drained(answer)) == [
        tagged(first), tagged(said[0]), tagged(said[2]),
        result({"resultType": "complete", "_meta": {SUBSCRIPTION: 1}}),
    ]  # fmt: skip
    assert server.methods()[4:6] == ["resources/subscribe", "resources/subscribe"]


async def test_of_a_server_without_a_stream_nothing_but_our_own_notices_is_acknowledged():
    server = LegacyServer({})
    w = older(server)

    answer = await w.modern(LISTEN, {"notifications": EVERYTHING})
    (first,) = events(await next_said(aiter(answer.body)))
    await answer.body.abandon()

    ours = {kind: True for kind in EVERYTHING if kind.endswith("ListChanged")}
    assert first["params"] == {"notifications": ours, "_meta": {SUBSCRIPTION: 1}}
    assert "resources/subscribe" not in server.methods()


async def test_a_resource_that_cannot_be_subscribed_to_is_missing_in_the_acknowledgement():
    def refuses(asked):
        if asked["params"]["uri"] == "file:///b":
            return failing(-32002)(asked)
        return {}

    own = Telling()
    server = LegacyServer({"resources/subscribe": refuses}, own=own)
    answer = await older(server).modern(LISTEN, {"notifications": EVERYTHING})
    own.may.set_result(None)

    first = events(await drained(answer))[0]
    assert first["params"]["notifications"]["resourceSubscriptions"] == ["file:///a"]


async def test_listeners_share_one_stream_and_what_they_subscribe_to():
    server = LegacyServer({}, own=Telling())
    w = older(server)
    both = [await w.modern(LISTEN, {"notifications": EVERYTHING}) for _ in range(2)]

    streams = [aiter(answer.body) for answer in both]
    for stream in streams:
        await next_said(stream)
    for answer in both:
        await answer.body.abandon()
    await until(lambda: server.methods().count("resources/unsubscribe") == 2)

    assert len(server.gets) == 1
    assert server.methods().count("resources/subscribe") == 2


async def test_a_listener_is_told_only_of_what_it_may_read():
    denied = {"name": "no-b", "effect": "Deny", "match": {"resources": ["file:///b"]}}
    own = Telling()
    server = LegacyServer({}, own=own)
    w = older(server, ALLOW_ALL, denied)

    answer = await w.modern(LISTEN, {"notifications": EVERYTHING})
    own.may.set_result(None)
    await drained(answer)

    asked = [s.message["params"]["uri"] for s in server.said if s.method == "resources/subscribe"]
    assert asked == ["file:///a"]


async def test_a_change_told_on_the_stream_of_a_call_is_heard_by_who_listens():
    said = told("notifications/tools/list_changed")
    own = Telling()
    server = LegacyServer(
        {"tools/call": lambda asked: [said, result(TEXT, request_id=asked["id"])]}, own=own
    )
    w = older(server)

    listening = await w.modern(LISTEN, {"notifications": EVERYTHING})
    called = events(await drained(await w.modern("tools/call", CALL)))
    own.may.set_result(None)

    assert called == [result({**TEXT, **COMPLETE})]
    assert events(await drained(listening))[1] == tagged(said)


async def test_a_changed_list_is_heard_at_every_replica_whose_session_is_told():
    here_own, there_own = Telling(told("notifications/tools/list_changed")), Telling()
    server = LegacyServer({}, own=here_own)
    here = older(server)
    there = replica_of(here, "there")
    at_here = await here.modern(LISTEN, {"notifications": EVERYTHING})
    server.own = there_own
    at_there = await there.modern(LISTEN, {"notifications": EVERYTHING})

    here_own.may.set_result(None)
    first = events(await drained(at_here))
    for word in here.cries:
        here.live.older.hear(word)
        there.live.older.hear(word)
    there_own.may.set_result(None)
    second = events(await drained(at_there))

    changed = tagged(told("notifications/tools/list_changed"))
    assert first.count(changed) == second.count(changed) == 1


async def test_an_answer_that_reaches_another_replica_finds_the_call_that_waits():
    questions = (asks("elicitation/create", ELICIT), asks("roots/list", {}, request_id=2))
    here = older(eliciting(*questions))
    there = replica_of(here, "there")

    (first,) = events(await drained(await here.modern("tools/call", CALL, meta=CAN_ALL)))
    accepted = again(first, {"action": "accept"})
    (second,) = events(await drained(await there.modern("tools/call", accepted, meta=CAN_ALL)))
    told_roots = again(second, {"roots": []})
    (last,) = events(await drained(await there.modern("tools/call", told_roots, meta=CAN_ALL)))

    assert last == result({"content": [{"action": "accept"}, {"roots": []}], **COMPLETE})
    assert len(here.live.older.parked) == 0


async def test_a_client_that_goes_away_at_another_replica_cancels_the_call_too():
    held = asyncio.get_running_loop().create_future()
    server = LegacyServer(
        {"tools/call": lambda _: [asks("roots/list", {})], "answered": lambda _: []}
    )
    here = older(server)
    there = replica_of(here, "there")
    (first,) = events(await drained(await here.modern("tools/call", CALL, meta=CAN_ALL)))
    here.upstream.exchanges[-1].parts.append(held)

    answer = await there.modern("tools/call", again(first, {"roots": []}), meta=CAN_ALL)
    reading = asyncio.ensure_future(next_said(aiter(answer.body)))
    await asyncio.sleep(0)
    reading.cancel()
    await answer.body.abandon()

    await ended(server)


async def test_a_client_that_goes_away_while_its_answer_is_handed_over_cancels_the_call_too():
    server = LegacyServer(
        {"tools/call": lambda _: [asks("roots/list", {})], "answered": lambda _: []}
    )
    here = older(server)
    there = replica_of(here, "there")
    (first,) = events(await drained(await here.modern("tools/call", CALL, meta=CAN_ALL)))
    here.upstream.exchanges[-1].parts.append(asyncio.get_running_loop().create_future())

    retried = there.modern("tools/call", again(first, {"roots": []}), meta=CAN_ALL)
    handing = asyncio.ensure_future(retried)
    await until(lambda: bool(there.live.mailbox._waiting))
    handing.cancel()

    await ended(server)


async def test_answers_brought_to_two_replicas_at_once_are_given_once(monkeypatch):
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.elsewhere._TAKEN", 0.05)
    server = eliciting(asks("roots/list", {}))
    here = older(server)
    there = replica_of(here, "there")
    (first,) = events(await drained(await here.modern("tools/call", CALL, meta=CAN_ALL)))

    retried = again(first, {"roots": []})
    answers = await asyncio.gather(
        *(one.modern("tools/call", retried, meta=CAN_ALL) for one in (here, there))
    )

    assert sorted(one.status for one in answers) == [200, 400]
    assert list(server.answered) == ["s-1"]


async def test_an_answer_to_a_replica_that_is_gone_is_refused(monkeypatch):
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.elsewhere._TAKEN", 0.05)
    here = older(eliciting(asks("roots/list", {})))
    there = replica_of(here, "there")
    (first,) = events(await drained(await here.modern("tools/call", CALL, meta=CAN_ALL)))
    for parked in here.live.older.parked._things.values():
        parked.waiting.cancel()

    answer = await there.modern("tools/call", again(first, {"roots": []}), meta=CAN_ALL)

    assert (answer.status, body(answer)["error"]["code"]) == (400, -32602)


async def test_a_replica_that_ends_cancels_what_waits_there_and_the_client_is_told_to_call_anew(
    monkeypatch,
):
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.elsewhere._TAKEN", 0.05)
    server = eliciting(asks("roots/list", {}))
    here = older(server)
    there = replica_of(here, "there")
    (first,) = events(await drained(await here.modern("tools/call", CALL, meta=CAN_ALL)))

    here.live.streams.leave()
    await ended(server)
    retried = again(first, {"roots": []})
    answers = [await one.modern("tools/call", retried, meta=CAN_ALL) for one in (here, there)]

    assert [(one.status, body(one)["error"]["code"]) for one in answers] == [(400, -32602)] * 2
    assert all("make the call anew" in body(one)["error"]["message"] for one in answers)
    assert server.answered == {}


async def test_a_call_that_comes_as_the_replica_ends_is_answered_and_its_session_ended(monkeypatch):
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.held._LAST", 0.05)
    server = LegacyServer({"tools/call": lambda _: TEXT})
    w = older(server)
    w.live.streams.leave()

    answer = await w.modern("tools/call", CALL)
    await w.live.streams.settle(1)

    assert body(answer) == result({**TEXT, **COMPLETE})
    assert server.sessions == set()


async def test_a_replica_that_ends_asks_nobody_anything():
    server = eliciting(asks("roots/list", {}))
    w = older(server)
    w.live.streams.leave()

    answer = await w.modern("tools/call", CALL, meta=CAN_ALL)

    assert events(await drained(answer))[0]["error"]["code"] == -31010
    await ended(server)


async def test_a_call_goes_on_for_another_replica_by_the_policy_in_force_then():
    questions = (asks("elicitation/create", ELICIT), asks("roots/list", {}, request_id=2))
    forms = {**ALLOW_SERVER, "match": {"server": ["elicitation/form"]}}
    here = older(eliciting(*questions), ALLOW_ALL, forms)
    there = replica_of(here, "there")
    (first,) = events(await drained(await here.modern("tools/call", CALL, meta=CAN_ALL)))

    for one in (here, there):
        one.allow(ALLOW_ALL, ALLOW_SERVER)
    accepted = again(first, {"action": "accept"})
    (second,) = events(await drained(await there.modern("tools/call", accepted, meta=CAN_ALL)))

    assert named(second) == {"question-2": "roots/list"}
    assert len(here.live.older.parked) == 1


async def test_answers_that_come_as_their_call_ends_are_refused_and_nobody_waits_for_it(
    monkeypatch,
):
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.elsewhere._TAKEN", 0.05)
    here = older(eliciting(asks("roots/list", {})))
    there = replica_of(here, "there")
    (first,) = events(await drained(await here.modern("tools/call", CALL, meta=CAN_ALL)))
    here.live.older.parked._things.clear()

    answer = await there.modern("tools/call", again(first, {"roots": []}), meta=CAN_ALL)

    assert (answer.status, body(answer)["error"]["code"]) == (400, -32602)


async def test_a_replica_that_ends_while_it_runs_a_call_for_another_one_tells_it_so():
    server = LegacyServer(
        {"tools/call": lambda _: [asks("roots/list", {})], "answered": lambda _: []}
    )
    here = older(server)
    there = replica_of(here, "there")
    (first,) = events(await drained(await here.modern("tools/call", CALL, meta=CAN_ALL)))
    here.upstream.exchanges[-1].parts.append(asyncio.get_running_loop().create_future())
    answer = await there.modern("tools/call", again(first, {"roots": []}), meta=CAN_ALL)

    here.live.streams.leave()
    await here.live.streams.settle(0.05)

    (last,) = events(await drained(answer))
    assert last["error"]["code"] == -31010
    assert last["error"]["message"].startswith("the replica that ran this call has ended")


@pytest.mark.parametrize("method", [name for name, way in ASKED.items() if way is Way.REFUSED])
async def test_a_question_that_is_not_bridged_is_refused_to_the_server(method):
    server = LegacyServer(
        {
            "tools/call": lambda _: [asks(method, {"taskId": "t"})],
            "answered": lambda said: [result(TEXT, request_id=said[0]["id"])],
        }
    )

    answer = await older(server).modern("tools/call", CALL, meta=CAN_ALL)

    assert events(await drained(answer)) == [result({**TEXT, **COMPLETE})]
    assert server.answered["s-1"]["error"]["code"] == -32601


@pytest.mark.parametrize("method", [name for name, way in TOLD.items() if way is Way.DROPPED])
async def test_a_notification_that_2026_does_not_know_is_dropped(method):
    params = {"requestId": 1, "elicitationId": "e", "taskId": "t"}
    said = [told(method, **params), result(TEXT, request_id=1)]
    w = older(LegacyServer({"tools/call": lambda _: said}))

    answer = await w.modern("tools/call", CALL, meta=CAN_ALL)

    assert events(await drained(answer)) == [result({**TEXT, **COMPLETE})]


async def test_what_the_server_asks_on_the_sessions_own_stream_is_for_the_call_that_runs():
    own = Telling(asks("elicitation/create", ELICIT))
    done = asyncio.get_running_loop().create_future()

    def answered(said):
        done.set_result(None)
        return []

    never = asyncio.get_running_loop().create_future()
    server = LegacyServer(
        {
            "tools/call": lambda _: [done, result(TEXT, request_id=1)],
            "prompts/list": lambda _: [never],
            "answered": answered,
        },
        own=own,
    )
    w = older(server)
    server.waiting["up-1", "s-1"] = (sse_answer(), asyncio.get_running_loop().create_future(), None)

    call = asyncio.ensure_future(w.modern("tools/call", CALL, meta=CAN_ALL))
    async with asyncio.timeout(5):
        await until(lambda: "tools/call" in server.methods()[1:])
        other = asyncio.ensure_future(w.modern("prompts/list", meta=CAN_ALL))
        await until(lambda: "prompts/list" in server.methods())
        own.may.set_result(None)
        (asked,) = events(await drained(await call))
        await (await other).body.abandon()
    retried = again(asked, {"action": "accept"})
    answer = await w.modern("tools/call", retried, meta=CAN_ALL)

    assert asked["result"]["inputRequests"]["question-1"]["params"] == ELICIT
    assert events(await drained(answer)) == [result({**TEXT, **COMPLETE})]


async def test_what_the_server_asks_while_nothing_runs_is_refused():
    own = Telling(asks("roots/list", {}))
    server = LegacyServer({"answered": lambda _: []}, own=own)
    server.waiting["up-1", "s-1"] = (sse_answer(), asyncio.get_running_loop().create_future(), None)
    await older(server).modern("server/discover", meta=CAN_ALL)

    own.may.set_result(None)
    await until(lambda: bool(server.answered))

    assert server.answered["s-1"]["error"]["code"] == -32601


async def test_log_messages_of_the_sessions_own_stream_reach_the_calls_that_asked():
    said = told("notifications/message", level="error", data="x")
    own = Telling(said)
    done = asyncio.get_running_loop().create_future()
    server = LegacyServer({"tools/call": lambda _: [done, result(TEXT, request_id=2)]}, own=own)

    call = asyncio.ensure_future(older(server).modern("tools/call", CALL, meta={LOG_LEVEL: "info"}))
    async with asyncio.timeout(5):
        await until(lambda: "tools/call" in server.methods()[1:])
        own.may.set_result(None)
        stream = aiter((await call).body)
        first = events(await next_said(stream))
        done.set_result(None)
        second = events(await next_said(stream))

    assert (first, second) == ([said], [result({**TEXT, **COMPLETE})])


async def test_a_stream_that_the_server_lets_end_in_the_middle_goes_on_after_its_last_event():
    begun = [b"id: 7\nretry: 1\ndata:\n\n"]
    rest = sse_answer(result(TEXT, request_id=1))
    first = LegacyServer({"tools/call": lambda _: begun})
    w = older(first)

    def script(outgoing):
        if sent_header(outgoing, "last-event-id") == "7":
            return rest
        return first(outgoing)

    w.upstream.script = script
    answer = await w.modern("tools/call", CALL)

    assert body(answer) == result({**TEXT, **COMPLETE})


async def test_a_sessions_own_stream_that_the_server_ends_is_opened_again_while_a_call_runs(
    monkeypatch,
):
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.ear._AGAIN", 0.01)
    streams = [sse_answer(asks("elicitation/create", ELICIT)), sse_answer()]
    never = asyncio.get_running_loop().create_future()
    server = LegacyServer({"tools/call": lambda _: [never]})
    w = older(server)
    own = Telling()
    server.own = own
    await w.modern("server/discover", meta=CAN_ALL)
    server.own = streams.pop

    call = asyncio.ensure_future(w.modern("tools/call", CALL, meta=CAN_ALL))
    await until(lambda: "tools/call" in server.methods()[3:])
    own.may.set_result(None)
    (asked,) = events(await drained(await call))

    assert named(asked) == {"question-1": "elicitation/create"}
    assert streams == []


async def test_a_sessions_own_stream_may_begin_with_what_is_said_on_it(monkeypatch):
    monkeypatch.setattr("ostiary_proxy.pipeline.bridge.older.ear._PATIENCE", 0.01)
    never = asyncio.get_running_loop().create_future()
    server = LegacyServer({"tools/call": lambda _: [never]})
    server.own = lambda: sse_answer(asks("elicitation/create", ELICIT))
    w = older(server)
    at_once = w.upstream.send

    async def slowly(outgoing):
        if outgoing.method == "GET":
            await until(lambda: "tools/call" in server.methods()[3:])
        return await at_once(outgoing)

    w.upstream.send = slowly
    (asked,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))

    assert named(asked) == {"question-1": "elicitation/create"}


async def test_a_sessions_own_stream_goes_on_after_its_last_event_and_listeners_stay():
    said = told("notifications/tools/list_changed")
    own = Telling(b"id: 7\nretry: 1\ndata:\n\n")
    server = LegacyServer({}, own=own)
    w = older(server)
    listening = await w.modern(LISTEN, {"notifications": EVERYTHING})
    server.own = lambda: sse_answer(said)

    own.may.set_result(None)
    heard = events(await drained(listening))

    assert heard[1] == tagged(said)
    opened = [one for one in w.upstream.sent if one.method == "GET"]
    assert [sent_header(one, "last-event-id") for one in opened] == [None, "7"]


async def test_who_listens_anew_before_the_last_listener_left_stays_subscribed():
    own = Telling()
    server = LegacyServer({}, own=own)
    w = older(server)
    wanted = {"notifications": {"resourceSubscriptions": ["file:///a"]}}

    last = await w.modern(LISTEN, wanted)
    own.may.set_result(None)
    await until(lambda: w.upstream.exchanges[3].closed)
    server.own = Telling()
    await w.modern(LISTEN, wanted)
    await drained(last)
    await w.live.streams.settle(1)

    assert [one for one in server.methods() if "subscribe" in str(one)] == ["resources/subscribe"]


async def test_a_session_that_ends_closes_its_own_stream():
    server = LegacyServer({}, own=Telling())
    w = older(server)
    await w.modern("server/discover")

    del w.doors.grants["alice"]
    w.live.streams.wake()
    async with asyncio.timeout(5):
        while "DELETE" not in server.methods():
            await asyncio.sleep(0.005)

    assert all(
        one.closed for one in w.upstream.exchanges if isinstance(one.parts[0], asyncio.Future)
    )


async def test_a_server_that_answers_in_json_may_ask_before_its_answer_begins():
    own = Telling(asks("elicitation/create", ELICIT))
    done = asyncio.get_running_loop().create_future()
    server = LegacyServer({"tools/call": lambda _: TEXT, "answered": lambda _: []}, own=own)
    server.waiting["up-1", "s-1"] = (sse_answer(), done, None)
    w = older(server)
    await w.modern("server/discover", meta=CAN_ALL)
    at_once = w.upstream.send

    async def slowly(outgoing):
        if b"tools/call" in outgoing.body:
            own.may.set_result(None)
            await done
        return await at_once(outgoing)

    w.upstream.send = slowly
    (asked,) = events(await drained(await w.modern("tools/call", CALL, meta=CAN_ALL)))
    retried = again(asked, {"action": "accept"})
    answer = await w.modern("tools/call", retried, meta=CAN_ALL)

    assert events(await drained(answer)) == [result({**TEXT, **COMPLETE})]


async def test_one_of_several_servers_may_be_an_older_one():
    server = eliciting(asks("elicitation/create", ELICIT))
    schema = {"inputSchema": {"type": "object"}}
    server.answers = {
        **server.answers,
        "tools/list": lambda _: {"tools": [{"name": "a", **schema}]},
    }
    modern = {"resultType": "complete", "tools": [{"name": "b", **schema}], **UNCACHED}
    w = joined(
        {"old": server, "new": lambda _: json_answer(result(modern))}, ALLOW_ALL, ALLOW_SERVER
    )

    listed = body(await w.modern("tools/list"))["result"]
    call = {"name": "old_a", "arguments": {"x": 1}}
    (asked,) = events(await drained(await w.modern("tools/call", call, meta=CAN_ALL)))
    ((name, _),) = asked["result"]["inputRequests"].items()
    retried = {
        **call,
        "requestState": stated(asked),
        "inputResponses": {name: {"action": "accept"}},
    }
    answer = await w.modern("tools/call", retried, meta=CAN_ALL)

    assert [tool["name"] for tool in listed["tools"]] == ["old_a", "new_b"]
    assert events(await drained(answer))[0]["result"]["content"] == [{"action": "accept"}]


async def test_a_server_that_knows_no_get_is_none_that_lost_its_session():
    server = LegacyServer(
        {"tools/call": lambda _: TEXT}, own=lambda: json_answer(b"Cannot GET /mcp", status=404)
    )
    w = older(server)

    for _ in range(2):
        assert body(await w.modern("tools/call", CALL)) == result({**TEXT, **COMPLETE})

    assert server.methods()[2:] == [
        "initialize", "notifications/initialized", "ping", "tools/call", "tools/call",
    ]  # fmt: skip
