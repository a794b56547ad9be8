"""Rules 127 and 128: a person who lacks an account is led to connect it, and nobody else is."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    CONNECT,
    MODERN_META,
    World,
    body,
    drained,
    events,
    json_answer,
    live_route,
    result,
    sse_answer,
    world,
)
from ostiary_proxy.pipeline import connecting, visited
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.session import Session

CALL: Mapping[str, Any] = {"name": "read", "arguments": {"path": "a"}}
VISITS: Mapping[str, Any] = {"elicitation": {"url": {}}}
META = {"io.modelcontextprotocol/clientCapabilities": VISITS}
TEXT = f"connect your account at Files first: open {CONNECT}"
VISIT = {"mode": "url", "message": TEXT, "url": CONNECT}
QUESTION = {"method": "elicitation/create", "params": VISIT}
WENT = {"connect": {"action": "accept"}}
ERROR = -31007


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_PATIENCE", 0.05)
    monkeypatch.setattr(connecting, "_LOOK", 0.01)


async def called(w: World, params: Mapping[str, Any] = CALL, **rest: Any) -> Answer:
    return await w.modern(rest.pop("method", "tools/call"), params, meta=META, **rest)


async def led(w: World, params: Mapping[str, Any] = CALL) -> str:
    """Call as alice, who lacks her account, and return the state that she got."""
    w.doors.lacking.add("alice")
    return str(body(await called(w, params))["result"]["requestState"])


def code(answer: Answer) -> Any:
    return body(answer).get("error", {}).get("code")


async def test_a_modern_client_is_asked_to_show_the_link():
    w = world()
    w.doors.lacking.add("alice")

    answer = await called(w)

    state = body(answer)["result"].pop("requestState")
    asked = {"resultType": "input_required", "inputRequests": {"connect": QUESTION}}
    assert (answer.status, {**body(answer)["result"], "requestState": None}) == (
        200,
        {**asked, "requestState": None},
    )
    assert state.isascii()
    assert w.upstream.sent == []
    assert w.log.words() == [("decision", "deny")]
    assert w.log.records[0].facts["code"] == "AccountNotConnected"


async def test_the_call_goes_through_once_the_account_is_there():
    w = world()
    state = await led(w)
    w.doors.lacking.clear()

    answer = await called(w, {**CALL, "inputResponses": WENT, "requestState": state})

    assert body(answer) == result({"content": []})
    meta = {**MODERN_META, **META}
    assert json.loads(w.upstream.sent[0].body)["params"] == {**CALL, "_meta": meta}


async def test_a_person_who_does_not_want_to_gets_the_error():
    w = world()
    state = await led(w)

    said = {"connect": {"action": "decline"}}
    answer = await called(w, {**CALL, "inputResponses": said, "requestState": state})

    assert (code(answer), body(answer)["error"]["data"]["url"]) == (ERROR, CONNECT)


async def test_a_person_who_did_not_connect_is_asked_again():
    w = world()
    state = await led(w)

    answer = await called(w, {**CALL, "inputResponses": WENT, "requestState": state})

    assert body(answer)["result"]["inputRequests"] == {"connect": QUESTION}


async def test_while_the_person_connects_the_call_waits_and_is_then_judged_anew(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(connecting, "_PATIENCE", 5.0)
    w = world()
    state = await led(w)
    waiting = asyncio.create_task(
        called(w, {**CALL, "inputResponses": WENT, "requestState": state})
    )
    await asyncio.sleep(0)
    w.doors.lacking.clear()

    again = body(await waiting)["result"]
    sent_meanwhile = list(w.upstream.sent)
    answer = await called(w, {**CALL, "requestState": again["requestState"]})

    assert again.keys() == {"resultType", "requestState"}
    assert sent_meanwhile == []
    assert body(answer) == result({"content": []})


@pytest.mark.parametrize("said", ["a stranger", "another call", "an hour later"])
async def test_the_state_is_good_for_that_person_and_call(said):
    w = world()
    state = await led(w)
    w.doors.lacking.clear()
    params = {**CALL, "inputResponses": WENT, "requestState": state}
    w.now[0] += 3600 if said == "an hour later" else 0

    answer = await called(
        w,
        {**params, "name": "other"} if said == "another call" else params,
        token="bob" if said == "a stranger" else "alice",
    )

    assert (answer.status, code(answer), w.upstream.sent) == (400, -32602, [])


async def test_a_call_that_loses_its_account_midway_goes_on_where_it_was():
    form = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}}
    ask = {"resultType": "input_required", "inputRequests": {"q": form}, "requestState": "theirs"}
    w = world(lambda _: json_answer(result(ask)), ALLOW_ALL, ALLOW_SERVER)
    both: Mapping[str, Any] = {
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}, "url": {}}}
    }
    first = body(await w.modern("tools/call", CALL, meta=both))["result"]["requestState"]
    answers = {"q": {"action": "accept", "content": {"a": 1}}}
    state = await led(w, {**CALL, "inputResponses": answers, "requestState": first})
    w.doors.lacking.clear()
    w.upstream.sent.clear()

    await called(w, {**CALL, "inputResponses": WENT, "requestState": state})

    sent = json.loads(w.upstream.sent[0].body)["params"]
    assert (sent["inputResponses"], sent["requestState"]) == (answers, "theirs")


LIMITED = {**ALLOW_ALL, "match": {"tools": ["*"]}, "rateLimit": {"requests": 1, "per": "1h"}}


async def test_connecting_pays_for_no_call():
    w = world(None, LIMITED)
    state = await led(w)
    w.doors.lacking.clear()
    params = {**CALL, "inputResponses": WENT, "requestState": state}

    first, second = await called(w, params), await called(w, params)

    assert (body(first), code(second)) == (result({"content": []}), -31006)


async def test_an_account_that_is_lost_as_it_is_used_leads_to_the_link_too():
    w = world()
    w.doors.lost.add("alice")

    answer = await called(w)
    state = body(answer)["result"]["requestState"]
    again = await called(w, {**CALL, "inputResponses": WENT, "requestState": state})

    asked = [body(one)["result"]["inputRequests"] for one in (answer, again)]
    assert asked == [{"connect": QUESTION}] * 2
    assert w.log.words() == [("decision", "allow"), ("outcome", "error")] * 2


@pytest.mark.parametrize(
    ("method", "params", "capabilities"),
    [
        ("tools/list", {}, VISITS),
        ("tools/call", CALL, {}),
        ("tools/call", CALL, {"elicitation": {}}),
        ("tools/call", CALL, {"elicitation": {"form": {}}}),
    ],
)
async def test_a_client_that_can_not_ask_gets_the_link_in_an_error(method, params, capabilities):
    w = world()
    w.doors.lacking.add("alice")
    meta = {"io.modelcontextprotocol/clientCapabilities": capabilities}

    answer = await w.modern(method, params, meta=meta)

    assert (code(answer), body(answer)["error"]["data"]["url"]) == (ERROR, CONNECT)


async def test_a_client_of_2025_11_25_gets_the_error_that_shows_the_link():
    w = world()
    session = await w.session(capabilities=VISITS)
    w.doors.lacking.add("alice")

    answer = await w.legacy(session, "tools/call", CALL)

    error = body(answer)["error"]
    visit = {**VISIT, "elicitationId": error["data"]["elicitations"][0]["elicitationId"]}
    assert (answer.status, error["code"]) == (200, -32042)
    assert error["data"]["elicitations"] == [visit]
    assert session not in repr(visit)
    assert w.log.records[-1].facts["code"] == "UrlElicitationRequired"


@pytest.mark.parametrize(
    ("version", "capabilities", "method"),
    [
        ("2025-11-25", VISITS, "tools/list"),
        ("2025-11-25", {"elicitation": {}}, "tools/call"),
        ("2025-11-25", {}, "tools/call"),
        ("2025-06-18", VISITS, "tools/call"),
    ],
)
async def test_an_older_client_that_knows_no_such_error_gets_the_link_in_ours(
    version, capabilities, method
):
    w = world()
    session = await w.session(version=version, capabilities=capabilities)
    w.doors.lacking.add("alice")

    answer = await w.legacy(session, method, CALL if method == "tools/call" else {})

    assert (code(answer), body(answer)["error"]["data"]["url"]) == (ERROR, CONNECT)


async def test_a_session_that_listens_is_told_once_when_the_account_is_there(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(visited, "_LOOK", 0.01)
    w = world()
    session, bobs = await w.session(capabilities=VISITS), await w.session(token="bob")
    held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    calls, w.upstream.script = w.upstream.script, lambda _: sse_answer(held)
    listening = await w.send(method="GET", headers=(("mcp-session-id", session),))
    other = await w.send(method="GET", headers=(("mcp-session-id", bobs),), token="bob")
    w.upstream.script = calls
    w.doors.lacking.add("alice")
    errors = [body(await w.legacy(session, "tools/call", CALL))["error"] for _ in range(2)]
    heard = asyncio.create_task(drained(listening))

    w.doors.lacking.clear()
    async with asyncio.timeout(5):
        while w.log.records[-1].facts.get("detail") != "the account is connected":
            await asyncio.sleep(0.01)
    held.set_result(None)

    visits = {error["data"]["elicitations"][0]["elicitationId"] for error in errors}
    method = "notifications/elicitation/complete"
    assert events(await heard) == [
        {"jsonrpc": "2.0", "method": method, "params": {"elicitationId": visits.pop()}}
    ]
    assert visits == set()
    assert events(await drained(other)) == []


def test_each_of_several_servers_has_a_visit_of_its_own():
    session = Session(upstream=None, version="2025-11-25", issued_at=0.0, key="k" * 64)
    route = live_route(()).route
    several = [route, *(route.model_copy(update={"server": name}) for name in ("files", "web"))]

    assert len({visited.visit_of(session, one) for one in several}) == 3
