"""Rules 6, 9 to 24, 30, 35 to 39, 44 to 49: requests of 2026-07-28."""

import base64
import json
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    CREDENTIAL,
    MODERN_META,
    body,
    drained,
    event,
    events,
    header,
    json_answer,
    modern_headers,
    request,
    result,
    sent_header,
    sse_answer,
    world,
)
from ostiary_proxy.mcp.methods import REVISIONS

CALL = {"name": "read_file", "arguments": {"path": "a"}, "_meta": MODERN_META}
DENY_SECRET = {"name": "no-secret", "effect": "Deny", "match": {"tools": ["secret"]}}


async def test_a_call_is_forwarded_as_the_very_same_bytes_with_headers_of_our_own():
    w = world()
    data = json.dumps(request("tools/call", CALL)).encode() + b" "
    headers = (
        *modern_headers("tools/call", CALL),
        ("mcp-param-region", "=?base64?w6Q=?="),
        ("cookie", "a=b"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-internal-user", "root"),
        ("mcp-session-id", "s"),
        ("last-event-id", "7"),
    )

    answer = await w.send(data, headers=headers)

    assert (answer.status, body(answer)) == (200, result({"content": []}))
    assert w.upstream.sent[0].body == data
    assert w.upstream.sent[0].headers == (
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("accept-encoding", "identity"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "read_file"),
        ("mcp-param-region", "=?base64?w6Q=?="),
        ("authorization", f"Bearer {CREDENTIAL}"),
    )
    assert header(answer, "mcp-session-id") is None
    assert w.log.words() == [("decision", "allow"), ("outcome", "ok")]


MISMATCHES = {
    "no version header": (("mcp-method", "tools/call"), ("mcp-name", "read_file")),
    "another version": (
        ("mcp-protocol-version", "2025-11-25"), ("mcp-method", "tools/call"), ("mcp-name",
        "read_file"),
    ),
    "no method": (("mcp-protocol-version", "2026-07-28"), ("mcp-name", "read_file")),
    "method in capitals": (
        ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "TOOLS/CALL"), ("mcp-name",
        "read_file"),
    ),
    "no name": (("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call")),
    "another name": (
        ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "other"),
    ),
    "broken base64": (
        ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name",
        "=?base64?a?="),
    ),
    "two names": (
        ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"),
        ("mcp-name", "read_file"), ("mcp-name", "read_file"),
    ),
    "no base64": (
        ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name",
        "=?base64?cmVhZF9maWxl!?="),
    ),
    "two methods": (*modern_headers("tools/call", CALL), ("mcp-method", "tools/call")),
    "two versions": (*modern_headers("tools/call", CALL), ("mcp-protocol-version", "2026-07-28")),
    "other letters": (*modern_headers("tools/call", CALL), ("mcp-param-a", "\udcff")),
    "two parameters": (*modern_headers("tools/call", CALL), ("mcp-param-a", "1"), ("mcp-param-a",
    "2")),
}  # fmt: skip


@pytest.mark.parametrize("name", MISMATCHES)
async def test_headers_that_differ_from_the_body_are_a_mismatch(name):
    w = world()

    answer = await w.send(request("tools/call", CALL), headers=MISMATCHES[name])

    assert (answer.status, body(answer)["error"]["code"], body(answer)["id"]) == (400, -32020, 1)
    assert w.upstream.sent == []


@pytest.mark.parametrize("legacy", REVISIONS[:-1])
async def test_a_header_of_2026_before_a_body_of_another_revision_is_a_mismatch(legacy):
    w = world()
    meta = {"io.modelcontextprotocol/protocolVersion": legacy}

    answer = await w.modern("tools/list", meta=meta)

    assert (answer.status, body(answer)["error"]["code"], body(answer)["id"]) == (400, -32020, 1)
    assert w.upstream.sent == []


@pytest.mark.parametrize("sign", ["the header", "_meta"])
async def test_one_sign_of_2026_in_a_session_demands_the_others(sign):
    w = world()
    session = await w.session()
    w.upstream.sent.clear()
    headers: tuple[tuple[str, str], ...] = (("mcp-session-id", session),)
    params = {"name": "a", "_meta": MODERN_META}
    if sign == "the header":
        headers = (*headers, ("mcp-protocol-version", "2026-07-28"))
        params = {"name": "a"}

    answer = await w.send(request("tools/call", params), headers=headers)

    code = -32602 if sign == "the header" else -32020
    assert (answer.status, body(answer)["error"]["code"], body(answer)["id"]) == (400, code, 1)
    assert w.upstream.sent == []


