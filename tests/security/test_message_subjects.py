"""Policy.md 1, 2 and 9: a Deny reaches each message by its method, and by what it is about."""

import json
from typing import Any

import pytest

from mcp_parts import ALLOW_ALL, ScriptedExchange, World, body, json_answer, result, world
from protocol.test_message_table import FROM_CLIENT, TOLD_BY_CLIENT, D, answer_to
from task_parts import EXTENDED, know_task

ALWAYS = ("ping", "notifications/cancelled")
"""What passes for whoever may use the route at all."""
REQUESTS = [(method, version) for method, (served, _) in FROM_CLIENT.items() for version in served]
NOTIFICATIONS = [(name, version) for name, served in TOLD_BY_CLIENT.items() for version in served]
DENIED = (-31003, -32602)


def denying(**match: Any) -> dict[str, Any]:
    return {"name": "no", "effect": "Deny", "match": match}


async def said(w: World, method: str, params: Any, version: str) -> Any:
    """Return the answer to a request of a client that knows all the server's tasks."""
    await know_task(w, "t")
    if version == D:
        answer = await w.modern(method, params, meta=EXTENDED)
    elif method == "initialize":
        answer = await w.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    else:
        session = await w.session(version=version)
        w.upstream.sent.clear()
        answer = await w.legacy(session, method, params)
    return body(answer)


@pytest.mark.parametrize(("method", "version"), [r for r in REQUESTS if r[0] not in ALWAYS])
async def test_a_deny_that_names_a_method_refuses_that_one(method: str, version: str) -> None:
    params = {
        **FROM_CLIENT[method][1],
        **({"protocolVersion": version} if method == "initialize" else {}),
    }
    w = world(None, ALLOW_ALL, denying(methods=[method]))

    answer = await said(w, method, params, version)

    assert (answer["id"], answer["error"]["code"] in DENIED) == (1, True)
    assert w.upstream.sent == []
    assert w.log.words()[-1] == ("decision", "deny")
    other = "prompts/list" if method == "tools/list" else "tools/list"
    if method != "initialize":
        w.upstream.script = lambda _: json_answer(answer_to(other, version))
        assert "result" in await said(w, other, {}, version)


@pytest.mark.parametrize(("method", "version"), [n for n in NOTIFICATIONS if n[0] not in ALWAYS])
async def test_a_deny_that_names_a_notification_refuses_that_one(method: str, version: str) -> None:
    w = world(lambda _: ScriptedExchange(202, {}, []), ALLOW_ALL, denying(methods=[method]))
    session = await w.session(version=version)
    await know_task(w, "c", session=session)
    w.upstream.sent.clear()
    headers = (("mcp-session-id", session),)
    params = {"requestId": 1, "progressToken": 1, "taskId": "c"}

    answers = [
        await w.send({"jsonrpc": "2.0", "method": name, "params": params}, headers=headers)
        for name in (method, "notifications/cancelled")
    ]

    assert [answer.status for answer in answers] == [403, 202]
    assert [json.loads(sent.body)["method"] for sent in w.upstream.sent] == [
        "notifications/cancelled"
    ]


REFERENCE = {"argument": {"name": "x", "value": "y"}}
ABOUT: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "a call": ({"tools": ["a*"]}, "tools/call", {"name": "abc", "arguments": {}}),
    "a prompt": ({"prompts": ["a*"]}, "prompts/get", {"name": "abc"}),
    "a completion for a prompt": (
        {"prompts": ["a*"]},
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "abc"}, **REFERENCE},
    ),
    "a resource": ({"resources": ["a://*"]}, "resources/read", {"uri": "a://b"}),
    "a subscription": ({"resources": ["a://*"]}, "resources/subscribe", {"uri": "a://b"}),
    "its end": ({"resources": ["a://*"]}, "resources/unsubscribe", {"uri": "a://b"}),
    "a completion for a resource": (
        {"resources": ["a://*"]},
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "a://{b}"}, **REFERENCE},
    ),
    "a task": ({"tools": ["a"]}, "tasks/get", {"taskId": "t"}),
    "the result of a task": ({"tools": ["a"]}, "tasks/result", {"taskId": "t"}),
    "an answer to a task": (
        {"tools": ["a"]}, "tasks/update", {"taskId": "t", "inputResponses": {}},
    ),
    "the end of a task": ({"tools": ["a"]}, "tasks/cancel", {"taskId": "t"}),
}  # fmt: skip
CELLS = [(name, version) for name in ABOUT for version in FROM_CLIENT[ABOUT[name][1]][0]]


@pytest.mark.parametrize(("name", "version"), CELLS)
async def test_a_deny_that_names_a_subject_refuses_each_message_about_it(
    name: str, version: str
) -> None:
    match, method, params = ABOUT[name]
    task = {"taskId": "t", "status": "working"} if method == "tasks/get" else {}
    answer = result({**answer_to(method, version)["result"], **task})
    w = world(lambda _: json_answer(answer), ALLOW_ALL, denying(**match))

    denied = await said(w, method, params, version)
    assert (denied["error"]["code"] in DENIED, w.upstream.sent) == (True, [])
    w.allow(ALLOW_ALL, denying(**{kind: ["z*"] for kind in match}))
    assert "result" in await said(w, method, params, version)


async def test_a_deny_that_names_a_resource_leaves_it_out_of_what_a_listener_hears() -> None:
    w = world(None, ALLOW_ALL, denying(resources=["a://*"]))
    wanted = {"resourceSubscriptions": ["a://b", "b://b"], "toolsListChanged": True}

    await w.modern("subscriptions/listen", {"notifications": wanted})

    sent = json.loads(w.upstream.sent[0].body)["params"]["notifications"]
    assert sent == {"resourceSubscriptions": ["b://b"], "toolsListChanged": True}
