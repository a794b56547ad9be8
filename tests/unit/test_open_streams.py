"""What looks after open streams: the same tasks for all, a grant read once, bounds on how many."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
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
    next_said,
    request,
    result,
    sse_answer,
    world,
)
from ostiary.config.document import Route
from ostiary_proxy.identity import Grant, Presented
from ostiary_proxy.pipeline import driver, streams
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.store.port import StoreUnavailable


async def listening(w: World) -> Answer:
    """Open a listen stream of whose server nothing is heard."""
    held = asyncio.get_running_loop().create_future()
    w.upstream.script = lambda _: sse_answer(held)
    return await w.modern("subscriptions/listen", {"notifications": {}})


async def test_a_revocation_that_nobody_told_of_is_seen_with_one_look_for_all_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_RECHECK", 0.2)
    w = world()
    opened = [await listening(w) for _ in range(3)]
    looked: list[str] = []
    known = w.doors.living

    async def living(gid: str, now: float) -> Grant:
        looked.append(gid)
        return await known(gid, now)

    monkeypatch.setattr(w.doors, "living", living)
    w.doors.grants.clear()

    said = [events(await drained(answer)) for answer in opened]

    assert [messages[0]["error"]["code"] for messages in said] == [-31002] * 3
    assert looked[0] == "grant-alice"
    assert len(looked) <= 2


async def test_a_revocation_that_was_told_of_concerns_the_streams_of_its_grant_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w = world()
    gone = await listening(w)
    session = await w.session(token="bob")
    w.upstream.script = lambda _: sse_answer(asyncio.get_running_loop().create_future())
    stays = await w.send(method="GET", token="bob", headers=(("mcp-session-id", session),))
    del w.doors.grants["alice"]
    judged: list[str] = []
    known = w.doors.present

    async def present(issued: str, route: Route, now: float) -> Presented:
        judged.append(issued)
        return await known(issued, route, now)

    monkeypatch.setattr(w.doors, "present", present)
    w.live.streams.doubt()

    assert events(await drained(gone))[0]["error"]["code"] == -31002
    assert judged == ["alice"]
    assert not isinstance(stays.body, bytes)
    await stays.body.abandon()


async def test_streams_end_where_nobody_can_say_whether_their_grants_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_RECHECK", 0.2)
    w = world()
    answer = await listening(w)

    async def away(*_: object) -> Grant:
        raise StoreUnavailable("away")

    monkeypatch.setattr(w.doors, "living", away)
    monkeypatch.setattr(w.doors, "present", away)

    assert "error" in events(await drained(answer))[0]


async def test_a_client_that_reads_slowly_is_told_nothing_more_once_its_grant_ended() -> None:
    messages = [event(told(number)) for number in range(3)]
    w = world(lambda _: sse_answer(b"".join(messages), event(result({"content": []}))))
    answer = await w.modern("tools/call", {"name": "a"}, meta={"progressToken": "p"})
    assert not isinstance(answer.body, bytes)
    pieces = aiter(answer.body)

    first = events(await anext(pieces))
    w.doors.grants.clear()
    w.live.streams.wake()
    rest = [message async for piece in pieces for message in events(piece)]

    assert first == [told(0)]
    assert [message["error"]["code"] for message in rest] == [-31002]


def told(number: int) -> dict[str, object]:
    params = {"progressToken": "p", "progress": number}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


async def test_the_head_of_a_stream_waits_for_no_event() -> None:
    w = world()
    answer = await listening(w)

    assert not isinstance(answer.body, bytes)
    assert await anext(aiter(answer.body)) == b""
    await answer.body.abandon()


async def test_an_event_that_came_with_the_head_leaves_with_it() -> None:
    w = world(lambda _: sse_answer(result({"tools": []})))
    answer = await w.modern("tools/list")

    assert not isinstance(answer.body, bytes)
    assert events(await anext(aiter(answer.body)))[0]["result"]["tools"] == []
    await answer.body.abandon()


async def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_COMMENT", 0.1)
    w = world()
    answer = await listening(w)

    assert not isinstance(answer.body, bytes)
    async with asyncio.timeout(5):
        assert await next_said(aiter(answer.body)) == b": keep-alive\n\n"
    await answer.body.abandon()


async def test_a_token_that_expires_ends_its_stream_with_nobody_telling() -> None:
    w = world()
    answer = await listening(w)

    w.now[0] = 10_000.0

    assert "result" in events(await drained(answer))[0]


async def test_a_server_that_tells_on_and_on_does_not_keep_a_stream_beyond_its_token() -> None:
    w = world(lambda _: sse_answer(*[b": busy\n\n"] * 10_000))
    answer = await w.modern("subscriptions/listen", {"notifications": {}})
    assert not isinstance(answer.body, bytes)
    pieces = aiter(answer.body)
    await anext(pieces)

    w.now[0] = 10_000.0

    async with asyncio.timeout(5):
        rest = [piece async for piece in pieces]
    assert len(rest) < 10
    assert b'"result"' in rest[-1]


async def test_an_answer_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_MOST", 1000)
    w = world(lambda _: sse_answer(*[b": busy\n\n"] * 10_000))

    said = events(await drained(await w.modern("tools/call", {"name": "a"})))

    assert [message["error"]["code"] for message in said] == [-31012]
    assert w.upstream.exchanges[0].closed


@pytest.mark.parametrize("bound", ["PER_GRANT", "IN_ALL"])
async def test_streams_that_listen_are_bounded_and_calls_are_not(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(streams, bound, 2)
    w = world()
    first, _ = await listening(w), await listening(w)

    third = await listening(w)
    w.upstream.script = lambda _: sse_answer(result({"content": []}))
    call = await w.modern("tools/call", {"name": "a"})

    assert (third.status, body(third)["error"]["code"]) == (429, -31009)
    assert w.upstream.exchanges[2].closed
    assert events(await drained(call)) == [result({"content": []})]
    assert not isinstance(first.body, bytes)
    await first.body.abandon()
    assert (await listening(w)).status == 200


async def test_a_get_stream_too_many_is_refused_and_its_exchange_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "PER_GRANT", 1)
    w = world()
    session = await w.session()
    held = asyncio.get_running_loop().create_future()
    w.upstream.script = lambda _: sse_answer(held)
    headers = (("mcp-session-id", session),)

    opened = await w.send(method="GET", headers=headers)
    refused = await w.send(method="GET", headers=headers)

    assert (opened.status, refused.status) == (200, 429)
    assert [exchange.closed for exchange in w.upstream.exchanges[-2:]] == [False, True]


async def test_a_stream_that_opens_just_after_the_last_one_ended_is_looked_after_too() -> None:
    w = world()
    last = await listening(w)
    assert not isinstance(last.body, bytes)
    await last.body.abandon()
    await asyncio.wait_for(until_nobody_looks_at_moments(w), 5)

    answer = await listening(w)
    w.now[0] = 10_000.0

    assert "result" in events(await drained(answer))[0]


async def until_nobody_looks_at_moments(w: World) -> None:
    looking = w.live.streams._looking
    assert looking is not None
    await looking


async def test_what_streams_need_is_looked_at_by_the_same_tasks() -> None:
    w = world()
    before = len(asyncio.all_tasks())

    one = await listening(w)
    among = len(asyncio.all_tasks()) - before
    others = [await listening(w) for _ in range(5)]

    assert len(asyncio.all_tasks()) - before == among
    for answer in (one, *others):
        assert not isinstance(answer.body, bytes)
        await answer.body.abandon()


async def left(w: World, session: str, who: str, how: str) -> None:
    """Make a call that nothing answers, and go away."""
    held = asyncio.get_running_loop().create_future()
    head = {"content-type": "application/json"}
    early = how == "before the head"
    w.upstream.script = lambda _: ScriptedExchange(200, head, [held]) if early else sse_answer(held)
    call: Any = request("tools/call", {"name": "a"})
    message = [call] if how == "from a batch" else call
    begun = len(w.upstream.sent)
    sending = asyncio.create_task(
        w.send(message, token=who, headers=(("mcp-session-id", session),))
    )
    while early and len(w.upstream.sent) == begun:
        await asyncio.sleep(0)
    if early:
        sending.cancel()
        await asyncio.wait([sending])
        return
    answer = await sending
    assert not isinstance(answer.body, bytes)
    await answer.body.abandon()


@pytest.mark.parametrize("how", ["from a stream", "from a batch", "before the head"])
async def test_no_more_calls_go_on_unseen_under_one_grant_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(streams, "UNSEEN", 1)
    w = world()
    borrowed = [0]

    @contextmanager
    def borrow() -> Iterator[None]:
        borrowed[0] += 1
        yield
        borrowed[0] -= 1

    object.__setattr__(w.live, "borrowed", borrow)
    callers = [(await w.session(token=who, version="2025-03-26"), who) for who in ("alice", "bob")]
    w.upstream.exchanges.clear()

    for session, who in (callers[0], *callers):
        await left(w, session, who, how)
    async with asyncio.timeout(5):
        while [word for kind, word in w.log.words() if kind == "outcome"][2:] != ["cancelled"]:
            await asyncio.sleep(0)

    assert [exchange.closed for exchange in w.upstream.exchanges] == [False, True, False]
    assert borrowed == [2]  # a reload takes no connection from those that go on
    await w.live.streams.settle(0)
    assert borrowed == [0]
    await left(w, *callers[0], how)
    assert not w.upstream.exchanges[-1].closed
    await w.live.streams.settle(0)


async def test_a_stream_whose_client_leaves_as_it_ends_is_closed_and_written_down() -> None:
    closing, held = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedExchange):
        async def close(self) -> None:
            closing.set()
            await held.wait()
            await super().close()

    head = {"content-type": "text/event-stream"}
    w = world(lambda _: Slow(200, head, [event(result({"content": []}))]))
    answer = await w.modern("tools/call", {"name": "a"})
    assert not isinstance(answer.body, bytes)
    reading = asyncio.create_task(drained(answer))

    await closing.wait()
    reading.cancel()
    await asyncio.wait([reading])
    await answer.body.abandon()
    held.set()
    await w.live.streams.settle(5)

    assert w.upstream.exchanges[0].closed
    assert w.log.words() == [("decision", "allow"), ("outcome", "ok")]


async def test_a_time_window_that_ends_cuts_its_calls_with_nobody_telling() -> None:
    held = asyncio.get_running_loop().create_future()
    window = {"notAfter": "1970-01-01T00:20:00Z"}
    w = world(lambda _: sse_answer(held), {**ALLOW_ALL, "when": window})
    answer = await w.modern("tools/call", {"name": "a"})

    w.now[0] = 1_200.0

    assert [message["error"]["code"] for message in events(await drained(answer))] == [-32602]


async def test_a_call_whose_client_leaves_as_it_is_judged_again_is_judged_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_RECHECK", 60.0)
    asking, held = asyncio.Event(), asyncio.Event()
    w = world()
    session = await w.session()
    w.upstream.script = lambda _: sse_answer(asyncio.get_running_loop().create_future())
    answer = await w.legacy(session, "tools/call", {"name": "a"})
    assert not isinstance(answer.body, bytes)
    known = w.doors.present

    async def present(issued: str, route: Route, now: float) -> Presented:
        asking.set()
        await held.wait()
        return await known(issued, route, now)

    monkeypatch.setattr(w.doors, "present", present)
    w.doors.grants.clear()
    w.live.streams.wake()
    reading = asyncio.create_task(drained(answer))
    await asking.wait()
    reading.cancel()
    await asyncio.wait([reading])
    held.set()
    await answer.body.abandon()
    await w.live.streams.settle(5)

    assert w.upstream.exchanges[-1].closed
    assert w.log.words()[-1] == ("outcome", "cut")


async def test_a_stream_whose_grant_can_not_be_looked_at_judges_itself_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "_RECHECK", 0.2)
    w = world()
    answer = await listening(w)

    async def broken(*_: object) -> Grant:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(w.doors, "living", broken)
    w.doors.grants.clear()

    assert [message["error"]["code"] for message in events(await drained(answer))] == [-31002]
