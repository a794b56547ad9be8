"""The GET stream of a legacy client in front of a server of 2026-07-28, and calls let go of."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    ScriptedExchange,
    World,
    body,
    drained,
    event,
    events,
    json_answer,
    request,
    result,
    sse_answer,
)
from newer_parts import (
    Listened,
    ModernServer,
    call,
    cancel,
    heard,
    in_session,
    opening,
    stream_of,
    told,
)
from ostiary_proxy.mcp.bridge.newer_table import TOLD, Way
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.bridge.newer.underway import Underway
from ostiary_proxy.pipeline.driver import RelayStream
from ostiary_proxy.pipeline.streams import Streams

UPDATED = "notifications/resources/updated"
ABOUT_THE_STREAM = ("notifications/subscriptions/acknowledged", "notifications/cancelled")


async def listening(
    *rules: Mapping[str, Any],
) -> tuple[World, str, Listened, AsyncIterator[bytes]]:
    server = Listened()
    w, session = await opening(ModernServer({"subscriptions/listen": server}), *rules)
    return w, session, server, stream_of(await w.send(method="GET", headers=in_session(session)))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


async def ended(stream: AsyncIterator[bytes]) -> bool:
    """Say whether the stream ends now, with nothing said."""
    async with asyncio.timeout(5):
        return not events(b"".join([piece async for piece in stream]))


async def test_a_get_stream_hears_what_the_server_tells_a_listener() -> None:
    _, _, server, stream = await listening()

    server.tell("notifications/tools/list_changed")

    assert server.asked == [
        {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
    ]
    assert await heard(stream) == told("notifications/tools/list_changed")


ON_A_CALL: Mapping[str, Mapping[str, Any]] = {
    "notifications/progress": {"progressToken": "t", "progress": 1},
    "notifications/message": {"level": "info", "data": "x"},
}
ON_A_STREAM = ("tools/list_changed", "prompts/list_changed", "resources/list_changed")


def test_every_notification_of_the_server_is_told_in_one_of_these_tests() -> None:
    told_here = {*ON_A_CALL, *(f"notifications/{name}" for name in ON_A_STREAM), UPDATED}
    gone = {name for name, way in TOLD.items() if way is not Way.FORWARDED}

    assert told_here == TOLD.keys() - gone
    assert gone == {*ABOUT_THE_STREAM, "notifications/tasks"}  # tasks have tests of their own


@pytest.mark.parametrize("method", ON_A_CALL)
async def test_what_is_told_during_a_call_passes_on_its_stream(method: str) -> None:
    message = told(method, **ON_A_CALL[method])
    done = result({"resultType": "complete", "content": []})
    said = sse_answer(message, *(told(name, requestId=1) for name in ABOUT_THE_STREAM), done)
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))

    seen = events(await drained(await call(w, session)))

    assert seen == [message, result({"content": []})]


@pytest.mark.parametrize("name", ON_A_STREAM)
async def test_each_changed_list_is_told_on_the_get_stream(name: str) -> None:
    _, _, server, stream = await listening()

    server.tell("notifications/tasks", taskId="t")
    server.tell(f"notifications/{name}")

    assert await heard(stream) == told(f"notifications/{name}")


async def test_subscriptions_made_before_and_during_a_get_stream_are_listened_for() -> None:
    w, session, server, stream = await listening()
    server.tell("notifications/tools/list_changed")
    await heard(stream)
    hearing = asyncio.create_task(heard(stream))

    await w.legacy(session, "resources/subscribe", {"uri": "file:///a"})
    await until(lambda: len(server.asked) == 2)
    server.tell(UPDATED, uri="file:///a")

    assert await hearing == told(UPDATED, uri="file:///a")
    assert [asked.get("resourceSubscriptions") for asked in server.asked] == [None, ["file:///a"]]
    assert [exchange.closed for exchange in server.exchanges] == [True, False]


async def test_an_unsubscribed_resource_is_listened_for_no_more() -> None:
    server = Listened()
    w, session = await opening(ModernServer({"subscriptions/listen": server}))
    for method, uri in (("subscribe", "a"), ("subscribe", "b"), ("unsubscribe", "a")):
        await w.legacy(session, f"resources/{method}", {"uri": uri})

    await w.send(method="GET", headers=in_session(session))

    assert [asked["resourceSubscriptions"] for asked in server.asked] == [["b"]]


async def test_a_changed_resource_is_told_only_to_those_who_may_read_it() -> None:
    denied = {"name": "no-b", "effect": "Deny", "match": {"resources": ["file:///b"]}}
    w, _, server, stream = await listening(ALLOW_ALL, denied)

    server.tell(UPDATED, uri="file:///b")
    server.tell(UPDATED, uri="file:///a")

    assert await heard(stream) == told(UPDATED, uri="file:///a")
    assert ("server-message", "drop") in w.log.words()


async def test_a_session_has_one_get_stream_the_newest() -> None:
    w, session, server, first = await listening()
    ending = asyncio.create_task(ended(first))

    second = stream_of(await w.send(method="GET", headers=in_session(session)))
    server.tell("notifications/tools/list_changed")

    assert await heard(second) == told("notifications/tools/list_changed")
    assert await ending
    assert server.exchanges[0].closed


async def test_a_get_stream_ends_where_the_server_ends_it() -> None:
    for last in (event(result({})), event(told("notifications/cancelled", requestId=1)), None):
        _, _, server, stream = await listening()

        server.said[-1].put_nowait(last)

        assert await ended(stream)
        assert server.exchanges[0].closed


async def test_delete_ends_the_session_its_calls_and_its_stream_without_a_word_to_the_server() -> (
    None
):
    w, session, server, stream = await listening()
    ending = asyncio.create_task(ended(stream))
    before = len(w.upstream.sent)

    answer = await w.send(method="DELETE", headers=in_session(session))

    assert (answer.status, len(w.upstream.sent)) == (204, before)
    assert await ending
    assert server.exchanges[0].closed
    assert (await w.legacy(session, "ping")).status == 404


async def test_nothing_of_a_get_stream_runs_on_after_its_client_left() -> None:
    _, _, server, stream = await listening()
    server.tell("notifications/tools/list_changed")
    await heard(stream)
    before = asyncio.all_tasks()

    waiting = asyncio.ensure_future(anext(stream))
    await until(lambda: len(asyncio.all_tasks() - before) > 2)
    waiting.cancel()
    assert isinstance(stream, RelayStream)
    await stream.abandon()

    await until(lambda: asyncio.all_tasks() <= before)


async def test_a_server_that_tells_nothing_leaves_a_get_stream_to_the_gateways_notices() -> None:
    w, session = await opening(ModernServer())

    answer = await w.send(method="GET", headers=in_session(session))
    w.allow(ALLOW_ALL, {"name": "hidden", "effect": "Deny", "match": {"tools": ["b"]}})

    assert not isinstance(answer.body, bytes)
    first = await heard(aiter(answer.body))
    assert first == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    await answer.body.abandon()


# -- calls let go of ---------------------------------------------------------------------------


def held() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_a_cancelled_call_is_closed_at_the_server_and_answered_with_an_error() -> None:
    said = sse_answer(told("notifications/progress", progressToken="t", progress=1), held())
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))
    stream = stream_of(await call(w, session))
    await heard(stream)

    others = await cancel(w, session, "1")
    answer = await cancel(w, session)

    assert (others.status, answer.status) == (202, 202)
    assert (await heard(stream))["error"]["code"] == -31008
    assert await ended(stream)
    assert said.closed


async def test_a_call_is_cancelled_before_the_server_says_anything() -> None:
    w, session = await opening(ModernServer())
    silent = Silent()
    object.__setattr__(w.live, "transport", silent)

    calling = asyncio.create_task(call(w, session))
    await silent.asked.wait()
    await cancel(w, session)

    assert body(await calling)["error"]["code"] == -31008
    assert silent.left
    assert w.log.words()[-1] == ("outcome", "error")


async def test_a_call_is_cancelled_while_its_answer_comes_in_one_piece() -> None:
    said = ScriptedExchange(200, {"content-type": "application/json"}, [held()])
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))
    calling = asyncio.create_task(call(w, session))
    await until(lambda: w.upstream.exchanges[-1] is said)

    await cancel(w, session)

    assert body(await calling)["error"]["code"] == -31008
    await until(lambda: said.closed)


class Silent:
    """A transport that never gets an answer."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.left = False

    async def send(self, _: Any) -> Any:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left = True


