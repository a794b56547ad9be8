"""Rules 46 and 47: what a subscriptions/listen stream of 2026-07-28 tells, and how it ends."""

import asyncio
from typing import Any

import pytest

from mcp_parts import ALLOW_ALL, World, drained, events, header, result, sse_answer, world
from ostiary_proxy.pipeline.answer import Answer

TAG = "io.modelcontextprotocol/subscriptionId"


def told(method: str, *, subscription: Any = 1, **params: Any) -> dict[str, Any]:
    """Return a notification as a listen stream carries it."""
    tagged = {**params, "_meta": {TAG: subscription}}
    return {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": tagged}


def acknowledged(**kinds: Any) -> dict[str, Any]:
    return told("subscriptions/acknowledged", notifications=kinds)


async def listen(w: World, **wanted: Any) -> Answer:
    return await w.modern("subscriptions/listen", {"notifications": wanted})


GOOD_END = result({"resultType": "complete", "_meta": {TAG: 1}})


async def test_nothing_is_told_before_the_acknowledgement_and_that_only_once() -> None:
    changed = told("tools/list_changed")
    first = acknowledged(toolsListChanged=True)
    w = world(lambda _: sse_answer(changed, first, changed, first, GOOD_END))

    answer = await listen(w, toolsListChanged=True)

    assert events(await drained(answer)) == [first, changed, GOOD_END]


async def test_only_what_was_asked_for_is_told_and_acknowledged() -> None:
    said = [
        acknowledged(toolsListChanged=True, promptsListChanged=True, taskIds=["t"]),
        told("tools/list_changed"),
        told("prompts/list_changed"),
        told("resources/updated", uri="file:///a"),
        told("progress", progressToken="p", progress=1),
        told("message", level="info", data="x"),
    ]
    w = world(lambda _: sse_answer(*said, GOOD_END))

    answer = await listen(w, toolsListChanged=True, promptsListChanged=False)

    assert events(await drained(answer)) == [
        acknowledged(toolsListChanged=True),
        said[1],
        GOOD_END,
    ]


@pytest.mark.parametrize("subscription", [2, "1", None, True])
async def test_what_is_not_this_subscriptions_is_not_told(subscription: object) -> None:
    first = acknowledged(toolsListChanged=True)
    other = told("tools/list_changed", subscription=subscription)
    w = world(lambda _: sse_answer(first, other, GOOD_END))

    answer = await listen(w, toolsListChanged=True)

    assert events(await drained(answer)) == [first, GOOD_END]
    assert ("server-message", "drop") in w.log.words()


@pytest.mark.parametrize("ended_by", ["the process", "the token"])
async def test_a_listen_stream_ends_in_good_order(ended_by: str) -> None:
    held = asyncio.get_running_loop().create_future()
    w = world(lambda _: sse_answer(acknowledged(), held))
    answer = await listen(w)

    if ended_by == "the process":
        w.live.streams.leave()
    else:
        w.now[0] = 10_000.0
        w.live.streams.wake()

    assert events(await drained(answer))[-1] == GOOD_END
    assert w.log.words()[-1] == ("outcome", "cut")
    assert w.upstream.exchanges[-1].closed


async def test_a_listen_stream_that_policy_forbids_ends_in_an_error() -> None:
    held = asyncio.get_running_loop().create_future()
    w = world(lambda _: sse_answer(acknowledged(), held))
    answer = await listen(w)

    w.allow({**ALLOW_ALL, "who": {"groups": ["nobody"]}})

    assert "error" in events(await drained(answer))[-1]
    assert header(answer, "content-type") == "text/event-stream"
