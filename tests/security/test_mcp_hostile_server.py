"""A server that says what no server should: its client gets an answer, and others keep theirs."""

import pytest

from mcp_parts import ScriptedExchange, World, body, drained, events, sse_answer, world

HUGE = "1" + "0" * 400
LISTED = f'{{"resultType":"complete","tools":[],"ttlMs":{HUGE},"cacheScope":"private"}}'


def saying(result: str, media_type: str) -> World:
    """Return a world whose server gives that result to everything."""
    text = f'{{"jsonrpc":"2.0","id":1,"result":{result}}}'
    data = text if media_type == "application/json" else f"data: {text}\n\n"
    return world(lambda _: ScriptedExchange(200, {"content-type": media_type}, [data.encode()]))


@pytest.mark.parametrize("media_type", ["application/json", "text/event-stream"])
async def test_a_time_to_live_beyond_any_float_is_the_longest_there_is(media_type: str) -> None:
    w = saying(LISTED, media_type)

    answer = await w.modern("tools/list")

    whole = isinstance(answer.body, bytes)
    told = body(answer) if whole else events(await drained(answer))[0]
    assert told["result"]["tools"] == []
    w.now[0] += 3599
    assert body(await w.modern("tools/list"))["result"]["ttlMs"] == 1000


@pytest.mark.parametrize("ttl", [HUGE, f"-{HUGE}"])
async def test_a_task_kept_for_longer_than_any_float_is_a_task(ttl: str) -> None:
    task = f'{{"task":{{"taskId":"t","status":"working","ttl":{ttl}}}}}'
    w = saying(task, "application/json")
    session = await w.session()

    told = body(await w.legacy(session, "tools/call", {"name": "a", "task": {}}))

    assert told["result"]["task"]["taskId"] == "t"


async def test_a_stream_that_fails_as_nobody_foresaw_ends_in_an_error_and_holds_nothing() -> None:
    w = world(lambda _: sse_answer(b": begun\n\n", RuntimeError("unforeseen")))

    told = events(await drained(await w.modern("tools/call", {"name": "a"})))

    assert [(message["id"], message["error"]["code"]) for message in told] == [(1, -31099)]
    assert (len(w.live.streams), w.upstream.exchanges[0].closed) == (0, True)
    assert w.log.words() == [("decision", "allow"), ("outcome", "error")]


async def test_words_beside_the_data_of_an_event_reach_nobody() -> None:
    beside = b": 4111\nevent: 4111\nretry: 4111 x\n\n"
    typed = b': 4111\nevent: 4111\ndata: {"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n\n'
    w = world(lambda _: sse_answer(beside, typed))

    told = await drained(await w.modern("tools/call", {"name": "a"}))

    assert told == (
        b':\n\n:\nevent: message\ndata: {"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n\n'
    )