WANTS = {
    "resultType": "input_required",
    "inputRequests": {"q": {"method": "sampling/createMessage", "params": {}}},
}


async def asking(*rules: Mapping[str, Any]) -> tuple[World, str, AsyncIterator[bytes], Any]:
    """Return a call during which the server asks, and what it asks."""
    w, session = await opening(
        ModernServer({"tools/call": lambda _: WANTS}), *rules, capabilities={"sampling": {}}
    )
    stream = stream_of(await call(w, session))
    return w, session, stream, await heard(stream)


async def test_a_call_is_cancelled_while_the_client_is_asked() -> None:
    w, session, stream, _ = await asking(ALLOW_ALL, ALLOW_SERVER)
    waiting = asyncio.create_task(heard(stream))
    await asyncio.sleep(0)

    await cancel(w, session)

    assert (await waiting)["error"]["code"] == -31008


async def test_delete_cancels_what_still_runs() -> None:
    w, session, stream, _ = await asking(ALLOW_ALL, ALLOW_SERVER)
    waiting = asyncio.create_task(heard(stream))
    await asyncio.sleep(0)

    await w.send(method="DELETE", headers=in_session(session))

    assert (await waiting)["error"]["code"] == -31008


def another(w: World) -> World:
    """Return another replica, where nothing runs; it cries where the first one hears."""
    live = replace(
        w.live, underway=Underway(w.live.clock, tell=w.live.underway.hear), streams=Streams()
    )
    return replace(w, live=live)