NAMED: dict[str, dict[str, Any]] = {
    "tools/call": {"name": "a"},
    "prompts/get": {"name": "a"},
    "resources/read": {"uri": "a"},
    "tasks/get": {"taskId": "a"},
    "tasks/update": {"taskId": "a", "inputResponses": {}},
    "tasks/cancel": {"taskId": "a"},
}


@pytest.mark.parametrize("method", NAMED)
@pytest.mark.parametrize("mirrored", [(), (("mcp-name", "b"),), (("mcp-name", "A"),)])
async def test_each_method_that_names_something_repeats_the_name_in_a_header(method, mirrored):
    w = world()

    headers = (*modern_headers(method, {}), *mirrored)
    answer = await w.modern(method, NAMED[method], headers=headers)

    assert (answer.status, body(answer)["error"]["code"], body(answer)["id"]) == (400, -32020, 1)
    assert w.upstream.sent == []


async def test_a_header_that_names_what_is_allowed_opens_nothing_that_is_not():
    w = world(None, ALLOW_ALL, DENY_SECRET)

    answer = await w.modern(
        "tools/call", {"name": "secret"}, headers=modern_headers("tools/call", {"name": "a"})
    )

    assert (answer.status, body(answer)["error"]["code"]) == (400, -32020)
    assert w.upstream.sent == []


@pytest.mark.parametrize("name", ["=?base64?YQ", "YQ==?=", "=?BASE64?YQ==?="])
async def test_half_of_the_base64_form_is_the_name_itself(name):
    w = world()

    answer = await w.modern("tools/call", {"name": name})

    assert answer.status == 200
    assert sent_header(w.upstream.sent[0], "mcp-name") == name


async def test_a_name_beyond_ascii_travels_in_base64_and_is_encoded_anew():
    w = world()
    encoded = f"=?base64?{base64.b64encode('löschen'.encode()).decode()}?="
    params = {"name": "löschen", "_meta": MODERN_META}
    headers = (*modern_headers("tools/list", {}), ("mcp-name", f" {encoded} "))
    headers = (headers[0], ("mcp-method", "tools/call"), headers[2])

    answer = await w.send(request("tools/call", params), headers=headers)

    assert answer.status == 200
    assert sent_header(w.upstream.sent[0], "mcp-name") == encoded


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"_meta": {}},
        *({"_meta": {**MODERN_META, name: wrong}} for name in MODERN_META for wrong in (None, 1)),
        *({"_meta": {n: MODERN_META[n] for n in MODERN_META if n != name}} for name in MODERN_META),
    ],
)
async def test_a_request_without_the_required_meta_is_refused(params):
    w = world()

    answer = await w.send(request("tools/list", params), headers=modern_headers("tools/list", {}))

    assert (answer.status, body(answer)["error"]["code"], body(answer)["id"]) == (400, -32602, 1)
    assert w.upstream.sent == []


async def test_an_unsupported_version_is_told_what_is_served():
    old = {**MODERN_META, "io.modelcontextprotocol/protocolVersion": "1900-01-01"}
    headers = (("mcp-protocol-version", "1900-01-01"), ("mcp-method", "tools/list"))

    answer = await world().send(request("tools/list", {"_meta": old}), headers=headers)

    error = body(answer)["error"]
    assert (answer.status, error["code"]) == (400, -32022)
    assert error["data"]["supported"] == ["2026-07-28"]
    assert error["data"]["requested"] == "1900-01-01"


@pytest.mark.parametrize(
    "method",
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/list", "evil/method"],
)
async def test_a_method_outside_the_table_is_404_whatever_the_globs_say(method):
    w = world(None, {**ALLOW_ALL, "match": {"methods": ["*"]}}, {**ALLOW_ALL, "name": "b"})

    answer = await w.modern(method)

    assert (answer.status, body(answer)["error"]["code"], body(answer)["id"]) == (404, -32601, 1)
    assert w.upstream.sent == []


