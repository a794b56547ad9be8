"""Decisions 20 and 22, policy.md 1, 9 to 14: what policy says holds on every message, both ways."""

import asyncio
import json
from ipaddress import ip_address
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    MODERN_META,
    ORIGIN,
    PATH,
    ScriptedExchange,
    body,
    drained,
    events,
    header,
    json_answer,
    modern_headers,
    request,
    result,
    sse_answer,
    world,
)
from ostiary_proxy.pipeline.handle import handle
from ostiary_proxy.wire import Incoming

READ = {
    "name": "read",
    "effect": "Allow",
    "who": {"everyone": True},
    "match": {"tools": ["read_*"]},
}
UNKNOWN = result({"isError": True, "content": [{"type": "text", "text": "Unknown tool: read_x"}]})


async def test_a_denied_call_is_http_200_with_a_decision_id_and_never_forwarded():
    w = world(
        None,
        READ,
        {"name": "no", "effect": "Deny", "match": {"tools": ["read_a"]}, "message": "not now"},
    )

    answer = await w.modern("tools/call", {"name": "read_a"})

    assert (answer.status, w.upstream.sent) == (200, [])
    assert body(answer) == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {
            "code": -31003,
            "message": "not now (decision d1); see https://ostiary.dev/docs/errors#denied",
            "data": {"decision": "d1"},
        },
    }
    assert w.log.words() == [("decision", "deny")]


async def test_a_hidden_tool_and_a_missing_one_look_alike():
    w = world(lambda _: json_answer(UNKNOWN), READ)

    hidden = body(await w.modern("tools/call", {"name": "secret"}))
    missing = body(await w.modern("tools/call", {"name": "read_x"}))

    ids = [one["error"]["data"].pop("decision") for one in (hidden, missing)]
    for one, its in zip((hidden, missing), ids, strict=True):
        one["error"]["message"] = one["error"]["message"].replace(its, "ID")
    assert hidden == missing
    assert hidden["error"]["code"] == -32602


@pytest.mark.parametrize("code", [-32002, -32602])
async def test_a_hidden_resource_and_a_missing_one_look_alike(code):
    missing = {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": code, "message": "Resource file:///a not found"},
    }
    w = world(lambda _: json_answer(missing), ALLOW_ALL)
    seen = body(await w.modern("resources/read", {"uri": "file:///a"}))
    w.allow(READ)
    hidden = body(await w.modern("resources/read", {"uri": "file:///a"}))

    assert seen["error"]["code"] == hidden["error"]["code"] == -32602
    assert seen["error"]["data"]["uri"] == hidden["error"]["data"]["uri"] == "file:///a"


async def test_an_error_about_arguments_passes_as_it_is():
    error = {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": -32602, "message": "path must be a string"},
    }
    w = world(lambda _: json_answer(error), READ)

    assert body(await w.modern("tools/call", {"name": "read_x"})) == error


async def test_without_a_foothold_not_even_initialize_reaches_upstream():
    w = world(None, {**READ, "who": {"groups": ["finance"]}})

    answers = [
        await w.modern("server/discover"),
        await w.modern("tools/list"),
        await w.send(request("initialize", {"protocolVersion": "2025-11-25"})),
    ]

    assert [body(answer)["error"]["code"] for answer in answers] == [-31003] * 3
    assert w.upstream.sent == []


async def test_a_route_without_policy_says_what_to_write():
    w = world()
    w.allow()

    answer = await w.modern("tools/list")

    assert body(answer)["error"]["code"] == -31004
    assert "MCPPolicy" in body(answer)["error"]["message"]


async def test_a_full_limit_is_refused_with_the_time_to_wait_and_lists_spend_nothing():
    limited = {**READ, "rateLimit": {"requests": 1, "per": "1m", "by": ["user"]}}
    w = world(lambda sent: json_answer(result({"tools": []})), limited)
    for _ in range(3):
        assert "result" in body(await w.modern("tools/list"))

    first = await w.modern("tools/call", {"name": "read_a"})
    second = await w.modern("tools/call", {"name": "read_a"})
    other = await w.modern("tools/call", {"name": "read_a"}, token="bob")

    assert "result" in body(first)
    assert body(second)["error"]["code"] == -31006
    assert int(header(second, "retry-after")) == body(second)["error"]["data"]["retryAfter"] > 0
    assert "result" in body(other)


REDACT = {
    **ALLOW_ALL,
    "transform": {
        "redact": [
            {"in": "Result", "pattern": "[0-9]{4}"},
            {"in": "Result", "paths": ["card"]},
            {"in": "Arguments", "paths": ["pin"]},
        ]
    },
}
RESULT = {
    "content": [{"type": "text", "text": "pin 1234"}],
    "structuredContent": {"card": "x", "n": 1.50},
    "requestState": "9999",
}
REDACTED = {
    "content": [{"type": "text", "text": "pin [redacted]"}],
    "structuredContent": {"card": "[redacted]", "n": 1.50},
    "requestState": "9999",
}


