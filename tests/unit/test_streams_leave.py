"""Where the process ends, streams that would listen for ever end; calls that run do not."""

import asyncio

from mcp_parts import drained, events, result, sse_answer, world


async def test_a_listening_stream_ends_without_a_word_and_a_running_call_goes_on() -> None:
    w = world()
    session = await w.session()
    held = asyncio.get_running_loop().create_future()
    w.upstream.script = lambda sent: (
        sse_answer(held) if sent.method == "GET" else sse_answer(held, result({"tools": []}))
    )

    stream = await w.send(method="GET", headers=(("mcp-session-id", session),))
    call = await w.legacy(session, "tools/list")
    w.live.streams.leave()
    left = await drained(stream)
    held.set_result(None)

    assert left == b""
    assert events(await drained(call)) == [result({"tools": []})]
    assert w.log.words()[-2:] == [("outcome", "cut"), ("outcome", "ok")]
    assert all(exchange.closed for exchange in w.upstream.exchanges[-2:])
