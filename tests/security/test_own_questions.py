"""A server tells of its own questions only: what it never asked is neither over nor complete."""

import json
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    ScriptedExchange,
    World,
    drained,
    events,
    request,
    result,
    sse_answer,
    world,
)
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.store.port import StoreUnavailable

VISIT = request(
    "elicitation/create",
    {"mode": "url", "message": "go", "url": "https://a.example", "elicitationId": "e1"},
    request_id="s1",
)
LINKS = {
    "jsonrpc": "2.0",
    "id": 1,
    "error": {"code": -32042, "message": "go", "data": {"elicitations": [VISIT["params"]]}},
}


def told(name: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": f"notifications/{name}", "params": params}


def telling(*said: Any) -> World:
    """Return a world whose server says that to each call, and on each stream of its own."""
    heard = list(said)

    def script(sent: Outgoing) -> ScriptedExchange:
        if sent.method == "POST" and b"tools/call" not in sent.body:
            return ScriptedExchange(202, {}, [])
        return sse_answer(*heard.pop(0))

    return world(script, ALLOW_ALL, ALLOW_SERVER)


async def call(w: World, session: str) -> list[Any]:
    return events(await drained(await w.legacy(session, "tools/call", {"name": "a"})))


async def listen(w: World, session: str, token: str = "alice") -> list[Any]:
    headers = (("mcp-session-id", session),)
    return events(await drained(await w.send(token=token, method="GET", headers=headers)))


COMPLETE = told("elicitation/complete", elicitationId="e1")


@pytest.mark.parametrize("before", [[VISIT, result({})], [LINKS]], ids=["a question", "an error"])
async def test_a_visit_is_complete_once_and_on_any_stream_of_its_session(before: Any) -> None:
    w = telling(before, [COMPLETE, COMPLETE])
    session = await w.session()
    await call(w, session)

    assert await listen(w, session) == [COMPLETE]


async def test_a_visit_of_another_session_is_not_complete_here() -> None:
    w = telling([VISIT, result({})], [COMPLETE])
    await call(w, await w.session())

    assert await listen(w, await w.session(token="bob"), "bob") == []


@pytest.mark.parametrize(
    "params",
    [{"requestId": 1}, {"requestId": "s2"}, {"requestId": True}, {"requestId": None}, {}],
)
async def test_a_server_cancels_nothing_that_it_did_not_ask(params: Any) -> None:
    w = telling([VISIT, told("cancelled", **params), result({})])

    said = await call(w, await w.session())

    assert [one.get("method") for one in said] == ["elicitation/create", None]
    drops = [
        r for r in w.log.records if r.kind == "server-message" and r.facts["decision"] == "drop"
    ]
    assert len(drops) == 1


async def test_what_a_server_cancelled_takes_no_answer_any_more() -> None:
    w = telling([VISIT, told("cancelled", requestId="s1"), result({})])
    session = await w.session()
    assert len(await call(w, session)) == 3
    sent = len(w.upstream.sent)

    answer = {"jsonrpc": "2.0", "id": "s1", "result": {"action": "accept"}}
    late = await w.send(answer, headers=(("mcp-session-id", session),))

    assert (late.status, len(w.upstream.sent)) == (400, sent)
    assert isinstance(late.body, bytes)
    assert json.loads(late.body)["error"]["code"] == -32600


async def test_a_stream_is_cut_where_the_store_cannot_say_whose_question_it_was() -> None:
    w = telling([VISIT, told("cancelled", requestId="s1"), result({})])
    session = await w.session()

    async def away(table: str, key: str) -> None:
        raise StoreUnavailable("away")

    answer = await w.legacy(session, "tools/call", {"name": "a"})
    object.__setattr__(w.live.store, "get", away)

    assert [one.get("method") for one in events(await drained(answer))] == ["elicitation/create"]
    assert w.log.words()[-1] == ("outcome", "cut")