async def test_a_call_is_cancelled_at_the_replica_where_it_runs() -> None:
    said = sse_answer(told("notifications/progress", progressToken="t", progress=1), held())
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))
    stream = stream_of(await call(w, session))
    await heard(stream)

    others = await cancel(another(w), session, "1")
    assert not said.closed
    answer = await cancel(another(w), session)

    assert (others.status, answer.status) == (202, 202)
    assert (await heard(stream))["error"]["code"] == -31008
    assert await ended(stream)
    assert said.closed


async def test_delete_at_another_replica_cancels_what_still_runs() -> None:
    w, session, stream, _ = await asking(ALLOW_ALL, ALLOW_SERVER)
    waiting = asyncio.create_task(heard(stream))
    await asyncio.sleep(0)

    await another(w).send(method="DELETE", headers=in_session(session))

    assert (await waiting)["error"]["code"] == -31008


@pytest.mark.parametrize("word", ["", "cancelled", "cancelled x", "ended", "tools/list team/files"])
async def test_words_that_name_no_call_cancel_none(word: str) -> None:
    w, _, stream, _ = await asking(ALLOW_ALL, ALLOW_SERVER)
    waiting = asyncio.create_task(heard(stream))

    w.live.underway.hear(word)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.1)
    waiting.cancel()


async def test_another_session_cancels_nothing() -> None:
    w, _, stream, _ = await asking(ALLOW_ALL, ALLOW_SERVER)
    _, other = await opening(ModernServer(), before=w, token="bob")
    waiting = asyncio.create_task(heard(stream))

    await w.send(
        told("notifications/cancelled", requestId=1), token="bob", headers=in_session(other)
    )

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.1)
    waiting.cancel()


async def test_a_client_that_goes_away_does_not_end_its_call() -> None:
    released = held()
    said = sse_answer(b": alive\n\n", released, result({"resultType": "complete", "content": []}))
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))
    answer = await call(w, session)
    assert not isinstance(answer.body, bytes)

    await answer.body.abandon()
    released.set_result(None)
    await w.live.streams.settle(5)

    assert w.log.words()[-1] == ("outcome", "ok")


async def test_what_breaks_off_ends_in_an_error() -> None:
    said = sse_answer(b": alive\n\n", OutboundFailed("closed"))
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))

    (last,) = events(await drained(await call(w, session)))

    assert last["error"]["code"] == -31010


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ScriptedExchange(503, {}, []), -31010),
        (ScriptedExchange(502, {"content-type": "text/html"}, [b"<html>"]), -31010),
        (ScriptedExchange(401, {}, []), -31013),
        (OutboundFailed("timeout"), -31011),
    ],
)
async def test_a_second_round_that_fails_ends_in_an_error(
    failure: ScriptedExchange | Exception, code: int
) -> None:
    again = {"resultType": "input_required", "requestState": "S"}
    w, session = await opening(ModernServer())
    w.upstream.script = lambda sent: (
        failure if b"requestState" in sent.body else json_answer(result(again))
    )

    (last,) = events(await drained(await call(w, session)))

    assert last["error"]["code"] == code


@pytest.mark.parametrize(
    "method",
    ["sampling/createMessage", "notifications/tools/list_changed", "notifications/cancelled"],
)
async def test_a_request_on_a_stream_of_2026_reaches_nobody(method: str) -> None:
    said = sse_answer(
        request(method, {}, request_id=9),
        result({"stray": True}, request_id=9),
        result({"resultType": "complete", "content": []}),
    )
    w, session = await opening(
        ModernServer({"tools/call": lambda _: said}), ALLOW_ALL, ALLOW_SERVER
    )

    seen = events(await drained(await call(w, session)))

    assert seen == [result({"content": []})]
    assert w.log.words().count(("server-message", "drop")) == 2
