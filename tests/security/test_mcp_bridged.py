"""Attacks where the gateway keeps the session of a legacy client for a server of 2026-07-28."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    CREDENTIAL,
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
    result,
    sent_header,
    sse_answer,
    world,
)
from newer_parts import ModernServer, call, in_session, opening
from ostiary_proxy.mcp.bridge.declared import Declared
from ostiary_proxy.pipeline.bridge.newer.bridged import Bridged
from ostiary_proxy.pipeline.mailbox import MAIL
from ostiary_proxy.upstream.calls import UpstreamCall
from ostiary_proxy.wire import Headers

ASKS = {"q": {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}}
WANTS = {"resultType": "input_required", "inputRequests": ASKS, "requestState": "alices"}
SAMPLED = {"role": "assistant", "content": {"type": "text", "text": "x"}, "model": "m"}
DONE = {"resultType": "complete", "content": []}


def sampling() -> ModernServer:
    return ModernServer(
        {"tools/call": lambda m: DONE if "inputResponses" in m["params"] else WANTS}
    )


async def asked(*rules: Mapping[str, Any]) -> tuple[World, ModernServer, str, Any, Any]:
    """Return a call of alice's during which the server asks for sampling."""
    server = sampling()
    w, session = await opening(server, *rules, capabilities={"sampling": {}})
    answer = await call(w, session)
    assert not isinstance(answer.body, bytes)
    stream = answer.body.__aiter__()
    (question,) = events(await next_said(stream))
    return w, server, session, stream, question


async def test_a_response_of_another_person_session_or_client_is_refused() -> None:
    w, server, session, stream, question = await asked(ALLOW_ALL, ALLOW_SERVER)
    _, own = await opening(server, before=w, capabilities={"sampling": {}})
    _, bobs = await opening(server, before=w, capabilities={"sampling": {}}, token="bob")
    reply = result({"role": "assistant", "content": []}, request_id=question["id"])

    statuses = [
        (await w.send(reply, token=token, headers=in_session(used))).status
        for token, used in (("bob", session), ("bob", bobs), ("alice", own))
    ]

    assert statuses == [404, 400, 400]
    assert await w.live.store.scan(MAIL, "", limit=9) == []
    assert not any("inputResponses" in sent["params"] for sent in server.sent)
    assert (await w.send(reply, headers=in_session(session))).status == 202
    assert events(b"".join([piece async for piece in stream])) == [result({"content": []})]


async def test_a_response_is_taken_once() -> None:
    w, server, session, stream, question = await asked(ALLOW_ALL, ALLOW_SERVER)
    reply = result(SAMPLED, request_id=question["id"])

    first, second = [(await w.send(reply, headers=in_session(session))).status for _ in range(2)]
    async for _ in stream:
        pass

    assert (first, second) == (202, 400)
    assert sum("inputResponses" in sent["params"] for sent in server.sent) == 1


async def test_what_policy_forbids_is_never_asked_and_ends_the_call() -> None:
    server = sampling()
    w, session = await opening(server, ALLOW_ALL, capabilities={"sampling": {}})

    (last,) = events(await drained(await call(w, session)))

    assert (last["id"], last["error"]["code"]) == (1, -31003)
    assert ("server-message", "drop") in w.log.words()
    assert len(server.sent) == 2


async def test_a_form_that_policy_forbids_is_not_a_dismissed_one() -> None:
    form = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}}
    wants = {"resultType": "input_required", "inputRequests": {"q": form}}
    server = ModernServer({"tools/call": lambda _: wants})
    w, session = await opening(server, ALLOW_ALL, capabilities={"elicitation": {}})

    (last,) = events(await drained(await call(w, session)))

    assert last["error"]["code"] == -31003
    assert len(server.sent) == 2


