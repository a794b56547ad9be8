"""A legacy client in front of a server that speaks 2026-07-28 alone: one test for each cell.

docs/concepts/eras.md has the table.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from joined_parts import Server, joined
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
    next_said,
    request,
    result,
    sent_header,
    sse_answer,
    world,
)
from newer_parts import DISCOVERED, ModernServer, call, in_session, opening, told
from ostiary_proxy.mcp.bridge.newer_table import NOTIFICATIONS, REQUESTS, TOLD, WANTED
from ostiary_proxy.mcp.bridge.way import Way
from ostiary_proxy.mcp.methods import LEGACY, MODERN, client_notifications, client_requests
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.pipeline.session import ENDED
from ostiary_proxy.pipeline.spoken import Era

URL = "http://upstream.internal/mcp"
SERVER_INFO = {"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "1"}}
DONE = {"resultType": "complete", "content": [], "_meta": SERVER_INFO}
FORWARDED: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tools/list": ({}, {"tools": []}),
    "tools/call": ({"name": "a", "arguments": {"x": 1.50}}, {"content": [], "isError": False}),
    "prompts/list": ({}, {"prompts": []}),
    "prompts/get": ({"name": "p"}, {"messages": []}),
    "resources/list": ({}, {"resources": []}),
    "resources/templates/list": ({}, {"resourceTemplates": []}),
    "resources/read": ({"uri": "file:///a"}, {"contents": []}),
    "completion/complete": (
        {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": "b"}},
        {"completion": {"values": []}},
    ),
}


def test_every_message_of_the_legacy_revisions_stands_in_the_table() -> None:
    requests = {name for version in LEGACY for name in client_requests(version)}
    notifications = {name for version in LEGACY for name in client_notifications(version)}

    assert (requests - REQUESTS.keys(), notifications - NOTIFICATIONS.keys()) == (set(), set())
    assert {name for name, way in REQUESTS.items() if way is Way.FORWARDED} == FORWARDED.keys()


def test_the_documented_table_is_the_one_in_the_code() -> None:
    page = Path(__file__).parents[2] / "docs" / "concepts" / "eras.md"
    text = page.read_text().split("## A legacy client, a server of 2026-07-28")[1]
    rows = [line.split("|")[1:3] for line in text.split("\n## ")[0].splitlines() if "| `" in line]
    tables = {**REQUESTS, **NOTIFICATIONS, **WANTED, **TOLD}

    said = {(name.strip(" `"), way.strip()) for name, way in rows}

    assert said == {(name, str(way)) for table in (REQUESTS, NOTIFICATIONS, WANTED, TOLD)
                    for name, way in table.items()}  # fmt: skip
    assert {name for name, _ in said} == tables.keys()


# -- requests of the client --------------------------------------------------------------------


@pytest.mark.parametrize("version", LEGACY)
async def test_initialize_is_answered_from_what_the_server_discovers(version: str) -> None:
    server = ModernServer()
    w = world(server)

    answer = await w.send(initialize(version))

    capabilities = {**DISCOVERED["capabilities"]}
    del capabilities["extensions"]
    if version == "2025-11-25":
        capabilities["tasks"] = {"cancel": {}, "list": {}, "requests": {"tools": {"call": {}}}}
    assert body(answer) == result(
        {
            "protocolVersion": version,
            "capabilities": capabilities,
            "serverInfo": {"name": "s", "version": "1"},
            "instructions": "Ask politely.",
        }
    )
    assert [sent["method"] for sent in server.sent] == ["server/discover"]
    assert w.live.spoken.only(URL) is Era.MODERN


async def test_a_version_that_is_not_served_becomes_the_newest_legacy_one() -> None:
    w = world(ModernServer())

    answer = await w.send(initialize("2024-11-05"))

    assert body(answer)["result"]["protocolVersion"] == LEGACY[-1]


async def test_a_server_that_does_not_say_its_name_goes_by_the_routes() -> None:
    bare = {**DISCOVERED, "_meta": {}, "capabilities": {}, "instructions": None}
    w = world(ModernServer({"server/discover": lambda _: bare}))

    answer = await w.send(initialize())

    assert body(answer)["result"] == {
        "protocolVersion": LEGACY[-1],
        "capabilities": {},
        "serverInfo": {"name": "Files", "version": "unknown"},
    }


async def test_a_server_known_to_speak_2026_alone_is_not_asked_to_initialize() -> None:
    server = ModernServer()
    w, _ = await opening(server)

    await opening(server, before=w)

    asked = [json.loads(sent.body)["method"] for sent in w.upstream.sent]
    assert asked == ["initialize", "server/discover", "initialize", "server/discover"]


@pytest.mark.parametrize(
    ("status", "code"), [(400, -32022), (404, -32601), (200, -32601), (405, 0)]
)
async def test_each_way_to_refuse_initialize_is_found_out(status: int, code: int) -> None:
    server = ModernServer()

    def script(sent: Outgoing) -> ScriptedExchange:
        asked = json.loads(sent.body)
        if asked["method"] != "initialize":
            return server(sent)
        error = {"code": code, "message": "no"}
        refusal = {"jsonrpc": "2.0", "id": asked["id"], "error": error}
        return json_answer(refusal if code else b"", status=status)

    w = world(script)

    answer = await w.send(initialize())

    assert body(answer)["result"]["serverInfo"] == {"name": "s", "version": "1"}
    assert w.live.spoken.only(URL) is Era.MODERN


async def test_what_refuses_both_eras_is_answered_as_it_refused_initialize() -> None:
    error = {"code": -32602, "message": "no such version"}
    w = world(
        lambda sent: (
            json_answer({"jsonrpc": "2.0", "id": 1, "error": error})
            if b"initialize" in sent.body
            else json_answer({}, status=400)
        )
    )

    answer = await w.send(initialize())

    assert body(answer)["error"] == error
    assert w.live.spoken.only(URL) is None


async def test_a_server_that_became_a_legacy_one_is_found_out() -> None:
    server = ModernServer()
    w, session = await opening(server)
    w.upstream.script = lambda sent: (
        json_answer(initialized())
        if b"initialize" in sent.body
        else json_answer({"error": "no session"}, status=400)
    )

    gone = await call(w, session)
    again = await w.send(initialize())

    assert (gone.status, again.status) == (404, 200)
    assert body(again) == initialized()


async def test_a_page_in_between_that_refuses_a_call_ends_no_session() -> None:
    page = ScriptedExchange(400, {"content-type": "text/html"}, [b"<html>no"])
    w, session = await opening(ModernServer({"tools/call": lambda _: page}))

    refused = await call(w, session)
    later = await w.legacy(session, "ping")

    assert (refused.status, body(refused)["error"]["code"]) == (400, -31014)
    assert (later.status, w.live.spoken.only(URL)) == (200, Era.MODERN)


@pytest.mark.parametrize("upstream", ["up-1", None])
async def test_a_server_that_gave_up_the_legacy_era_has_forgotten_its_sessions(
    upstream: str | None,
) -> None:
    given = json_answer(initialized())
    given.headers = {**given.headers, **({"mcp-session-id": upstream} if upstream else {})}
    w = world(lambda _: given)
    session = header(await w.send(initialize()), "mcp-session-id")
    server = ModernServer({"tools/call": lambda _: DONE})
    w.upstream.script = server

    gone = await call(w, session)
    _, again = await opening(server, before=w)

    assert gone.status == 404
    assert len(await w.live.store.scan(ENDED, "", limit=9)) == (upstream is not None)
    assert body(await call(w, again)) == result({"content": []})


async def test_a_server_that_speaks_both_is_spoken_to_in_the_clients_own_era() -> None:
    w = world(lambda _: json_answer(initialized(), mcp_session_id="up-1"))

    answer = await w.send(initialize())

    assert (body(answer), len(w.upstream.sent)) == (initialized(), 1)


@pytest.mark.parametrize("method", FORWARDED)
async def test_a_request_stands_alone_and_its_result_loses_what_is_new(method: str) -> None:
    params, plain = FORWARDED[method]
    said = {"resultType": "complete", "ttlMs": 5, "cacheScope": "public", "_meta": SERVER_INFO}
    server = ModernServer({method: lambda _: {**plain, **said}})
    w, session = await opening(server, capabilities={"roots": {"listChanged": True}})

    trace = {"progressToken": "t", "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
    answer = await w.legacy(session, method, {**params, "_meta": trace}, request_id="r")

    sent, outgoing = server.sent[-1], server.requests[-1]
    assert (answer.status, header(answer, "mcp-session-id")) == (200, None)
    assert body(answer)["result"] == plain
    assert sent["params"] == {
        **params,
        "_meta": {
            **trace,
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
            "io.modelcontextprotocol/clientInfo": {"name": "legacy", "version": "1"},
        },
    }
    assert (sent["id"], sent_header(outgoing, "mcp-method")) == ("r", method)
    assert sent_header(outgoing, "mcp-protocol-version") == MODERN
    assert sent_header(outgoing, "mcp-session-id") is None
    named = params.get("name") or params.get("uri")
    assert sent_header(outgoing, "mcp-name") == named


async def test_numbers_reach_the_server_as_they_were_written() -> None:
    w, session = await opening(ModernServer({"tools/call": lambda _: DONE}))
    raw = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
        b'{"name":"a","arguments":{"x":1.50}}}'
    )

    await w.send(raw, headers=in_session(session))

    assert b'"arguments":{"x":1.50}' in w.upstream.sent[-1].body


async def test_what_a_legacy_client_may_not_set_is_left_out() -> None:
    server = ModernServer({"tools/call": lambda _: DONE})
    w, session = await opening(server)
    forged = {
        "name": "a",
        "inputResponses": {"q": {}},
        "requestState": "another's",
        "_meta": {
            "io.modelcontextprotocol/clientCapabilities": {"sampling": {}},
            "io.modelcontextprotocol/logLevel": "debug",
        },
    }

    await w.legacy(session, "tools/call", forged)

    params = server.sent[-1]["params"]
    assert params.keys() == {"name", "_meta"}
    assert params["_meta"]["io.modelcontextprotocol/clientCapabilities"] == {}
    assert "io.modelcontextprotocol/logLevel" not in params["_meta"]


async def test_ping_is_answered_here() -> None:
    w, session = await opening(ModernServer())
    before = len(w.upstream.sent)

    answer = await w.legacy(session, "ping")

    assert (body(answer), len(w.upstream.sent)) == (result({}), before)


async def test_a_log_level_is_kept_and_goes_with_each_later_request() -> None:
    server = ModernServer({"tools/call": lambda _: DONE})
    w, session = await opening(server)
    _, other = await opening(server, before=w)

    kept = await w.legacy(session, "logging/setLevel", {"level": "warning"})
    await call(w, session)
    await call(w, other)

    levels = [
        sent["params"]["_meta"].get("io.modelcontextprotocol/logLevel") for sent in server.sent[-2:]
    ]
    assert (body(kept), levels) == (result({}), ["warning", None])


async def test_a_log_level_that_does_not_exist_is_refused() -> None:
    w, session = await opening(ModernServer())

    answer = await w.legacy(session, "logging/setLevel", {"level": "loud"})

    assert body(answer)["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("logging/setLevel", {"level": "info"}),
        ("resources/subscribe", {"uri": "file:///a"}),
        ("resources/unsubscribe", {"uri": "file:///a"}),
    ],
)
async def test_what_the_server_does_not_offer_is_an_unknown_method(
    method: str, params: dict[str, Any]
) -> None:
    bare = {**DISCOVERED, "capabilities": {"resources": {}}}
    w, session = await opening(ModernServer({"server/discover": lambda _: bare}))

    answer = await w.legacy(session, method, params)

    assert body(answer)["error"]["code"] == -32601


async def test_a_session_subscribes_to_a_bounded_number_of_resources() -> None:
    w, session = await opening(ModernServer())

    async def subscribe(number: int) -> Any:
        return body(await w.legacy(session, "resources/subscribe", {"uri": f"file:///{number}"}))

    for number in range(256):
        assert await subscribe(number) == result({})

    assert (await subscribe(256))["error"]["code"] == -32602
    assert await subscribe(0) == result({})


# -- notifications of the client ---------------------------------------------------------------


@pytest.mark.parametrize("method", NOTIFICATIONS)
async def test_a_notification_is_taken_and_none_reaches_the_server(method: str) -> None:
    w, session = await opening(ModernServer())
    before = len(w.upstream.sent)

    answer = await w.send(told(method, requestId=9, taskId="t"), headers=in_session(session))

    assert answer.status in (202, 403)  # 403 where the client's revision does not know it
    assert len(w.upstream.sent) == before


# -- results and errors ------------------------------------------------------------------------


async def test_an_answer_in_a_stream_passes_with_what_the_server_tells_on_it() -> None:
    progress = told("notifications/progress", progressToken="t", progress=1)
    said = sse_answer(b": alive\n\n", progress, result(DONE))
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))

    answer = await call(w, session)

    assert events(await drained(answer)) == [progress, result({"content": []})]
    assert w.log.words()[-1] == ("outcome", "ok")


@pytest.mark.parametrize(
    ("code", "shown"),
    [(-32601, -32601), (-32602, -32602), (-32603, -32603), (-32021, -32600), (-32020, -32603)],
)
async def test_an_error_has_a_code_that_legacy_clients_know(code: int, shown: int) -> None:
    error = {"code": code, "message": "no", "data": {"requiredCapabilities": {"sampling": {}}}}
    refused = {"jsonrpc": "2.0", "id": 1, "error": error}
    w, session = await opening(
        ModernServer({"prompts/list": lambda _: json_answer(refused, status=400)})
    )

    answer = await w.legacy(session, "prompts/list")

    assert (answer.status, body(answer)["error"]) == (200, {**error, "code": shown})


async def test_a_missing_resource_looks_like_a_forbidden_one() -> None:
    error = {"code": -32602, "message": "Oops", "data": {"uri": "file:///a"}}
    refused = {"jsonrpc": "2.0", "id": 1, "error": error}
    w, session = await opening(
        ModernServer({"resources/read": lambda _: json_answer(refused, status=400)})
    )

    answer = await w.legacy(session, "resources/read", {"uri": "file:///a"})

    assert body(answer)["error"]["message"].startswith("not found or not permitted")


async def test_structured_content_is_an_object_before_2026() -> None:
    schemas = [{"type": "array"}, {"type": "object"}, True]
    tools = [
        {"name": f"t{n}", "inputSchema": {"type": "object"}, "outputSchema": schema}
        for n, schema in enumerate(schemas)
    ]
    server = ModernServer(
        {
            "tools/call": lambda _: {**DONE, "structuredContent": [1]},
            "tools/list": lambda _: {"resultType": "complete", "tools": tools},
        }
    )
    w, session = await opening(server)

    listed = body(await w.legacy(session, "tools/list"))["result"]["tools"]
    answer = await call(w, session)

    assert ["outputSchema" in tool for tool in listed] == [False, True, False]
    assert body(answer)["result"] == {"content": []}


async def test_an_unreadable_answer_is_an_invalid_one() -> None:
    w, session = await opening(ModernServer({"tools/call": lambda _: json_answer(b"hello")}))

    answer = await call(w, session)

    assert body(answer)["error"]["code"] == -31012


async def test_a_list_without_its_items_is_an_invalid_answer() -> None:
    w, session = await opening(ModernServer({"tools/list": lambda _: {"resultType": "complete"}}))

    answer = await w.legacy(session, "tools/list")

    assert body(answer)["error"]["code"] == -31012


@pytest.mark.parametrize(
    "said",
    [
        {"resultType": "task", "taskId": "t"},
        {"resultType": "complete", "content": [], "inputRequests": {}},
        {"resultType": "input_required", "inputRequests": []},
    ],
)
@pytest.mark.parametrize("answer_with", [json_answer, sse_answer])
async def test_a_result_of_a_wrong_type_is_an_invalid_answer(said: Any, answer_with: Any) -> None:
    w, session = await opening(ModernServer({"tools/call": lambda _: answer_with(result(said))}))

    answer = await call(w, session)

    read = body(answer) if isinstance(answer.body, bytes) else events(await drained(answer))[0]
    assert read["error"]["code"] == -31012


# -- parameters in headers ---------------------------------------------------------------------

REGION = {"type": "string", "x-mcp-header": "Region"}
TOOL = {"name": "a", "inputSchema": {"type": "object", "properties": {"region": REGION}}}


def strict(message: dict[str, Any], sent: dict[str, str | None]) -> Any:
    if sent["mcp-param-region"] == message["params"]["arguments"].get("region"):
        return DONE
    error = {"code": -32020, "message": "Mcp-Param-Region is missing"}
    return json_answer({"jsonrpc": "2.0", "id": message["id"], "error": error}, status=400)


def mirroring() -> ModernServer:
    server = ModernServer({"tools/list": lambda _: {"resultType": "complete", "tools": [TOOL]}})
    server.replies["tools/call"] = lambda message: strict(
        message, {"mcp-param-region": sent_header(server.requests[-1], "mcp-param-region")}
    )
    return server


@pytest.mark.parametrize("listed", [True, False])
async def test_arguments_are_mirrored_as_the_tools_schema_wants_it(listed: bool) -> None:
    server = mirroring()
    w, session = await opening(server)
    if listed:
        await w.legacy(session, "tools/list")

    answer = await w.legacy(session, "tools/call", {"name": "a", "arguments": {"region": "eu"}})

    asked = [sent["method"] for sent in server.sent[1:]]
    assert body(answer)["result"] == {"content": []}
    assert asked == (
        ["tools/list", "tools/call"] if listed else ["tools/call", "tools/list", "tools/call"]
    )


async def test_a_tool_whose_header_annotation_is_wrong_is_not_listed() -> None:
    wrong = {"type": "number", "x-mcp-header": "Region"}
    bad = {"name": "b", "inputSchema": {"type": "object", "properties": {"region": wrong}}}
    w, session = await opening(
        ModernServer({"tools/list": lambda _: {"resultType": "complete", "tools": [TOOL, bad]}})
    )

    answer = await w.legacy(session, "tools/list")

    assert [tool["name"] for tool in body(answer)["result"]["tools"]] == ["a"]


# -- what the server asks for ------------------------------------------------------------------

ASKED: Mapping[str, tuple[str, Any, Any]] = {
    "form": (
        "elicitation/create",
        {"mode": "form", "message": "?", "requestedSchema": {"type": "object"}},
        {"message": "?", "requestedSchema": {"type": "object"}},
    ),
    "url": (
        "elicitation/create",
        {"mode": "url", "message": "?", "url": "https://example.com"},
        {"elicitationId": "d4.1.1", "mode": "url", "message": "?", "url": "https://example.com"},
    ),
    "sampling": ("sampling/createMessage", {"messages": [], "maxTokens": 1},
                 {"messages": [], "maxTokens": 1}),
    "roots": ("roots/list", None, None),
}  # fmt: skip
ABLE: Mapping[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}


def wanting(entry: dict[str, Any], *, rounds: int = 1, state: str | None = "S") -> ModernServer:
    """Return a server whose tool asks for `entry` so many times, then says what it was given."""

    def reply(message: dict[str, Any]) -> Any:
        given = message["params"].get("inputResponses")
        turn = 0 if given is None else int(str(message["id"]).rpartition(".")[2])
        if turn < rounds:
            more = {} if state is None else {"requestState": f"{state}{turn}"}
            return {"resultType": "input_required", "inputRequests": {"q": entry}, **more}
        return {**DONE, "structuredContent": {"given": given}}

    return ModernServer({"tools/call": reply, "prompts/get": reply, "resources/read": reply})


def entry_of(method: str, params: Any) -> dict[str, Any]:
    return {"method": method} if params is None else {"method": method, "params": params}


async def asked_and_answered(w: World, session: str, answer: Any, reply: dict[str, Any]) -> Any:
    """Return what the server asked and the end of the call, after the client replied."""
    stream = answer.body.__aiter__()
    (asked,) = events(await next_said(stream))
    posted = await w.send(
        {"jsonrpc": "2.0", "id": asked["id"], **reply}, headers=in_session(session)
    )
    assert posted.status == 202
    rest = b"".join([piece async for piece in stream])
    return asked, events(rest)[-1]


ANSWERS: Mapping[str, Any] = {
    "form": {"action": "accept", "content": {"name": "Ada"}},
    "url": {"action": "accept"},
    "sampling": {"role": "assistant", "content": {"type": "text", "text": "x"}, "model": "m"},
    "roots": {"roots": []},
}


@pytest.mark.parametrize("kind", ASKED)
async def test_what_the_server_wants_is_asked_on_the_stream_of_the_call(kind: str) -> None:
    method, params, shown = ASKED[kind]
    server = wanting(entry_of(method, params))
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE)

    given = ANSWERS[kind]
    asked, ended = await asked_and_answered(
        w, session, await call(w, session), {"result": {**given, "_meta": {}}}
    )

    first, second = server.sent[-2:]
    assert asked == {"jsonrpc": "2.0", "id": "d4.1.1", **entry_of(method, shown)}
    assert ended["result"]["structuredContent"] == {"given": {"q": given}}
    assert (first["id"], second["id"]) == (1, "d4.1")
    assert second["params"] == {
        **first["params"], "inputResponses": {"q": given}, "requestState": "S0",
    }  # fmt: skip
    assert ("server-message", "pass") in w.log.words()


@pytest.mark.parametrize(
    ("method", "params"), [("prompts/get", {"name": "p"}), ("resources/read", {"uri": "file:///a"})]
)
async def test_prompts_and_resources_may_ask_too(method: str, params: dict[str, str]) -> None:
    w, session = await opening(
        wanting(entry_of(*ASKED["form"][:2])), ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE
    )

    answer = await w.legacy(session, method, params)
    _, ended = await asked_and_answered(w, session, answer, {"result": {"action": "accept"}})

    assert ended["result"]["structuredContent"] == {"given": {"q": {"action": "accept"}}}


async def test_several_rounds_are_one_call_for_the_client() -> None:
    server = wanting(entry_of(*ASKED["form"][:2]), rounds=3)
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE)

    answer = await call(w, session)
    seen: list[Any] = []
    async for piece in answer.body:
        for message in events(piece):
            seen.append(message)
            if "method" in message:
                reply = result({"action": "accept"}, request_id=message["id"])
                await w.send(reply, headers=in_session(session))

    assert [message.get("id") for message in seen] == ["d4.1.1", "d4.2.1", "d4.3.1", 1]
    states = [sent["params"].get("requestState") for sent in server.sent[1:]]
    assert states == [None, "S0", "S1", "S2"]


async def test_a_server_that_only_wants_the_call_again_gets_it_again() -> None:
    again = {"resultType": "input_required", "requestState": "later"}
    server = ModernServer()
    server.replies["tools/call"] = lambda m: DONE if "requestState" in m["params"] else again
    w, session = await opening(server)

    answer = await call(w, session)

    assert events(await drained(answer)) == [result({"content": []})]
    assert server.sent[-1]["params"]["requestState"] == "later"


async def test_a_server_that_asks_without_end_is_given_up() -> None:
    again = {"resultType": "input_required", "requestState": "later"}
    server = ModernServer({"tools/call": lambda _: again})
    w, session = await opening(server)

    (ended,) = events(await drained(await call(w, session)))

    assert ended["error"]["code"] == -31012
    assert len(server.sent) == 18


@pytest.mark.parametrize("kind", ASKED)
async def test_an_answer_that_is_none_ends_the_call(kind: str) -> None:
    server = wanting(entry_of(*ASKED[kind][:2]))
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE)

    _, ended = await asked_and_answered(w, session, await call(w, session), {"result": {"ok": 1}})

    assert ended["error"]["code"] == -32602
    assert len(server.sent) == 2


async def test_a_form_that_the_client_cannot_show_counts_as_dismissed() -> None:
    w, session = await opening(
        wanting(entry_of(*ASKED["form"][:2])), ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE
    )

    _, ended = await asked_and_answered(
        w, session, await call(w, session), {"error": {"code": -1, "message": "no screen"}}
    )

    assert ended["result"]["structuredContent"] == {"given": {"q": {"action": "cancel"}}}


@pytest.mark.parametrize("kind", ["sampling", "roots"])
async def test_an_error_of_the_client_ends_the_call_where_nothing_else_can_be_said(
    kind: str,
) -> None:
    method, params, _ = ASKED[kind]
    server = wanting(entry_of(method, params))
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE)

    _, ended = await asked_and_answered(
        w, session, await call(w, session), {"error": {"code": -1, "message": "rejected"}}
    )

    assert ended["error"] == {"code": -1, "message": f"the server asked for {method}: rejected"}
    assert len(server.sent) == 2


@pytest.mark.parametrize(
    ("kind", "able", "needed"),
    [
        ("form", {"elicitation": {"url": {}}}, {"elicitation": {"form": {}}}),
        ("url", {"elicitation": {}}, {"elicitation": {"url": {}}}),
        ("sampling", {}, {"sampling": {}}),
        ("tools", {"sampling": {}}, {"sampling": {"tools": {}}}),
        ("roots", {"sampling": {}}, {"roots": {}}),
    ],
)
async def test_what_the_client_did_not_declare_is_never_asked(
    kind: str, able: dict[str, Any], needed: dict[str, Any]
) -> None:
    tools: Any = ("sampling/createMessage", {"messages": [], "tools": []})
    server = wanting(entry_of(*(tools if kind == "tools" else ASKED[kind][:2])))
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities=able)

    (ended,) = events(await drained(await call(w, session)))

    assert ended["error"]["code"] == -32600
    assert ended["error"]["data"] == {"requiredCapabilities": needed}
    assert len(server.sent) == 2


async def test_an_answer_that_came_to_another_replica_is_found() -> None:
    w, session = await opening(
        wanting(entry_of(*ASKED["form"][:2])), ALLOW_ALL, ALLOW_SERVER, capabilities=ABLE
    )
    other = second_replica(w)

    answer = await call(w, session)
    stream = answer.body.__aiter__()
    (asked,) = events(await next_said(stream))
    reply = result({"action": "accept"}, request_id=asked["id"])
    posted = await other.send(reply, headers=in_session(session))
    rest = b"".join([piece async for piece in stream])

    assert posted.status == 202
    assert events(rest)[0]["result"]["structuredContent"] == {"given": {"q": {"action": "accept"}}}


def second_replica(w: World) -> World:
    """Return another pipeline on the same store and keys."""
    other = world(w.upstream.script, ALLOW_ALL, ALLOW_SERVER)
    for name in ("store", "seal"):
        object.__setattr__(other.live, name, getattr(w.live, name))
    box = type(w.live.mailbox)(
        w.live.store, w.live.seal, clock=w.live.clock, entropy=w.live.entropy
    )
    object.__setattr__(other.live, "mailbox", box)
    return other


# -- beside other servers ----------------------------------------------------------------------


async def test_a_server_of_2026_stands_beside_a_legacy_one_behind_one_url() -> None:
    asks = wanting(entry_of(*ASKED["form"][:2]))
    schema = {"inputSchema": {"type": "object"}}
    listed = {"resultType": "complete", "tools": [{"name": "new", **schema}]}
    asks.replies["tools/list"] = lambda _: listed
    old = Server(session="up-1", tools__list={"tools": [{"name": "old", **schema}]})
    w = joined({"modern": asks, "legacy": old}, ALLOW_ALL, ALLOW_SERVER)
    w, session = await opening(asks, before=w, capabilities=ABLE)

    tools = body(await w.legacy(session, "tools/list"))["result"]["tools"]
    called = await w.legacy(session, "tools/call", {"name": "modern_new", "arguments": {}})
    asked, ended = await asked_and_answered(w, session, called, {"result": {"action": "accept"}})

    assert sorted(tool["name"] for tool in tools) == ["legacy_old", "modern_new"]
    assert asked["params"] == ASKED["form"][2]
    assert ended["result"]["structuredContent"] == {"given": {"q": {"action": "accept"}}}


async def test_a_batch_of_2025_03_26_is_bridged_message_by_message() -> None:
    server = ModernServer({"tools/call": lambda _: DONE})
    w, session = await opening(server, version="2025-03-26")
    batch = [
        request("tools/call", {"name": "a"}, request_id=1),
        told("notifications/initialized"),
        request("ping", request_id=2),
        request("tools/call", {"name": "b"}, request_id=3),
    ]

    answer = await w.send(batch, headers=in_session(session))

    assert body(answer) == [
        result({"content": []}, request_id=1),
        result({}, request_id=2),
        result({"content": []}, request_id=3),
    ]
    assert [sent["params"]["name"] for sent in server.sent[1:]] == ["a", "b"]
