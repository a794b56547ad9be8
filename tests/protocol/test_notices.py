"""Policy changes what clients may list, and those that were told of such notices get one."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ScriptedExchange,
    World,
    body,
    drained,
    event,
    events,
    header,
    initialize,
    initialized,
    json_answer,
    next_said,
    result,
    sse_answer,
    world,
)
from ostiary_proxy.pipeline.answer import Answer

TAG = "io.modelcontextprotocol/subscriptionId"
HIDDEN = {"name": "hidden", "effect": "Deny", "match": {"tools": ["b"]}}


def changed(kind: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": f"notifications/{kind}/list_changed"}


async def opened(w: World, capabilities: Mapping[str, Any]) -> str:
    """Open a session with a server of these capabilities."""
    said = initialized()
    said["result"]["capabilities"] = capabilities
    w.upstream.script = lambda _: json_answer(said, mcp_session_id="up-1")
    return str(header(await w.send(initialize()), "mcp-session-id"))


async def stream(w: World, session: str) -> Answer:
    held = asyncio.get_running_loop().create_future()
    w.upstream.script = lambda _: sse_answer(held)
    return await w.send(method="GET", headers=(("mcp-session-id", session),))


async def listening(w: World, *said: dict[str, Any], **wanted: Any) -> Answer:
    held = asyncio.get_running_loop().create_future()
    w.upstream.script = lambda _: sse_answer(*said, held)
    return await w.modern("subscriptions/listen", {"notifications": wanted})


def acknowledged(**kinds: Any) -> dict[str, Any]:
    params = {"notifications": kinds, "_meta": {TAG: 1}}
    method = "notifications/subscriptions/acknowledged"
    return {"jsonrpc": "2.0", "method": method, "params": params}


async def heard(w: World, *answers: Answer) -> list[list[Any]]:
    """End the process in good order and return what each stream told."""

    told = [asyncio.ensure_future(drained(answer)) for answer in answers]
    for _ in range(20):
        await asyncio.sleep(0)  # what came before is told before the streams are let go
    w.live.streams.leave()
    return [events(await one) for one in told]


@pytest.mark.parametrize("policies", [(ALLOW_ALL, HIDDEN), ({**ALLOW_ALL, "name": "other"},)])
async def test_a_changed_policy_is_told_on_the_sessions_stream(policies: Any) -> None:
    w = world()
    answer = await stream(w, await opened(w, {"tools": {}, "resources": {"subscribe": True}}))

    w.allow(*policies)

    assert await heard(w, answer) == [[changed("tools"), changed("resources")]]
    told = [one.facts for one in w.log.records if one.kind == "server-message"]
    assert [(one["method"], one["by"], one["decision"]) for one in told] == [
        ("notifications/tools/list_changed", "gateway", "pass"),
        ("notifications/resources/list_changed", "gateway", "pass"),
    ]
    assert w.log.records[-1].facts["notifications"] == {
        "notifications/tools/list_changed": 1,
        "notifications/resources/list_changed": 1,
    }


@pytest.mark.parametrize(
    "policies",
    [
        (ALLOW_ALL,),
        ({**ALLOW_ALL, "message": "other words"},),
        ({**ALLOW_ALL, "rateLimit": {"requests": 9, "per": "1m"}},),
        (ALLOW_ALL, {**HIDDEN, "mode": "Audit"}),
    ],
)
async def test_a_reload_that_changes_no_verdict_is_not_told(policies: Any) -> None:
    w = world()
    answer = await stream(w, await opened(w, {"tools": {}}))

    w.allow(*policies)

    assert await heard(w, answer) == [[]]


async def test_one_stream_of_a_session_is_told_and_the_next_one_when_it_is_gone() -> None:
    w = world()
    session = await opened(w, {"tools": {}})
    gone, first, second = [await stream(w, session) for _ in range(3)]
    assert not isinstance(gone.body, bytes)
    await gone.body.abandon()

    w.allow(ALLOW_ALL, HIDDEN)

    assert await heard(w, second, first) == [[], [changed("tools")]]


async def test_a_listen_stream_is_told_of_the_lists_that_it_asked_for() -> None:
    w = world()
    asked = await listening(w, acknowledged(), toolsListChanged=True)
    other = await listening(w, acknowledged(), promptsListChanged=False)
    early = await listening(w, toolsListChanged=True)
    assert not isinstance(asked.body, bytes)
    first = events(await next_said(aiter(asked.body)))

    w.allow(ALLOW_ALL, HIDDEN)
    told, others, unacknowledged = await heard(w, asked, other, early)

    assert first == [acknowledged(toolsListChanged=True)]
    assert told[0] == {**changed("tools"), "params": {"_meta": {TAG: 1}}}
    assert [message.get("method") for message in told[1:]] == [None]
    assert others[0] == acknowledged()
    assert [message.get("method") for message in others[1:]] == [None]
    assert [message.get("method") for message in unacknowledged] == [None]


async def test_a_session_is_told_although_its_server_has_no_stream() -> None:
    w = world()
    session = await opened(w, {"tools": {}})
    w.upstream.script = lambda _: json_answer(b"", status=405)
    answer = await w.send(method="GET", headers=(("mcp-session-id", session),))

    w.allow(ALLOW_ALL, HIDDEN)

    assert (answer.status, await heard(w, answer)) == (200, [[changed("tools")]])
    assert w.upstream.exchanges[-1].closed


async def test_a_session_that_was_promised_nothing_gets_no_stream_of_a_server_without_one() -> None:
    w = world()
    session = await opened(w, {"logging": {}})
    w.upstream.script = lambda _: json_answer(b"", status=405)

    answer = await w.send(method="GET", headers=(("mcp-session-id", session),))

    assert answer.status == 405


def without_listening(_: object) -> ScriptedExchange:
    error = {"code": -32601, "message": "Method not found"}
    return json_answer({"jsonrpc": "2.0", "id": 1, "error": error}, status=404)


async def test_a_listen_stream_is_told_although_its_server_serves_none() -> None:
    w = world(without_listening)
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["note://today"]}
    answer = await w.modern("subscriptions/listen", {"notifications": wanted})
    assert not isinstance(answer.body, bytes)
    first = events(await next_said(aiter(answer.body)))

    w.allow(ALLOW_ALL, HIDDEN)
    told = (await heard(w, answer))[0]

    assert first == [acknowledged(toolsListChanged=True)]
    assert told[0] == {**changed("tools"), "params": {"_meta": {TAG: 1}}}
    assert told[1:] == [result({"resultType": "complete", "_meta": {TAG: 1}})]


async def test_who_wants_to_hear_of_resources_alone_learns_that_listening_is_not_served() -> None:
    w = world(without_listening)

    wanted = {"resourceSubscriptions": ["note://today"]}
    answer = await w.modern("subscriptions/listen", {"notifications": wanted})

    assert (answer.status, body(answer)["error"]["code"]) == (404, -32601)


async def test_answers_to_calls_tell_nothing_of_it() -> None:
    w = world()
    held = asyncio.get_running_loop().create_future()
    session = await opened(w, {"tools": {}})
    w.upstream.script = lambda _: sse_answer(held, result({"content": []}))
    answer = await w.legacy(session, "tools/call", {"name": "a"})

    w.allow(ALLOW_ALL, HIDDEN)
    held.set_result(None)

    assert events(await drained(answer)) == [result({"content": []})]


async def test_a_time_window_that_ends_is_told() -> None:
    window = {"notAfter": "1970-01-01T00:20:00Z"}
    w = world(None, ALLOW_ALL, {**HIDDEN, "when": window})
    answer = await stream(w, await opened(w, {"tools": {}}))

    w.now[0] = 1_200.0
    w.live.streams.wake()

    assert await heard(w, answer) == [[changed("tools")]]


async def test_initialize_and_discover_announce_the_notices() -> None:
    w = world()
    said = initialized()
    said["result"]["capabilities"] = {"tools": {}, "prompts": {"listChanged": False}, "logging": {}}
    w.upstream.script = lambda _: json_answer(said)
    found = result({"supportedVersions": ["2026-07-28"], "capabilities": {"resources": {}}})

    legacy = body(await w.send(initialize()))
    w.upstream.script = lambda _: json_answer(found)
    modern = body(await w.modern("server/discover"))

    assert legacy["result"]["capabilities"] == {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "logging": {},
    }
    assert modern["result"]["capabilities"] == {"resources": {"listChanged": True}}


async def test_what_the_server_tells_of_its_lists_passes_as_ever() -> None:
    w = world()
    session = await opened(w, {"tools": {}})
    w.upstream.script = lambda _: sse_answer(event(changed("tools")))

    answer = await w.send(method="GET", headers=(("mcp-session-id", session),))

    assert events(await drained(answer)) == [changed("tools")]