async def test_an_allowed_question_does_not_carry_a_forbidden_one_along() -> None:
    only_roots = {**ALLOW_SERVER, "match": {"server": ["roots"]}}
    both = {"r": {"method": "roots/list"}, **ASKS}
    wants = {"resultType": "input_required", "inputRequests": both}
    server = ModernServer({"tools/call": lambda _: wants})
    w, session = await opening(
        server, ALLOW_ALL, only_roots, capabilities={"roots": {}, "sampling": {}}
    )

    seen = events(await drained(await call(w, session)))

    assert [message.get("method", "error") for message in seen] == ["roots/list", "error"]
    assert len(server.sent) == 2


@pytest.mark.parametrize("answer_with", [json_answer, sse_answer])
async def test_a_question_hidden_where_none_may_be_reaches_nobody(answer_with: Any) -> None:
    hidden = {**WANTS, "tools": []}
    w, session = await opening(
        ModernServer({"tools/list": lambda _: answer_with(result(hidden))}),
        ALLOW_ALL, ALLOW_SERVER, capabilities={"sampling": {}},
    )  # fmt: skip

    answer = await w.legacy(session, "tools/list")

    data = answer.body if isinstance(answer.body, bytes) else await drained(answer)
    assert b"sampling" not in data
    assert b"-31012" in data


async def test_the_servers_state_of_one_person_never_reaches_another() -> None:
    w, server, _, _, question = await asked(ALLOW_ALL, ALLOW_SERVER)
    _, bobs = await opening(server, before=w, capabilities={"sampling": {}}, token="bob")
    forged = {"name": "a", "requestState": "alices", "inputResponses": {"q": {}}}

    seen = await w.legacy(bobs, "tools/call", forged, token="bob")
    assert not isinstance(seen.body, bytes)
    (bobs_question,) = events(await next_said(seen.body.__aiter__()))

    assert "alices" not in json.dumps([question, bobs_question])
    assert bobs_question["id"] != question["id"]
    assert "requestState" not in server.sent[-1]["params"]


async def test_the_store_never_sees_what_a_client_answered() -> None:
    w, _, session, _, question = await asked(ALLOW_ALL, ALLOW_SERVER)
    reply = result({"role": "assistant", "content": "a secret"}, request_id=question["id"])

    await w.send(reply, headers=in_session(session))

    (row,) = await w.live.store.scan(MAIL, "", limit=9)
    assert b"a secret" not in row.value


async def kept_for_alice() -> tuple[World, str, str]:
    """Return a call of alice's that is kept as a task: the session and the task's id."""
    secret = {**DONE, "content": [{"type": "text", "text": "a secret"}]}
    w, session = await opening(ModernServer({"tools/call": lambda _: secret}))
    answer = await w.legacy(session, "tools/call", {"name": "a", "task": {}})
    return w, session, body(answer)["result"]["task"]["taskId"]


async def test_the_store_never_sees_what_is_kept_as_a_task() -> None:
    w, _, _ = await kept_for_alice()

    rows = await w.live.store.scan("mcp-bridged-tasks", "", limit=9)

    assert len(rows) == 2
    assert not any(b"secret" in row.value or b"ostiary-task" in row.value for row in rows)


async def test_what_is_kept_as_a_task_is_nobody_elses_and_no_other_task() -> None:
    w, session, task_id = await kept_for_alice()
    server = ModernServer({"tools/call": lambda _: DONE})
    _, bobs = await opening(server, before=w, token="bob")
    other = body(await w.legacy(session, "tools/call", {"name": "a", "task": {}}))["result"]

    theirs = await w.legacy(bobs, "tasks/result", {"taskId": task_id}, token="bob")
    rows = await w.live.store.scan("mcp-bridged-tasks", "", limit=9)
    for row in rows:  # whoever can write the Store swaps all of them
        for into in rows:
            await w.live.store.put("mcp-bridged-tasks", into.key, row.value, expires=None)
    swapped = [
        body(await w.legacy(session, "tasks/result", {"taskId": one}))
        for one in (task_id, other["task"]["taskId"])
    ]

    assert body(theirs)["error"]["code"] == -32602
    assert sum("result" in answer for answer in swapped) <= 1


