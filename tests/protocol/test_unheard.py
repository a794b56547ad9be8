"""Rule 26, policy.md 13: what a server says unasked reaches nobody and is written down."""

import asyncio
from typing import Any

import pytest

from joined_parts import Server, joined
from legacy_parts import LegacyServer
from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    World,
    body,
    drained,
    event,
    events,
    json_answer,
    next_said,
    request,
    result,
    sse_answer,
    world,
)
from newer_parts import ModernServer, call, opening, told

TEXT = {"content": [{"type": "text", "text": "done"}], "resultType": "complete"}
STRAY: dict[str, dict[str, Any]] = {
    "an answer to nothing": result({"content": []}, request_id=99),
    "an answer to another id": result({"content": []}, request_id="1"),
    "a request that no server sends": request("tools/call", {"name": "a"}, request_id="s-1"),
    "an unknown notification": told("notifications/evil"),
    "progress of nobody's": told("notifications/progress", progressToken="x", progress=1),
    "news for listeners": told("notifications/tools/list_changed"),
}


def dropped(w: World) -> list[object]:
    """Return the methods in the records of what was dropped, None for an answer."""
    records = [one for one in w.log.records if one.kind == "server-message"]
    assert all(one.facts["decision"] == "drop" and one.facts["during"] for one in records)
    return [one.facts.get("method") for one in records]


@pytest.mark.parametrize("name", STRAY)
async def test_a_client_of_2026_hears_nothing_that_it_did_not_ask(name: str) -> None:
    w = world(lambda _: sse_answer(STRAY[name], result(TEXT)), ALLOW_ALL, ALLOW_SERVER)

    answer = await w.modern("tools/call", {"name": "a"})

    assert events(await drained(answer)) == [result(TEXT)]
    assert len(dropped(w)) == 1


@pytest.mark.parametrize("name", [name for name in STRAY if not name.startswith("news")])
async def test_nor_where_its_server_speaks_older_revisions(name: str) -> None:
    said = [STRAY[name], result({"content": TEXT["content"]}, request_id=1)]
    server = LegacyServer({"tools/call": lambda _: said, "answered": lambda _: []})
    w = world(server, ALLOW_ALL, ALLOW_SERVER)

    answer = await w.modern("tools/call", {"name": "a"})

    (last,) = events(await drained(answer))
    assert last["result"]["content"] == TEXT["content"]
    method, answered = STRAY[name].get("method"), STRAY[name].get("id")
    progress = "notifications/progress"
    assert dropped(w) == [
        f"notification:{method}" if method == progress else method or f"response:{answered}"
    ]


@pytest.mark.parametrize("name", [name for name in STRAY if not name.startswith(("pro", "news"))])
async def test_nor_does_a_legacy_client_before_a_server_of_2026(name: str) -> None:
    said = sse_answer(STRAY[name], result(TEXT))
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))

    answer = await call(w, session)

    assert events(await drained(answer)) == [result({"content": TEXT["content"]})]
    assert len(dropped(w)) == 1


async def test_an_answer_to_an_earlier_round_is_none_to_a_later_one() -> None:
    late = {"resultType": "input_required", "inputRequests": {"q": {"method": "roots/list"}}}

    def answer(asked: Any) -> Any:
        if "requestState" not in asked["params"]:
            return {"resultType": "input_required", "requestState": "later"}
        return sse_answer(result(late), result(TEXT, request_id=asked["id"]))

    w, session = await opening(ModernServer({"tools/call": answer}))

    said = await call(w, session)

    assert events(await drained(said)) == [result({"content": TEXT["content"]})]
    assert dropped(w) == ["response:1"]


async def test_a_request_on_a_joined_listen_stream_is_written_down_too() -> None:
    def listening(asked: Any) -> Any:
        tag = {"io.modelcontextprotocol/subscriptionId": asked["id"]}
        first = told("notifications/subscriptions/acknowledged", notifications={}, _meta=tag)
        sampling = request("sampling/createMessage", {}, request_id="evil")
        news = told("notifications/tools/list_changed", _meta=tag)
        return sse_answer(first, sampling, news, asyncio.get_running_loop().create_future())

    w = joined({"files": Server(subscriptions__listen=listening)}, ALLOW_ALL, ALLOW_SERVER)

    answer = await w.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})

    assert not isinstance(answer.body, bytes)
    heard: list[Any] = []
    async with asyncio.timeout(5):
        while len(heard) < 2:
            heard += events(await next_said(aiter(answer.body)))
    assert [one["method"].rpartition("/")[2] for one in heard] == ["acknowledged", "list_changed"]
    assert dropped(w) == ["sampling/createMessage"]
    await answer.body.abandon()


@pytest.mark.parametrize("form", ["events", "JSON"])
async def test_an_older_servers_broken_answer_is_an_invalid_one(form: str) -> None:
    broken = b"hello"
    said = json_answer(broken) if form == "JSON" else sse_answer(b"data: " + broken + b"\n\n")
    w = world(LegacyServer({"tools/call": lambda _: said}), ALLOW_ALL)

    answer = await w.modern("tools/call", {"name": "a"})

    error = body(answer)
    assert (error["id"], error["error"]["code"]) == (1, -31012)


async def test_no_later_round_is_answered_in_what_is_no_utf_8() -> None:
    broken = b'{"jsonrpc":"2.0","id":"d2.1","result":{"content":[{"type":"text","text":"\xff"}]}}'

    def answer(asked: Any) -> Any:
        if "requestState" not in asked["params"]:
            return {"resultType": "input_required", "requestState": "later"}
        return json_answer(broken)

    w, session = await opening(ModernServer({"tools/call": answer}))

    (error,) = events(await drained(await call(w, session)))

    assert (error["id"], error["error"]["code"]) == (1, -31012)


@pytest.mark.parametrize("how", ["a call", "the session's own stream"])
async def test_a_stream_of_which_nothing_passes_ends_before_it_fills_the_log(how: str) -> None:
    stray = event(told("notifications/evil"))
    w = world(lambda _: sse_answer(stray * 20_000, asyncio.get_running_loop().create_future()))

    if how == "a call":
        answer = await w.modern("tools/call", {"name": "a"})
    else:
        session = await w.session()
        answer = await w.send(method="GET", headers=(("mcp-session-id", session),))
    said = events(await drained(answer))

    codes = [one["error"]["code"] for one in said]
    assert codes == ([-31012] if how == "a call" else [])
    assert w.log.words()[-1] == ("outcome", "error")
    assert len(dropped(w)) == 10_001
    assert w.upstream.exchanges[-1].closed


async def test_what_an_older_server_says_to_nobody_is_not_read_without_end() -> None:
    quiet = (b": " + b"x" * 1000 + b"\n\n") * 1000
    w = world(LegacyServer({"tools/call": lambda _: sse_answer(*[quiet] * 80)}), ALLOW_ALL)

    answer = await w.modern("tools/call", {"name": "a"})

    whole = isinstance(answer.body, bytes)  # where all of it was read before anything was passed
    (error,) = [body(answer)] if whole else events(await drained(answer))
    assert (error["id"], error["error"]["code"]) == (1, -31012)
