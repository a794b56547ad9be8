"""Rules 8, 17, pitfalls 1, 2, 16, 22, decision 20: whatever upstream does, the answer is ours."""

import asyncio
from typing import Any

import pytest

from mcp_parts import (
    CREDENTIAL,
    ScriptedExchange,
    body,
    drained,
    event,
    events,
    header,
    json_answer,
    next_said,
    request,
    result,
    sse_answer,
    world,
)
from ostiary_proxy.outbound.exchange import OutboundFailed

HTML = {"content-type": "text/html", "set-cookie": "a=b", "server": "nginx"}
FAILURES = {
    "down": (OutboundFailed("connect"), 502, -31010),
    "forbidden address": (OutboundFailed("forbidden-address"), 502, -31010),
    "slow": (OutboundFailed("timeout"), 504, -31011),
    "no http": (OutboundFailed("protocol"), 502, -31012),
    "redirect": (ScriptedExchange(302, {"location": "http://169.254.169.254/"}, []), 502, -31012),
    "page": (ScriptedExchange(200, HTML, [b"<html>"]), 502, -31012),
    "failure": (ScriptedExchange(503, HTML, [b"<html>"]), 502, -31010),
    "bad request": (ScriptedExchange(400, HTML, [b"<html>"]), 400, -31014),
    "unauthorized": (ScriptedExchange(401, {"www-authenticate": "Bearer x"}, []), 502, -31013),
    "forbidden": (ScriptedExchange(403, {"www-authenticate": "Bearer x"}, []), 502, -31013),
    "accepted": (ScriptedExchange(202, {}, []), 502, -31012),
    "oversize": (json_answer(b" " * (16 * 1024 * 1024 + 1)), 502, -31012),
    "cut off": (
        ScriptedExchange(200, {"content-type": "application/json"}, [b"{",
        OutboundFailed("closed")]),
        502,
        -31010,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_of_upstream_is_answered_as_ours(name):
    failure: Any
    failure, status, code = FAILURES[name]
    w = world(lambda _: failure)

    said = await w.modern("tools/call", {"name": "a"})

    assert (said.status, body(said)["error"]["code"], body(said)["id"]) == (status, code, 1)
    words = w.log.words()
    assert (words[0], words[-1]) == (("decision", "allow"), ("outcome", "error"))
    assert {name for name, _ in said.headers} == {"content-type"}
    w.upstream.script = lambda _: json_answer(result({}))
    assert (await w.modern("tools/call", {"name": "a"})).status == 200


GARBAGE = {
    "no json": b"hello",
    "bom": b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"result":{}}',
    "duplicate key": b'{"jsonrpc":"2.0","id":1,"result":{},"result":{}}',
    "odd-case list": b'{"jsonrpc":"2.0","id":1,"result":{"tools":[],"Tools":[{"name":"x"}]}}',
    "batch": b'[{"jsonrpc":"2.0","id":1,"result":{}}]',
    "other id": b'{"jsonrpc":"2.0","id":"1","result":{}}',
    "a request": b'{"jsonrpc":"2.0","id":1,"method":"ping"}',
    "no list": b'{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}',
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_in_an_answer_is_an_invalid_answer_json_and_stream_alike(name):
    w = world(lambda _: json_answer(GARBAGE[name]))
    whole = body(await w.modern("tools/list"))
    w.upstream.script = lambda _: sse_answer(b"data: " + GARBAGE[name] + b"\n\n")
    streamed = events(await drained(await w.modern("tools/list")))

    assert whole["error"]["code"] == -31012
    assert streamed[0]["error"]["code"] in (-31010, -31012)
    assert len(streamed) == 1


async def test_a_rejected_credential_is_refreshed_and_tried_once_more():
    answers = [ScriptedExchange(401, {}, []), json_answer(result({}))]
    w = world(lambda _: answers.pop(0))
    w.doors.retry = True

    answer = await w.modern("tools/call", {"name": "a"})

    assert (answer.status, len(w.upstream.sent), w.doors.rejections) == (200, 2, 1)


async def test_an_event_beyond_a_mebibyte_ends_the_stream_with_an_error():
    w = world(lambda _: sse_answer(b"data: " + b"x" * (1024 * 1024 + 1), b"x"))

    said = events(await drained(await w.modern("tools/call", {"name": "a"})))

    assert [message["error"]["code"] for message in said] == [-31012]
    assert w.upstream.exchanges[0].closed


@pytest.mark.parametrize("end", [(), (OutboundFailed("closed"),)])
async def test_a_stream_that_ends_before_the_answer_ends_in_an_error(end):
    w = world(lambda _: sse_answer(b": hello\n\n", *end))

    said = events(await drained(await w.modern("tools/call", {"name": "a"})))

    assert [message["error"]["code"] for message in said] == [-31010]


async def test_the_first_event_is_there_before_the_second_exists():
    held = asyncio.get_running_loop().create_future()
    progress = {
        "jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1,
        "progress": 1},
    }  # fmt: skip
    w = world(lambda _: sse_answer(progress, held, result({})))
    answer = await w.modern("tools/call", {"name": "a"}, meta={"progressToken": 1})

    assert not isinstance(answer.body, bytes)
    assert await next_said(aiter(answer.body)) == event(progress)
    held.set_result(None)
    assert events(await drained(answer)) == [result({})]


async def test_a_modern_client_that_goes_away_ends_the_upstream_exchange():
    held = asyncio.get_running_loop().create_future()
    w = world(lambda _: sse_answer(held))
    answer = await w.modern("tools/call", {"name": "a"})

    assert not isinstance(answer.body, bytes)
    await answer.body.abandon()

    assert w.upstream.exchanges[0].closed
    assert w.log.words()[-1] == ("outcome", "cancelled")
    assert len(w.live.streams) == 0


async def test_a_legacy_call_finishes_although_its_client_went_away():
    held = asyncio.get_running_loop().create_future()
    w = world()
    session = await w.session()
    w.upstream.script = lambda _: sse_answer(held, result({"content": []}))
    answer = await w.legacy(session, "tools/call", {"name": "a"})

    assert not isinstance(answer.body, bytes)
    await answer.body.abandon()
    assert not w.upstream.exchanges[-1].closed
    held.set_result(None)
    await w.live.streams.settle(5)

    assert w.log.words()[-1] == ("outcome", "ok")


@pytest.mark.parametrize(("modern", "word"), [(True, "cancelled"), (False, "ok")])
async def test_a_client_that_goes_away_before_the_head_is_treated_by_its_revision(modern, word):
    held = asyncio.get_running_loop().create_future()
    w = world()
    session = await w.session()
    w.upstream.script = lambda _: ScriptedExchange(
        200, {"content-type": "application/json"}, [held, b'{"jsonrpc":"2.0","id":1,"result":{}}']
    )
    call = (
        w.modern("tools/call", {"name": "a"})
        if modern
        else w.legacy(session, "tools/call", {"name": "a"})
    )
    task = asyncio.create_task(call)
    while len(w.upstream.sent) < 2:
        await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])
    held.cancel() if modern else held.set_result(None)
    await w.live.streams.settle(5)

    assert w.log.words()[-1] == ("outcome", word)
    assert w.upstream.exchanges[-1].closed is modern


async def test_nothing_of_upstreams_headers_crosses():
    w = world(
        lambda _: json_answer(
            result({}), set_cookie="a=b", server="x", www_authenticate="y", authorization=CREDENTIAL
        )
    )

    answer = await w.modern("tools/call", {"name": "a"})

    assert answer.headers == (("content-type", "application/json"),)
    assert header(answer, "server") is None


async def test_a_request_is_not_forwarded_where_its_decision_cannot_be_written():
    w = world()
    w.log.full = True

    answer = await w.modern("tools/call", {"name": "a"})

    assert (answer.status, body(answer)["error"]["code"], w.upstream.sent) == (503, -31021, [])


async def test_a_stream_is_cut_where_a_record_cannot_be_written():
    evil = request("sampling/createMessage", {}, request_id=7)
    held = asyncio.get_running_loop().create_future()
    w = world(lambda _: sse_answer(held, evil, result({})))
    answer = await w.modern("tools/call", {"name": "a"})
    w.log.full = True
    held.set_result(None)

    assert await drained(answer) == b""