async def test_a_posted_response_is_refused():
    w = world()

    answer = await w.send(result({}), headers=(("mcp-protocol-version", "2026-07-28"),))

    assert (answer.status, w.upstream.sent) == (400, [])
    assert w.log.words() == [("refusal", "deny")]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_get_and_delete_are_405(method):
    w = world()

    answer = await w.send(method=method, headers=(("mcp-protocol-version", "2026-07-28"),))

    assert (answer.status, w.upstream.sent) == (405, [])


TOOLS = {
    "resultType": "complete", "ttlMs": 5, "cacheScope": "public",
    "tools": [{"name": "b"}, {"name": "secret"}, {"name": "a"}, {"Name": "x"}, "no tool"],
}  # fmt: skip
SHOWN = {**TOOLS, "cacheScope": "private", "tools": [{"name": "b"}, {"name": "a"}]}


async def test_a_list_is_filtered_in_order_and_private():
    w = world(lambda _: json_answer(result(TOOLS)), ALLOW_ALL, DENY_SECRET)

    answer = await w.modern("tools/list")

    assert body(answer) == result(SHOWN)


async def test_a_list_in_an_event_stream_is_filtered_alike():
    w = world(lambda _: sse_answer(result(TOOLS)), ALLOW_ALL, DENY_SECRET)

    answer = await w.modern("tools/list")

    assert events(await drained(answer)) == [result(SHOWN)]
    assert header(answer, "x-accel-buffering") == "no"


async def test_discover_names_only_what_is_served():
    found = {
        "supportedVersions": ["2026-07-28", "2030-01-01"], "cacheScope": "public", "ttlMs": 1,
        "capabilities": {"tools": {}, "tasks": {}, "extensions": {"x/y": {}}},
    }  # fmt: skip
    w = world(lambda _: json_answer(result(found)))

    answer = await w.modern("server/discover")

    assert body(answer)["result"] == {
        "supportedVersions": ["2026-07-28"], "cacheScope": "private", "ttlMs": 1,
        "capabilities": {"tools": {"listChanged": True}, "extensions": {"x/y": {}}},
    }  # fmt: skip


ASK = {
    "resultType": "input_required", "requestState": "opaque",
    "inputRequests": {"q": {"method": "elicitation/create", "params": {"mode": "form",
    "message": "?"}}},
}  # fmt: skip
CAN_ELICIT: dict[str, Any] = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}


async def test_an_input_request_needs_an_allow_that_names_it():
    w = world(lambda _: json_answer(result(ASK)))

    answer = await w.modern("tools/call", {"name": "a"}, meta=CAN_ELICIT)

    assert body(answer)["error"]["code"] == -31003
    w.allow(ALLOW_ALL, ALLOW_SERVER)
    answer = await w.modern("tools/call", {"name": "a"}, meta=CAN_ELICIT)
    assert body(answer)["result"]["inputRequests"] == ASK["inputRequests"]


async def test_an_input_request_that_the_client_did_not_declare_never_reaches_it():
    w = world(lambda _: json_answer(result(ASK)), ALLOW_ALL, ALLOW_SERVER)

    answer = await w.modern("tools/call", {"name": "a"})

    error = body(answer)["error"]
    assert (answer.status, error["code"], body(answer)["id"]) == (400, -32021, 1)
    assert error["data"]["requiredCapabilities"] == {"elicitation": {}}


@pytest.mark.parametrize(
    ("method", "found"),
    [
        ("tools/list", {**ASK, "tools": []}),
        ("tools/call", {**ASK, "inputRequests": {"q": {"method": "tasks/get"}}}),
        ("tools/call", {"resultType": "task", "task": {"taskId": "t"}}),
        ("tools/call", {"resultType": "complete", "inputRequests": {}}),
    ],
)
async def test_an_answer_of_a_wrong_type_is_an_upstream_error(method, found):
    w = world(lambda _: json_answer(result(found)), ALLOW_ALL, ALLOW_SERVER)

    answer = await w.modern(
        method, {"name": "a"} if method == "tools/call" else {}, meta=CAN_ELICIT
    )

    assert body(answer)["error"]["code"] == -31012


