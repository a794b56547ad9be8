"""Replayed state: what a server asks inside a result is answered by the one asked, for that call.

Rules 43 and 44: `requestState` of another user, another call, another time; answers nobody asked
for; a state said again and again so that a call costs nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_parts import ALLOW_ALL, ALLOW_SERVER, World, body, json_answer, request, result, world
from ostiary_proxy.pipeline.answer import Answer

FORM = {"method": "elicitation/create", "params": {"message": "Sure?", "requestedSchema": {}}}
ASK = {"resultType": "input_required", "inputRequests": {"sure": FORM}, "requestState": "theirs"}
DONE = {"resultType": "complete", "content": []}
YES: Mapping[str, Any] = {"action": "accept", "content": {"sure": True}}
CALL: Mapping[str, Any] = {"name": "delete", "arguments": {"path": "a", "deep": {"x": 1, "y": 2}}}
CAN: Mapping[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
META = {"io.modelcontextprotocol/clientCapabilities": CAN}


def asking(*rules: Mapping[str, Any], **ask: Any) -> World:
    """Return a world whose server asks once, and is done once it is answered."""

    def script(sent: Any) -> Any:
        params = json.loads(sent.body)["params"]
        return json_answer(result(DONE if "inputResponses" in params else {**ASK, **ask}))

    return world(script, *(rules or (ALLOW_ALL, ALLOW_SERVER)))


async def called(w: World, params: Mapping[str, Any] = CALL, **rest: Any) -> Answer:
    return await w.modern(rest.pop("method", "tools/call"), params, meta=META, **rest)


async def asked(w: World) -> str:
    """Call as alice and return the state that she got."""
    state = body(await called(w))["result"]["requestState"]
    w.upstream.sent.clear()
    return str(state)


def retry(state: str, **more: Any) -> dict[str, Any]:
    return {**CALL, "inputResponses": {"sure": YES}, "requestState": state, **more}


def sent_up(w: World) -> Any:
    return json.loads(w.upstream.sent[0].body)["params"]


async def test_a_state_leaves_sealed_and_comes_back_as_the_servers_own():
    w = asking()
    state = await asked(w)

    answer = await called(w, retry(state))

    assert "theirs" not in state
    assert body(answer) == result(DONE)
    assert {**sent_up(w), "_meta": None} == {**retry("theirs"), "_meta": None}
    assert w.log.records[-2].facts["answers"] == ["elicitation/form"]


async def test_the_same_arguments_in_another_order_are_the_same_call():
    w = asking()
    state = await asked(w)
    turned = {"deep": {"y": 2, "x": 1}, "path": "a"}

    answer = await called(w, retry(state, arguments=turned))

    assert body(answer) == result(DONE)


async def test_a_server_without_a_state_gets_none_while_the_client_has_one():
    w = asking(requestState=None)
    state = await asked(w)

    await called(w, retry(state))

    assert state
    assert "requestState" not in sent_up(w)
    assert sent_up(w)["inputResponses"] == {"sure": YES}


@pytest.mark.parametrize(
    ("said", "sent"),
    {
        "a stranger": {"token": "bob"},
        "another tool": {"name": "other"},
        "other arguments": {"arguments": {"path": "b"}},
        "no arguments": {"arguments": {}},
        "another method": {"method": "prompts/get"},
        "the server's own state": {"requestState": "theirs"},
        "a tampered state": {"requestState": "-TAMPERED"},
        "no text": {"requestState": None},
        "an hour later": {"later": 3600},
    }.items(),
)  # fmt: skip
async def test_a_state_that_this_very_call_did_not_give_this_person_is_refused(said, sent):
    w = asking()
    state = await asked(w)
    changes = dict(sent)
    token, method = changes.pop("token", "alice"), changes.pop("method", "tools/call")
    w.now[0] += changes.pop("later", 0)
    if said == "a tampered state":
        changes["requestState"] = state + changes["requestState"]

    answer = await called(w, {**retry(state), **changes}, token=token, method=method)

    assert (answer.status, body(answer)["error"]["code"], body(answer)["id"]) == (400, -32602, 1)
    assert w.upstream.sent == []
    assert w.log.words()[-1] == ("decision", "deny")


async def test_what_the_server_did_not_ask_never_reaches_it():
    w = asking()
    state = await asked(w)

    await called(w, retry(state, inputResponses={"sure": YES, "other": YES}))

    assert sent_up(w)["inputResponses"] == {"sure": YES}


@pytest.mark.parametrize(
    "given",
    [
        None,
        ["sure"],
        {"sure": 12345},
        {"sure": {"action": "maybe"}},
        {"sure": {"action": "accept", "content": "yes"}},
        {"sure": {"role": "assistant", "content": "yes", "model": "m"}},
    ],
)
@pytest.mark.parametrize("stateless", [True, False])
async def test_an_answer_that_does_not_fit_what_was_asked_is_refused(given, stateless):
    w = asking()
    state = await asked(w)
    params = retry(state, inputResponses=given)
    if stateless:
        del params["requestState"]

    answer = await called(w, params)

    assert (answer.status, body(answer)["error"]["code"]) == (400, -32602)
    assert w.upstream.sent == []


async def test_an_answer_of_another_kind_than_was_asked_is_refused():
    w = asking()
    state = await asked(w)
    said = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "yes"}}

    answer = await called(w, retry(state, inputResponses={"sure": said}))

    assert (answer.status, body(answer)["error"]["code"]) == (400, -32602)


async def test_answers_without_a_state_are_judged_by_what_they_are():
    w = asking()

    answer = await called(w, {**CALL, "inputResponses": {"sure": YES}})

    assert body(answer) == result(DONE)
    assert w.log.records[-2].facts["answers"] == ["elicitation/form"]


@pytest.mark.parametrize("stateless", [True, False])
async def test_what_the_server_may_not_ask_any_more_gets_no_answer(stateless):
    w = asking()
    params = retry(await asked(w))
    if stateless:
        del params["requestState"]
    w.allow(ALLOW_ALL)

    answer = await called(w, params)

    assert body(answer)["error"]["code"] == -31003
    assert w.upstream.sent == []


async def test_a_retry_is_judged_again_as_its_call():
    w = asking()
    state = await asked(w)
    w.allow(
        ALLOW_ALL, ALLOW_SERVER, {"name": "no", "effect": "Deny", "match": {"tools": ["delete"]}}
    )

    answer = await called(w, retry(state))

    assert body(answer)["error"]["code"] == -32602
    assert "not found or not permitted" in body(answer)["error"]["message"]
    assert w.upstream.sent == []


LIMITED = {**ALLOW_ALL, "match": {"tools": ["*"]}, "rateLimit": {"requests": 1, "per": "1h"}}


async def test_a_call_is_counted_once_however_often_its_server_asks():
    w = asking(LIMITED, ALLOW_SERVER)
    done = w.upstream.script
    w.upstream.script = lambda _: json_answer(result(ASK))
    state = await asked(w)
    for _ in range(3):
        state = body(await called(w, retry(state)))["result"]["requestState"]
    w.upstream.script = done

    last = await called(w, retry(state))
    another = await called(w)

    assert body(last) == result(DONE)
    assert body(another)["error"]["code"] == -31006


async def test_a_state_said_again_is_counted_again():
    w = asking(LIMITED, ALLOW_SERVER)
    state = await asked(w)
    await called(w, retry(state))

    answer = await called(w, retry(state))

    assert body(answer)["error"]["code"] == -31006


async def test_a_call_that_asks_without_end_is_counted_again():
    w = asking(LIMITED, ALLOW_SERVER)
    w.upstream.script = lambda _: json_answer(result(ASK))
    state = await asked(w)
    for _ in range(10):
        state = body(await called(w, retry(state)))["result"]["requestState"]

    answer = await called(w, retry(state))

    assert body(answer)["error"]["code"] == -31006


REDACT = {
    **ALLOW_ALL,
    "transform": {"redact": [{"in": "Arguments", "pattern": "[0-9]{4}"}]},
}
PATHS = {
    **ALLOW_SERVER,
    "transform": {"redact": [{"in": "Arguments", "paths": ["card"], "replacement": "gone"}]},
}


async def test_answers_are_redacted_as_the_call_and_the_servers_request_ask():
    w = asking(REDACT, PATHS)
    state = await asked(w)
    answer = {"action": "accept", "content": {"pin": "1234", "card": "x", "kept": 5}}

    await called(w, retry(state, inputResponses={"sure": answer}))

    clean = {"action": "accept", "content": {"pin": "[redacted]", "card": "gone", "kept": 5}}
    assert sent_up(w)["inputResponses"] == {"sure": clean}


async def test_a_sampled_text_is_redacted_and_stays_one():
    w = asking(REDACT, PATHS, inputRequests={"sure": {"method": "sampling/createMessage"}})
    state = await asked(w)
    said = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "pin 1234"}}

    await called(w, retry(state, inputResponses={"sure": said}))

    content = sent_up(w)["inputResponses"]["sure"]["content"]
    assert content == {"type": "text", "text": "pin [redacted]"}


async def test_an_address_to_visit_needs_a_client_that_shows_addresses():
    visit = {"mode": "url", "message": "go", "url": "https://x.example"}
    w = asking(inputRequests={"go": {"method": "elicitation/create", "params": visit}})
    forms: Mapping[str, Any] = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}

    refused = await w.modern("tools/call", CALL, meta=forms)
    shown = await called(w)

    error = body(refused)["error"]
    assert (error["code"], error["data"]["requiredCapabilities"]) == (
        -32021,
        {"elicitation": {"url": {}}},
    )
    assert body(shown)["result"]["inputRequests"]["go"]["params"] == visit


async def test_an_older_client_can_not_slip_answers_to_a_newer_server():
    w = asking()
    session = await w.session()

    await w.legacy(
        session, "tools/call", {**CALL, "inputResponses": {"sure": YES}, "requestState": "x"}
    )

    assert json.loads(w.upstream.sent[-1].body) == request("tools/call", CALL)


@pytest.mark.parametrize("state", [7, "x" * 1_000_000])
async def test_a_state_that_no_client_could_send_back_is_an_upstream_error(state):
    w = asking(requestState=state)

    answer = await called(w)

    assert body(answer)["error"]["code"] == -31012