async def test_what_a_kept_task_brings_is_redacted_as_the_call_would_be() -> None:
    redact = {"redact": [{"in": "Result", "pattern": "secret"}]}
    w, session, task_id = await kept_for_alice()
    w.allow({**ALLOW_ALL, "transform": redact})

    answer = body(await w.legacy(session, "tasks/result", {"taskId": task_id}))

    assert answer["result"]["content"] == [{"type": "text", "text": "a [redacted]"}]


async def test_what_a_kept_task_brings_is_lost_with_the_tool() -> None:
    w, session, task_id = await kept_for_alice()
    w.allow(ALLOW_ALL, {"name": "no", "effect": "Deny", "match": {"tools": ["a"]}})

    answer = body(await w.legacy(session, "tasks/result", {"taskId": task_id}))

    assert answer["error"]["code"] == -32602


async def test_a_server_that_gives_a_session_id_in_our_form_opens_no_session() -> None:
    forged = Bridged(
        declared=Declared(capabilities={"sampling": {}}), logs=True, subscribes=True, tasks=True
    ).text()
    w = world(lambda _: json_answer(initialized(), mcp_session_id=forged))

    answer = await w.send(initialize())

    assert body(answer)["error"]["code"] == -31012
    assert header(answer, "mcp-session-id") is None


async def test_what_a_client_declares_is_bounded_and_shows_in_no_header() -> None:
    server = sampling()
    w = world(server)
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {
            "sampling": {"tools": {"x": "y" * 9999}, "more": {}},
            "experimental": {"z" * 9999: {}},
            "extensions": {"io.modelcontextprotocol/tasks": {}},
            "tasks": {},
        },
        "clientInfo": {"name": "n" * 9999, "version": "v" * 9999, "icons": ["i" * 9999]},
    }

    answer = await w.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})

    session = header(answer, "mcp-session-id")
    assert len(session) < 500
    assert b"sampling" not in base64.urlsafe_b64decode(session + "=" * (-len(session) % 4))
    await call(w, session)
    meta = server.sent[-1]["params"]["_meta"]
    assert meta["io.modelcontextprotocol/clientCapabilities"] == {"sampling": {"tools": {}}}
    assert meta["io.modelcontextprotocol/clientInfo"] == {"name": "n" * 64, "version": "v" * 64}


async def test_nothing_of_the_clients_credential_goes_along_and_ours_goes_with_each_round() -> None:
    w, _, session, stream, question = await asked(ALLOW_ALL, ALLOW_SERVER)
    reply = result(SAMPLED, request_id=question["id"])

    await w.send(reply, headers=in_session(session))
    async for _ in stream:
        pass

    assert [sent_header(sent, "authorization") for sent in w.upstream.sent] == [
        f"Bearer {CREDENTIAL}"
    ] * len(w.upstream.sent)
    assert not any(b"Bearer" in sent.body for sent in w.upstream.sent)


async def test_a_revoked_grant_ends_a_call_that_waits_for_its_client() -> None:
    w, server, _, stream, _ = await asked(ALLOW_ALL, ALLOW_SERVER)

    w.doors.grants.clear()
    w.live.streams.wake()
    rest = events(b"".join([piece async for piece in stream]))

    assert rest[0]["error"]["code"] == -31002
    assert w.log.words()[-1] == ("outcome", "cut")
    assert len(server.sent) == 2


async def test_more_questions_than_a_client_can_be_asked_are_refused() -> None:
    many = {f"q{n}": ASKS["q"] for n in range(17)}
    wants = {"resultType": "input_required", "inputRequests": many}
    w, session = await opening(
        ModernServer({"tools/call": lambda _: wants}),
        ALLOW_ALL, ALLOW_SERVER, capabilities={"sampling": {}},
    )  # fmt: skip

    (last,) = events(await drained(await call(w, session)))

    assert last["error"]["code"] == -31012