async def test_requests_on_a_stream_are_dropped_and_written_down():
    evil = request("sampling/createMessage", {"messages": []}, request_id="evil")
    w = world(lambda _: sse_answer(evil, result({"content": []})), ALLOW_ALL, ALLOW_SERVER)

    answer = await w.modern("tools/call", {"name": "a"})

    assert events(await drained(answer)) == [result({"content": []})]
    assert w.log.words() == [("decision", "allow"), ("server-message", "drop"), ("outcome", "ok")]


@pytest.mark.parametrize("other", ["1", 2, 0])
async def test_only_the_answer_to_the_id_asked_passes(other):
    w = world(lambda _: sse_answer(result({"a": 1}, request_id=other), result({"b": 2})))

    answer = await w.modern("tools/call", {"name": "a"})

    assert events(await drained(answer)) == [result({"b": 2})]


def told(method, **params):
    return {"jsonrpc": "2.0", "method": method, "params": params}


async def test_notifications_pass_only_as_the_request_asked():
    said = [
        told("notifications/progress", progressToken="mine", progress=1),
        told("notifications/progress", progressToken="other", progress=1),
        told("notifications/progress", progress=1),
        told("notifications/message", level="info", data="x"),
        told("notifications/tools/list_changed"),
        told("notifications/cancelled", requestId=1),
        told("notifications/elicitation/complete", elicitationId="e"),
        told("notifications/made-up"),
    ]
    w = world(lambda _: sse_answer(*said, result({"content": []})))

    answer = await w.modern("tools/call", {"name": "a"}, meta={"progressToken": "mine"})
    unasked = await w.modern("tools/call", {"name": "a"})

    assert events(await drained(answer)) == [said[0], result({"content": []})]
    assert events(await drained(unasked)) == [result({"content": []})]


async def test_listen_hears_only_of_resources_that_may_be_read():
    denied = {"name": "no-b", "effect": "Deny", "match": {"resources": ["file:///b"]}}
    tag = {"io.modelcontextprotocol/subscriptionId": 1}
    said = [
        told("notifications/subscriptions/acknowledged", notifications={}, _meta=tag),
        told("notifications/resources/updated", uri="file:///a", _meta=tag),
        told("notifications/resources/updated", uri="file:///b", _meta=tag),
        told("notifications/message", level="info", data="x", _meta=tag),
    ]
    w = world(lambda _: sse_answer(*said, result({"resultType": "complete"})), ALLOW_ALL, denied)
    wanted = {"resourceSubscriptions": ["file:///a", "file:///b"]}

    answer = await w.modern("subscriptions/listen", {"notifications": wanted})

    assert events(await drained(answer))[:2] == said[:2]
    sent = json.loads(w.upstream.sent[0].body)
    assert sent["params"]["notifications"] == {"resourceSubscriptions": ["file:///a"]}


async def test_a_bad_traceparent_is_not_propagated():
    w = world()
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await w.modern(
        "tools/call", {"name": "a"}, meta={"traceparent": "evil\nline", "baggage": "a=b"}
    )
    await w.modern("tools/call", {"name": "a"}, meta={"traceparent": good})

    metas = [json.loads(sent.body)["params"]["_meta"] for sent in w.upstream.sent]
    assert metas == [MODERN_META, {**MODERN_META, "traceparent": good}]


async def test_an_error_of_upstream_passes_with_its_status():
    unsupported = {
        "jsonrpc": "2.0", "id": "server-error",
        "error": {"code": -32022, "message": "no", "data": {"supported": ["2025-06-18"]}},
    }  # fmt: skip
    w = world(lambda _: json_answer(unsupported, status=400, www_authenticate="Bearer x"))

    answer = await w.modern("server/discover")

    assert (answer.status, body(answer)) == (400, {**unsupported, "id": 1})
    assert header(answer, "www-authenticate") is None


async def test_keep_alive_comments_and_retry_pass():
    w = world(lambda _: sse_answer(b": ping\n\n", b"retry: 50\n\n", event(result({}))))

    answer = await w.modern("tools/call", {"name": "a"})

    data = await drained(answer)
    assert data.startswith(b":\n\nretry: 50\n\n")
