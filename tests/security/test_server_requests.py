"""Policy.md 13: what a server asks of the client, of each kind, in each revision and in each place.

It needs an Allow that names it, and what is redacted is redacted both ways, errors too.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ScriptedExchange,
    World,
    body,
    drained,
    events,
    json_answer,
    result,
    sse_answer,
    world,
)
from ostiary_proxy.outbound.exchange import Outgoing
from task_parts import EXTENDED, know_task

LEGACY = ("2025-03-26", "2025-06-18", "2025-11-25")
FORM = {"mode": "form", "message": "pin 1234?", "requestedSchema": {"type": "object"}}
URL = {"mode": "url", "message": "go", "url": "https://a.example/1", "elicitationId": "1234"}
KINDS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "elicitation/form": ("elicitation/create", FORM, LEGACY[1:]),
    "elicitation/url": ("elicitation/create", URL, LEGACY[2:]),
    "sampling": ("sampling/createMessage", {"messages": [], "tools": [{"name": "t"}]}, LEGACY),
    "roots": ("roots/list", {}, LEGACY),
}
CAN: dict[str, Any] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}},
    "roots": {},
}
CELLS = [(kind, version) for kind, (_, _, known) in KINDS.items() for version in known]


def allow(*kinds: str) -> dict[str, Any]:
    return {
        "name": "asks", "effect": "Allow", "who": {"everyone": True},
        "match": {"server": list(kinds)},
    }  # fmt: skip


def asked(kind: str) -> dict[str, Any]:
    method, params, _ = KINDS[kind]
    return {"jsonrpc": "2.0", "id": "s1", "method": method, "params": params}


def asking(message: Mapping[str, Any], *rules: Mapping[str, Any]) -> World:
    """Return a world whose server asks that in answer to a call, and then answers."""

    def script(sent: Outgoing) -> ScriptedExchange:
        if b"tools/call" not in sent.body:
            return ScriptedExchange(202, {}, [])
        return sse_answer(message, result({"content": []}))

    return world(script, *rules)


async def called(w: World, version: str) -> tuple[str, list[Any]]:
    """Call a tool; return the session and what the client saw."""
    session = await w.session(version=version)
    w.upstream.sent.clear()
    return session, events(await drained(await w.legacy(session, "tools/call", {"name": "a"})))


@pytest.mark.parametrize(("kind", "version"), CELLS)
async def test_a_request_on_a_stream_needs_an_allow_of_its_own_kind(
    kind: str, version: str
) -> None:
    others = [other for other in KINDS if other != kind]
    allowed = asking(asked(kind), ALLOW_ALL, allow(kind))
    refused = asking(asked(kind), ALLOW_ALL, allow(*others))

    assert asked(kind) in (await called(allowed, version))[1]
    assert asked(kind) not in (await called(refused, version))[1]
    told = json.loads(refused.upstream.sent[1].body)
    assert (told["id"], told["error"]["code"]) == ("s1", -31003)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_in_a_result_needs_an_allow_of_its_own_kind(kind: str) -> None:
    entry = {name: asked(kind)[name] for name in ("method", "params")}
    answer = result({"resultType": "input_required", "inputRequests": {"s1": entry}})
    others = [other for other in KINDS if other != kind]
    codes = []

    for rule in (allow(kind), allow(*others)):
        w = world(lambda _: json_answer(answer), ALLOW_ALL, rule)
        meta = {"io.modelcontextprotocol/clientCapabilities": CAN}
        said = body(await w.modern("tools/call", {"name": "a"}, meta=meta))
        codes.append(said.get("error", {}).get("code"))

    assert codes == [None, -31003]


LINKS = {
    "code": -32042,
    "message": "visit",
    "data": {"elicitations": [{"mode": "url", "url": "https://a.example", "elicitationId": "e"}]},
}


@pytest.mark.parametrize("answer", [json_answer, sse_answer])
@pytest.mark.parametrize("rules", [(allow("elicitation/url"),), ()])
async def test_links_in_an_error_need_the_allow_of_an_elicitation_by_url(
    answer: Any, rules: Any
) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": LINKS}
    w = world(lambda _: answer(error), ALLOW_ALL, *rules)
    session = await w.session()

    said = await w.legacy(session, "tools/call", {"name": "a"})

    shown = body(said) if isinstance(said.body, bytes) else events(await drained(said))[0]
    if rules:
        assert shown == error
    else:
        assert shown["error"]["code"] == -31003
        assert "a.example" not in json.dumps(shown)


async def test_links_in_an_error_under_a_bad_status_need_it_too() -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": LINKS}
    w = world(lambda _: json_answer(error, status=400), ALLOW_ALL)
    session = await w.session()

    answer = await w.legacy(session, "tools/call", {"name": "a"})

    assert body(answer)["error"]["code"] == -31003


async def test_2026_07_28_has_no_links_in_errors() -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": LINKS}
    w = world(lambda _: json_answer(error), ALLOW_ALL, allow("elicitation/url"))

    assert body(await w.modern("tools/call", {"name": "a"}))["error"]["code"] == -31012


def redacting(where: str) -> dict[str, Any]:
    redact = [{"in": where, "pattern": "[0-9]{4}"}]
    return {**allow(*KINDS), "transform": {"redact": redact}}


async def test_what_a_server_asks_is_redacted_as_it_is_shown() -> None:
    w = asking(asked("elicitation/form"), ALLOW_ALL, redacting("Result"))

    _, said = await called(w, "2025-11-25")

    assert said[0]["params"] == {**FORM, "message": "pin [redacted]?"}


FORMS = {"f": {"method": "elicitation/create", "params": FORM}}
ASKING: dict[str, dict[str, Any]] = {
    "tools/call": {"resultType": "input_required", "inputRequests": FORMS},
    "tasks/get": {"taskId": "t", "status": "input_required", "inputRequests": FORMS},
}


@pytest.mark.parametrize("method", ASKING)
async def test_what_a_server_asks_inside_a_result_is_redacted_as_it_is_shown(method: str) -> None:
    w = world(lambda _: json_answer(result(ASKING[method])), ALLOW_ALL, redacting("Result"))
    await know_task(w, "t")
    params = {"name": "a"} if method == "tools/call" else {"taskId": "t"}

    shown = body(await w.modern(method, params, meta=EXTENDED))["result"]

    clean = {"method": "elicitation/create", "params": {**FORM, "message": "pin [redacted]?"}}
    assert shown["inputRequests"] == {"f": clean}


async def test_a_question_whose_params_are_no_object_is_an_invalid_answer() -> None:
    asks = {"r": {"method": "roots/list", "params": "pin 1234"}}
    answer = result({"resultType": "input_required", "inputRequests": asks})
    w = world(lambda _: json_answer(answer), ALLOW_ALL, redacting("Result"))

    said = body(await w.modern("tools/call", {"name": "a"}, meta=EXTENDED))

    assert said["error"]["code"] == -31012


async def test_why_a_server_takes_a_question_back_is_redacted_too() -> None:
    reason = {"requestId": "s1234", "reason": "no pin 1234"}
    back = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": reason}
    call = {**ALLOW_ALL, "transform": {"redact": [{"in": "Result", "pattern": "[0-9]{4}"}]}}
    question = {"jsonrpc": "2.0", "id": "s1234", "method": "roots/list"}
    w = world(lambda _: sse_answer(question, back, result({"content": []})), call, allow("roots"))

    _, said = await called(w, "2025-11-25")

    assert said[1]["params"] == {"requestId": "s1234", "reason": "no pin [redacted]"}


async def test_what_a_call_redacts_does_not_come_by_a_question() -> None:
    call = {**ALLOW_ALL, "transform": {"redact": [{"in": "Result", "pattern": "[0-9]{4}"}]}}
    w = asking(asked("elicitation/url"), call, allow(*KINDS))

    _, said = await called(w, "2025-11-25")

    assert said[0] == asked("elicitation/url")
    told = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"message": "1234"}}
    _, said = await called(asking(told, call), "2025-11-25")
    assert said[0]["params"] == {"message": "[redacted]"}


@pytest.mark.parametrize(
    ("answer", "clean"),
    [
        (
            {"result": {"action": "accept", "content": {"pin": "1234"}}},
            {"result": {"action": "accept", "content": {"pin": "[redacted]"}}},
        ),
        (
            {"error": {"code": -1, "message": "not 1234", "data": {"said": "5678"}}},
            {"error": {"code": -1, "message": "not [redacted]", "data": {"said": "[redacted]"}}},
        ),
    ],
    ids=["result", "error"],
)
async def test_what_a_client_answers_is_redacted_results_and_errors_alike(
    answer: Any, clean: Any
) -> None:
    w = asking(asked("elicitation/form"), ALLOW_ALL, redacting("Arguments"))
    session, _ = await called(w, "2025-11-25")

    answered = {"jsonrpc": "2.0", "id": "s1", **answer}
    await w.send(answered, headers=(("mcp-session-id", session),))

    assert json.loads(w.upstream.sent[-1].body) == {"jsonrpc": "2.0", "id": "s1", **clean}


async def test_a_question_with_tools_is_not_put_to_a_client_that_has_none() -> None:
    _, params, _ = KINDS["sampling"]
    asks = {"s1": {"method": "sampling/createMessage", "params": params}}
    answer = result({"resultType": "input_required", "inputRequests": asks})
    w = world(lambda _: json_answer(answer), ALLOW_ALL, allow("sampling"))
    meta: dict[str, Any] = {"io.modelcontextprotocol/clientCapabilities": {"sampling": {}}}

    said = body(await w.modern("tools/call", {"name": "a"}, meta=meta))["error"]

    assert said["code"] == -32021
    assert said["data"]["requiredCapabilities"] == {"sampling": {"tools": {}}}


FORBIDDEN: dict[str, Any] = {
    "name": "no-forms", "effect": "Deny",
    "match": {"server": ["elicitation/form", "elicitation/url"]},
}  # fmt: skip
WRITTEN = {
    "decision": "drop",
    "detail": "policy: DeniedByRule",
    "method": "elicitation/create",
    "reason": "DeniedByRule",
    "rule": {"policy": "team/p", "rule": "no-forms", "generation": 1},
}


def written(w: World) -> dict[str, Any]:
    """Return what the one record of a dropped request says, less what every one says."""
    (facts,) = [one.facts for one in w.log.records if one.kind == "server-message"]
    return {name: facts[name] for name in WRITTEN if name in facts}


@pytest.mark.parametrize("answer", [json_answer, sse_answer])
async def test_what_a_server_may_not_ask_in_a_result_is_written_down_with_the_rule(
    answer: Any,
) -> None:
    entry = {name: asked("elicitation/form")[name] for name in ("method", "params")}
    asks = result({"resultType": "input_required", "inputRequests": {"s1": entry}})
    w = world(lambda _: answer(asks), ALLOW_ALL, allow(*KINDS), FORBIDDEN)
    meta = {"io.modelcontextprotocol/clientCapabilities": CAN}

    said = await w.modern("tools/call", {"name": "a"}, meta=meta)
    if not isinstance(said.body, bytes):
        await drained(said)

    assert written(w) == WRITTEN


async def test_so_is_what_it_may_not_ask_on_a_stream_and_by_links_in_an_error() -> None:
    streamed = asking(asked("elicitation/form"), ALLOW_ALL, allow(*KINDS), FORBIDDEN)
    linked = world(
        lambda _: json_answer({"jsonrpc": "2.0", "id": 1, "error": LINKS}),
        ALLOW_ALL, allow(*KINDS), FORBIDDEN,
    )  # fmt: skip

    await called(streamed, "2025-11-25")
    await linked.legacy(await linked.session(), "tools/call", {"name": "a"})

    assert (written(streamed), written(linked)) == (WRITTEN, WRITTEN)


async def test_and_what_the_client_did_not_declare() -> None:
    entry = {name: asked("sampling")[name] for name in ("method", "params")}
    asks = result({"resultType": "input_required", "inputRequests": {"s1": entry}})
    w = world(lambda _: json_answer(asks), ALLOW_ALL, allow(*KINDS))

    await w.modern("tools/call", {"name": "a"})

    assert written(w) == {
        "decision": "drop", "detail": "not declared", "method": "sampling/createMessage",
    }  # fmt: skip