async def test_a_person_is_asked_in_a_bounded_number_of_calls_at_once() -> None:
    server = sampling()
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities={"sampling": {}})
    _, bobs = await opening(server, before=w, capabilities={"sampling": {}}, token="bob")

    async def first_of(used: str, number: int, token: str = "alice") -> Any:
        answer = await call(w, used, request_id=number, token=token)
        assert not isinstance(answer.body, bytes)
        return events(await next_said(answer.body.__aiter__()))[0]

    asked = [await first_of(session, number) for number in range(33)]
    others = await first_of(bobs, 0, "bob")

    assert [message.get("method") for message in asked] == ["sampling/createMessage"] * 32 + [None]
    assert asked[-1]["error"]["code"] == -31006
    assert others["method"] == "sampling/createMessage"


REDACT = {
    **ALLOW_ALL,
    "transform": {
        "redact": [
            {"in": "Result", "pattern": "[a-z]+@example.com"},
            {"in": "Arguments", "paths": ["to"]},
        ]
    },
}


async def test_redaction_holds_for_arguments_and_results_of_every_round() -> None:
    mail = "bob@example.com"
    server = ModernServer()
    server.replies["tools/call"] = lambda m: (
        {**DONE, "content": [{"type": "text", "text": mail}]}
        if "inputResponses" in m["params"]
        else WANTS
    )
    w, session = await opening(server, REDACT, ALLOW_SERVER, capabilities={"sampling": {}})
    params = {"name": "a", "arguments": {"to": mail}}

    answer = await w.legacy(session, "tools/call", params)
    assert not isinstance(answer.body, bytes)
    stream = answer.body.__aiter__()
    (question,) = events(await next_said(stream))
    reply = result(SAMPLED, request_id=question["id"])
    await w.send(reply, headers=in_session(session))
    rest = b"".join([piece async for piece in stream])

    assert len(server.sent) == 3
    assert not any(mail in json.dumps(sent) for sent in server.sent)
    assert mail.encode() not in rest


async def test_questions_of_our_own_are_told_from_the_persons_by_their_credential(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = ModernServer({"tools/call": lambda _: DONE})
    w = world(server)
    attach, said = w.doors.attach, []

    async def recorded(one: UpstreamCall) -> Headers:
        said.append((one.method, one.system, one.session is not None))
        return await attach(one)

    monkeypatch.setattr(w.doors, "attach", recorded)
    _, session = await opening(server, before=w)

    await call(w, session)

    assert said == [
        ("initialize", False, False),
        ("server/discover", True, False),
        ("initialize", True, False),
        ("tools/call", False, True),
    ]


async def test_a_client_that_never_answers_ends_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    w, _, _, stream, _ = await asked(ALLOW_ALL, ALLOW_SERVER)

    async def nothing(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(w.live.mailbox, "wait", nothing)
    (last,) = events(b"".join([piece async for piece in stream]))

    assert last["error"]["code"] == -31011
    assert "no answer came in time" in last["error"]["message"]


@pytest.mark.parametrize("endless", [b"data: " + b"x" * 2**20, b"data: x\n" * 2**18])
async def test_an_event_without_end_ends_the_call(endless: bytes) -> None:
    said = sse_answer(endless, endless, result(DONE))
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))

    (last,) = events(await drained(await call(w, session)))

    assert last["error"]["code"] == -31012
    assert said.closed


async def test_an_answer_without_end_is_not_read_to_it() -> None:
    huge = ScriptedExchange(200, {"content-type": "application/json"}, [b" " * 2**20] * 17)
    w, session = await opening(ModernServer({"tools/call": lambda _: huge}))

    answer = await call(w, session)

    assert body(answer)["error"]["code"] == -31012