@pytest.mark.parametrize("answer", [json_answer, sse_answer])
async def test_results_are_redacted_text_and_structure_json_and_stream_alike(answer):
    w = world(lambda _: answer(result(RESULT)), REDACT)

    said = await w.modern("tools/call", {"name": "a"})

    shown = body(said) if isinstance(said.body, bytes) else events(await drained(said))[0]
    assert shown == result(REDACTED)


async def test_what_a_server_says_in_meta_is_redacted_but_for_what_the_protocol_says_there():
    protocols = {"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "2026"}}
    said = {"content": [], "_meta": {**protocols, "example.com/pin": "1234", "5678": 1234}}
    w = world(lambda _: json_answer(result(said)), REDACT)

    shown = body(await w.modern("tools/call", {"name": "a"}))["result"]

    clean = {"example.com/pin": "[redacted]", "[redacted]": "[redacted]"}
    assert shown == {"content": [], "_meta": {**protocols, **clean}}


async def test_redacted_arguments_go_upstream_in_our_own_serialisation_with_number_lexemes_kept():
    w = world(None, REDACT)
    data = json.dumps(request("tools/call", {"name": "a", "_meta": MODERN_META})).encode()
    data = data.replace(b'"name": "a"', b'"name": "a", "arguments": {"pin": 1, "n": 1.500}')

    await w.send(data, headers=modern_headers("tools/call", {"name": "a"}))

    assert b'"arguments":{"pin":"[redacted]","n":1.500}' in w.upstream.sent[0].body


async def test_deny_rules_run_again_on_transformed_arguments():
    deny = {
        "name": "no-redacted", "effect": "Deny", "match": {"tools": ["*"]},
        "condition": "args.pin == '[redacted]'",
    }  # fmt: skip
    w = world(None, REDACT, deny)

    answer = await w.modern("tools/call", {"name": "a", "arguments": {"pin": "1"}})

    assert (body(answer)["error"]["code"], w.upstream.sent) == (-31003, [])


async def test_an_open_stream_is_cut_when_policy_changes_against_it():
    held = asyncio.get_running_loop().create_future()
    w = world(lambda _: sse_answer(held, result({})))
    answer = await w.modern("tools/call", {"name": "a"})

    w.allow(READ)

    said = events(await drained(answer))
    assert [message["error"]["code"] for message in said] == [-32602]
    assert w.log.words()[-1] == ("outcome", "cut")
    assert w.upstream.exchanges[0].closed


async def test_an_open_stream_is_cut_when_its_grant_is_revoked():
    held = asyncio.get_running_loop().create_future()
    w = world(lambda _: sse_answer(held, result({})))
    answer = await w.modern("subscriptions/listen", {"notifications": {}})

    w.doors.grants.clear()
    w.live.streams.wake()

    assert [message["error"]["code"] for message in events(await drained(answer))] == [-31002]


async def test_a_call_that_outlived_its_token_is_cut_when_its_grant_is_revoked():
    held = asyncio.get_running_loop().create_future()
    w = world(lambda _: sse_answer(held, result({})))
    answer = await w.modern("tools/call", {"name": "a"})
    w.now[0] = 20_000.0

    w.doors.grants.clear()
    w.live.streams.wake()

    assert [message["error"]["code"] for message in events(await drained(answer))] == [-31002]


async def slowly(change):
    """Return what a call is told whose body ends a second after its head, after a change."""
    w = world()
    call = {"name": "a", "_meta": MODERN_META}

    async def read(_limit):
        w.now[0] += 1
        change(w)
        return json.dumps(request("tools/call", call)).encode()

    head = (("authorization", "Bearer alice"), ("content-type", "application/json"))
    incoming = Incoming(
        method="POST", origin=ORIGIN, path=PATH, query="", source=ip_address("192.0.2.7"),
        headers=(*head, *modern_headers("tools/call", call)), read=read,
    )  # fmt: skip
    return w, await handle(incoming, w.live)


async def test_a_request_whose_grant_was_revoked_while_it_came_in_is_not_forwarded():
    w, answer = await slowly(lambda w: w.doors.grants.clear())

    assert (answer.status, w.upstream.sent) == (401, [])


async def test_a_request_that_policy_denies_once_all_of_it_is_here_is_not_forwarded():
    w, answer = await slowly(lambda w: w.allow(READ))

    assert (body(answer)["error"]["code"], w.upstream.sent) == (-32602, [])


async def test_a_request_that_came_in_slowly_is_forwarded_where_nothing_changed():
    w, answer = await slowly(lambda _: None)

    assert (answer.status, len(w.upstream.sent)) == (200, 1)


async def awaited(change, *, seconds):
    """Return what a call is told whose JSON answer comes that late, after a change of the world."""
    held = asyncio.get_running_loop().create_future()
    pieces: list[Any] = [b'{"jsonrpc":"2.0","id":1,', held, b'"result":{"content":["pin 1234"]}}']
    w = world(lambda _: ScriptedExchange(200, {"content-type": "application/json"}, pieces))
    call = asyncio.create_task(w.modern("tools/call", {"name": "a"}))
    while not w.upstream.exchanges:
        await asyncio.sleep(0)
    w.now[0] += seconds
    change(w)
    held.set_result(None)
    return w, body(await call)


async def test_an_answer_that_comes_after_its_grant_was_revoked_is_not_told():
    w, told = await awaited(lambda w: w.doors.grants.clear(), seconds=1)

    assert (told["id"], told["error"]["code"]) == (1, -31002)
    assert w.log.words()[-1] == ("outcome", "cut")


async def test_an_answer_that_comes_after_its_token_ended_is_told_as_long_as_the_grant_lives():
    _, told = await awaited(lambda _: None, seconds=20_000)

    assert told == result({"content": ["pin 1234"]})


async def test_an_answer_that_comes_after_policy_changed_against_it_is_not_told():
    w, told = await awaited(lambda w: w.allow(READ), seconds=1)

    assert (told["id"], told["error"]["code"]) == (1, -32602)
    assert w.log.words()[-1] == ("outcome", "cut")


async def test_an_answer_that_comes_late_is_redacted_by_the_policy_of_then():
    _, told = await awaited(lambda w: w.allow(REDACT), seconds=1)

    assert told == result({"content": ["pin [redacted]"]})


async def test_a_policy_that_still_allows_cuts_nothing():
    held = asyncio.get_running_loop().create_future()
    w = world(lambda _: sse_answer(held, result({"ok": True})))
    answer = await w.modern("tools/call", {"name": "read_a"})
    w.allow(READ)
    reading = asyncio.create_task(drained(answer))
    while not w.upstream.exchanges:
        await asyncio.sleep(0)

    held.set_result(None)

    assert events(await reading) == [result({"ok": True})]


async def test_an_item_that_was_hidden_by_a_list_stays_hidden_on_later_pages():
    pages = {
        "cursor-1": {"tools": [{"name": "read_b"}]},
        None: {"tools": [{"name": "x"}], "nextCursor": "cursor-1"},
    }
    w = world(
        lambda sent: json_answer(result(pages[json.loads(sent.body)["params"].get("cursor")])), READ
    )

    first = body(await w.modern("tools/list"))["result"]
    second = body(await w.modern("tools/list", {"cursor": first["nextCursor"]}))["result"]

    assert (first["tools"], second["tools"]) == ([], [{"name": "read_b"}])


@pytest.mark.parametrize("answer", [json_answer, sse_answer])
async def test_errors_of_upstream_are_redacted_like_results(answer):
    error = {"code": -32000, "message": "pin 1234", "data": {"said": "5678"}}
    w = world(lambda _: answer({"jsonrpc": "2.0", "id": 1, "error": error}), REDACT)

    said = await w.modern("tools/call", {"name": "a"})

    shown = body(said) if isinstance(said.body, bytes) else events(await drained(said))[0]
    clean = {"code": -32000, "message": "pin [redacted]", "data": {"said": "[redacted]"}}
    assert shown["error"] == clean


async def test_an_error_under_a_bad_status_is_redacted_too():
    error = {"code": -32000, "message": "pin 1234", "data": "5678"}
    w = world(
        lambda _: json_answer({"jsonrpc": "2.0", "id": 1, "error": error}, status=400), REDACT
    )

    answer = await w.modern("tools/call", {"name": "a"})

    clean = {"code": -32000, "message": "pin [redacted]", "data": "[redacted]"}
    assert body(answer)["error"] == clean


async def test_what_a_completion_tells_is_redacted_like_the_arguments_that_it_becomes():
    redact = [{"in": "Arguments", "pattern": "[0-9]{4}"}, {"in": "Arguments", "paths": ["pin"]}]
    w = world(None, {**ALLOW_ALL, "transform": {"redact": redact}})
    ref = {"type": "ref/prompt", "name": "p"}

    for name, value in (("card", "no 1234"), ("pin", "5")):
        params = {
            "ref": ref, "argument": {"name": name, "value": value},
            "context": {"arguments": {"pin": "7", "other": "x 5678"}},
        }  # fmt: skip
        await w.modern("completion/complete", params)

    said = [json.loads(sent.body)["params"] for sent in w.upstream.sent]
    assert [one["argument"]["value"] for one in said] == ["no [redacted]", "[redacted]"]
    clean = {"pin": "[redacted]", "other": "x [redacted]"}
    assert [one["context"] for one in said] == [{"arguments": clean}] * 2
    assert all(one["ref"] == ref for one in said)


async def test_a_completion_in_which_nothing_is_redacted_goes_on_as_it_came():
    redact = [{"in": "Arguments", "paths": ["pin"]}]
    w = world(None, {**ALLOW_ALL, "transform": {"redact": redact}})
    asked = request("completion/complete", {"ref": {"type": "ref/prompt", "name": "p"}})
    data = json.dumps(asked).replace("{", "{ ").encode()
    session = await w.session()

    await w.send(data, headers=(("mcp-session-id", session),))

    assert w.upstream.sent[-1].body == data
