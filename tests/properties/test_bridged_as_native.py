"""Whatever a client says, across the eras it is judged, redacted and recorded as natively."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from legacy_parts import INFO, LegacyServer, asks
from mcp_parts import (
    Script,
    ScriptedExchange,
    World,
    events,
    header,
    initialize,
    json_answer,
    result,
    sse_answer,
    world,
)
from newer_parts import ModernServer
from ostiary_proxy.pipeline.answer import Answer

ABLE: dict[str, Any] = {"sampling": {}, "elicitation": {"form": {}}, "roots": {}}
EVERYONE = {"everyone": True}
MAIL = {"in": "Result", "pattern": "[a-z]+@example.com"}
RULES: tuple[Mapping[str, Any], ...] = (
    {
        "name": "tools", "effect": "Allow", "who": EVERYONE,
        "match": {"tools": ["say", "ask", "form", "fail", "gone", "tell", "never"]},
        "transform": {"redact": [MAIL, {"in": "Arguments", "paths": ["secret"]}]},
    },
    {
        "name": "few", "effect": "Allow", "who": EVERYONE, "match": {"tools": ["few"]},
        "rateLimit": {"requests": 2, "per": "1m"},
    },
    {"name": "no", "effect": "Deny", "match": {"tools": ["never"]}, "message": "not this one"},
    {
        "name": "rest", "effect": "Allow", "who": EVERYONE,
        "match": {"prompts": ["open"], "resources": ["file:///open"]},
        "transform": {"redact": [MAIL]},
    },
    {
        "name": "server", "effect": "Allow", "who": EVERYONE,
        "match": {"server": ["sampling", "roots"]},
    },
)  # fmt: skip
TEXT = "write to bob@example.com"
SAMPLED = {"role": "assistant", "content": {"type": "text", "text": TEXT}, "model": "m"}
ASKED: Mapping[str, tuple[str, Any]] = {
    "ask": ("sampling/createMessage", {"messages": [], "maxTokens": 1}),
    "form": ("elicitation/create", {"message": TEXT, "requestedSchema": {}}),
}


def notes(token: Any) -> tuple[tuple[str, Any], ...]:
    """Return what a server tells while it works."""
    return (
        ("notifications/progress", {"progressToken": token, "progress": 1, "message": TEXT}),
        ("notifications/subscriptions/acknowledged", {"notifications": {}}),
        ("notifications/unheard", {"of": TEXT}),
    )


@dataclass(frozen=True)
class Reply:
    """What a server answers in either era: a result, or an error, after `told`."""

    result: Any = None
    error: Any = None
    told: tuple[tuple[str, Any], ...] = ()
    asked: tuple[str, Any] | None = None


def reply_to(message: Any) -> Reply:
    method, params = message["method"], message.get("params", {})
    if method == "tools/call":
        return _called(params)
    content = [{"type": "text", "text": TEXT}]
    return Reply(result={
        "tools/list": {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in TOOLS]},
        "prompts/list": {"prompts": [{"name": name} for name in ("open", "closed")]},
        "prompts/get": {"messages": [{"role": "user", "content": content[0]}]},
        "resources/list": {"resources": [{"uri": u, "name": "x"} for u in URIS]},
        "resources/templates/list": {"resourceTemplates": [TEMPLATE]},
        "resources/read": {"contents": [{"uri": params.get("uri"), "text": TEXT}]},
        "completion/complete": {"completion": {"values": [TEXT]}},
    }[method])  # fmt: skip


def _called(params: Any) -> Reply:
    name, given = params["name"], params.get("arguments", {})
    shown = [{"type": "text", "text": f"{TEXT}: {sorted(given.items())}"}]
    if name == "fail":
        return Reply(error={"code": -32603, "message": TEXT, "data": {"mail": TEXT}})
    if name == "gone":
        return Reply(error={"code": -32602, "message": "Unknown tool: gone"})
    token = params["_meta"]["progressToken"]
    told = notes(token) if name == "tell" else ()
    answer = {"content": shown, "structuredContent": {"text": TEXT}}
    return Reply(result=answer, told=told, asked=ASKED.get(name))


TOOLS = ("say", "ask", "form", "fail", "gone", "tell", "never", "few", "hidden")
URIS = ("file:///open", "file:///closed")
TEMPLATE = {"uriTemplate": "file:///{any}", "name": "x"}


def spoken(reply: Reply, request_id: Any, more: Mapping[str, Any]) -> ScriptedExchange:
    """Return a reply as an exchange; every complete result has `more` in it."""
    last = {"jsonrpc": "2.0", "id": request_id}
    last |= {"error": reply.error} if reply.error else {"result": {**reply.result, **more}}
    if not reply.told:
        return json_answer(last)
    return sse_answer(
        *({"jsonrpc": "2.0", "method": method, "params": params} for method, params in reply.told),
        last,
    )


# -- the same server in both eras --------------------------------------------------------------


def legacy_server() -> LegacyServer:
    def answers(message: Any) -> Any:
        reply = reply_to(message)
        if reply.asked is None:
            return spoken(reply, message["id"], {})
        return [asks(*reply.asked, request_id=f"s-{message['id']}")]

    def answered(said: Any) -> Any:
        asked, answer = said
        reply = reply_to(asked)
        assert reply.asked is not None
        if "error" in answer:  # as the gateway says it where the server's era differs
            text = f"the server asked for {reply.asked[0]}: {answer['error']['message']}"
            error = {"code": answer["error"]["code"], "message": text}
            return [{"jsonrpc": "2.0", "id": asked["id"], "error": error}]
        return [result({**reply.result, "model": answer["result"]}, request_id=asked["id"])]

    every: dict[str, Callable[[Any], Any]] = dict.fromkeys(METHODS, answers)
    return LegacyServer({**every, "answered": answered})


def modern_server() -> ModernServer:
    def answers(message: Any) -> Any:
        reply, given = reply_to(message), message["params"].get("inputResponses")
        more: dict[str, Any] = {"resultType": "complete", "_meta": SERVER}
        if message["method"] in CACHED:
            more |= {"ttlMs": 0, "cacheScope": "private"}
        if reply.asked is not None and given is None:
            method, params = reply.asked
            wanted = {"question": {"method": method, "params": params}}
            return {"resultType": "input_required", "inputRequests": wanted}
        if given is not None:
            more["model"] = given["question"]
        return spoken(reply, message["id"], more)

    return ModernServer(dict.fromkeys(METHODS, answers))


SERVER = {"io.modelcontextprotocol/serverInfo": INFO}
CACHED = (
    "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read",
)  # fmt: skip
METHODS = ("tools/call", "prompts/get", "completion/complete", *CACHED)


# -- the same conversation ---------------------------------------------------------------------

CALL = st.builds(
    lambda name, given: ("tools/call", {"name": name, "arguments": given}),
    st.sampled_from(TOOLS),
    st.sampled_from([{}, {"secret": "x"}, {"plain": TEXT}]),
)
OTHER = st.sampled_from(
    [
        *(("prompts/get", {"name": name}) for name in ("open", "closed")),
        *(("resources/read", {"uri": uri}) for uri in URIS),
        *((method, {}) for method in CACHED if method != "resources/read"),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "open"}, "argument": {
            "name": "a", "value": TEXT}}),
        ("tools/call", {}),
        ("nothing/known", {}),
    ]
)  # fmt: skip
OF_A_SESSION = st.sampled_from(
    [
        ("ping", {}),
        ("logging/setLevel", {"level": "info"}),
        *(("resources/subscribe", {"uri": uri}) for uri in URIS),
        ("resources/unsubscribe", {"uri": URIS[0]}),
        ("tasks/get", {"taskId": "nobodys"}),
    ]
)
Step = tuple[str, Mapping[str, Any]]


async def as_legacy(script: Script, steps: list[Step]) -> tuple[Any, Any]:
    """Return what a legacy client hears, and the records of it."""
    w = world(script, *RULES)
    session = header(await w.send(initialize(capabilities=ABLE)), "mcp-session-id")
    heard = []
    for number, (method, params) in enumerate(steps):
        told = {**params, "_meta": {"progressToken": "t"}}
        answer = await w.legacy(session, method, told, request_id=number)
        async for message in messages(answer):
            heard.append(message)
            if "method" in message and "id" in message:
                reply = result(SAMPLED, request_id=message["id"])
                await w.send(reply, headers=(("mcp-session-id", session),))
    return same(heard), records(w)


async def as_modern(script: Script, steps: list[Step]) -> tuple[Any, Any]:
    """Return what a client of 2026-07-28 hears, and the records of it."""
    w = world(script, *RULES)
    await w.modern("server/discover")
    heard = []
    meta = {"io.modelcontextprotocol/clientCapabilities": ABLE, "progressToken": "t"}
    for method, params in steps:
        again: dict[str, Any] | None = {**params}
        while again is not None:
            said, again = again, None
            async for message in messages(await w.modern(method, said, meta=meta)):
                heard.append(message)
                if (wanted := message.get("result", {}).get("inputRequests")) is not None:
                    state = message["result"]["requestState"]
                    answers = dict.fromkeys(wanted, SAMPLED)
                    again = {**params, "inputResponses": answers, "requestState": state}
    return same(heard), records(w)


async def messages(answer: Answer) -> Any:
    if isinstance(answer.body, bytes):
        yield json.loads(answer.body)
        return
    async for piece in answer.body:
        for message in events(piece):
            yield message


TASK_SUPPORT = '"execution": {"taskSupport": "optional"}, '
"""What a tool of 2026-07-28 is shown with before 2026: there the server decides."""


def same(value: Any) -> Any:
    """Return `value` without what no two conversations share."""
    text = json.dumps(value, sort_keys=True).replace(TASK_SUPPORT, "")
    text = re.sub(r"\bd\d+(\.\d+)*\b", "ID", text)
    text = re.sub(r'"requestState": "[^"]+"', '"requestState": "STATE"', text)
    text = re.sub(r'"question-1"', '"question"', text)
    return json.loads(re.sub(r'"s-\d+"', '"ID"', text))


def records(w: World) -> Any:
    """Return the records of the conversation, less those of what the gateway says by itself."""
    own = {record.id for record in w.log.records if record.facts.get("by") == "gateway"}
    return same(
        [
            [record.kind.value, shared(record.facts), {**record.personal}, record.arguments]
            for record in w.log.records
            if record.id not in own
        ]
    )


def shared(facts: Mapping[str, Any]) -> dict[str, Any]:
    own = ("session", "bytes", "status", "rpc_id")
    return {name: value for name, value in facts.items() if name not in own}


@settings(max_examples=30)
@given(st.lists(CALL | OTHER | OF_A_SESSION, min_size=1, max_size=6))
def test_a_legacy_client_meets_the_same_gateway_before_a_server_of_either_era(
    steps: list[Step],
) -> None:
    natively = asyncio.run(as_legacy(legacy_server(), steps))
    bridged = asyncio.run(as_legacy(modern_server(), steps))

    assert bridged == natively


@settings(max_examples=30)
@given(st.lists(CALL | OTHER, min_size=1, max_size=6))
def test_a_client_of_2026_meets_the_same_gateway_before_a_server_of_either_era(
    steps: list[Step],
) -> None:
    natively = asyncio.run(as_modern(modern_server(), steps))
    bridged = asyncio.run(as_modern(legacy_server(), steps))

    assert bridged == natively
