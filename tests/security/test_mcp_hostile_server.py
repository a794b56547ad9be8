"""A server that says what no server should: its client gets an answer, and others keep theirs."""

import json

import pytest

from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    ScriptedExchange,
    World,
    body,
    drained,
    events,
    header,
    initialize,
    initialized,
    json_answer,
    request,
    result,
    sse_answer,
    world,
)
from ostiary.policy.facts import Kind, Subject
from ostiary_proxy.mcp.parameters import Parameter
from ostiary_proxy.mcp.sse import Splitter
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.pipeline.learned import Learned
from ostiary_proxy.pipeline.session import PENDING

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


async def test_a_server_that_asks_without_end_is_refused_and_fills_neither_log_nor_store() -> None:
    asked = [{"jsonrpc": "2.0", "id": f"s{n}", "method": "roots/list"} for n in range(300)]

    def script(sent: Outgoing) -> ScriptedExchange:
        if b"tools/call" not in sent.body:
            return ScriptedExchange(202, {}, [])
        return sse_answer(*asked, result({"content": []}))

    w = world(script, ALLOW_ALL, ALLOW_SERVER)
    session = await w.session()
    w.upstream.sent.clear()

    told = events(await drained(await w.legacy(session, "tools/call", {"name": "a"})))

    assert told == [*asked[:100], result({"content": []})]
    assert len(await w.live.store.scan(PENDING, "", limit=1000)) == 100
    words = w.log.words()
    assert words.count(("server-message", "pass")) == 100
    assert words.count(("server-message", "drop")) == 200
    refused = [sent.body for sent in w.upstream.sent[1:]]
    assert len(refused) == 200
    assert all(b'"code":-31006' in one for one in refused)


async def test_a_result_that_asks_for_more_than_anybody_answers_is_an_invalid_answer() -> None:
    entries = {f"r{n}": {"method": "roots/list"} for n in range(65)}
    w = world(
        lambda _: json_answer(result({"resultType": "input_required", "inputRequests": entries})),
        ALLOW_ALL,
        ALLOW_SERVER,
    )
    meta: dict[str, object] = {"io.modelcontextprotocol/clientCapabilities": {"roots": {}}}

    told = body(await w.modern("tools/call", {"name": "a"}, meta=meta))

    assert told["error"]["code"] == -31012
    assert w.log.words().count(("server-message", "pass")) == 0


async def test_words_beside_the_data_of_an_event_reach_nobody() -> None:
    beside = b": 4111\nevent: 4111\nretry: 4111 x\n\n"
    typed = b': 4111\nevent: 4111\ndata: {"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n\n'
    w = world(lambda _: sse_answer(beside, typed))

    told = await drained(await w.modern("tools/call", {"name": "a"}))

    assert told == (
        b':\n\n:\nevent: message\ndata: {"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n\n'
    )


@pytest.mark.parametrize(("length", "code"), [(2000, None), (4000, -31012)])
async def test_a_session_id_that_no_client_can_send_back_is_an_invalid_answer(
    length: int, code: int | None
) -> None:
    w = world(lambda _: json_answer(initialized(), mcp_session_id="x" * length))

    opened = await w.send(initialize())
    await w.live.streams.settle(5)

    assert body(opened).get("error", {}).get("code") == code
    if code is None:
        w.upstream.script = lambda _: json_answer(result({}))
        assert (await w.legacy(header(opened, "mcp-session-id"), "ping")).status == 200


def marks(tool: str, count: int) -> dict[str, tuple[Parameter, ...]]:
    """Return a tool with so many marked arguments, as a list teaches it."""
    return {
        tool: tuple(Parameter(header=f"h{n}", path=("a",), integer=False) for n in range(count))
    }


def known(learned: Learned, gid: str, tool: str) -> int:
    """Return how many marked arguments are remembered."""
    return len(learned.of(gid, Subject(kind=Kind.TOOL, method="tools/call", name=tool)))


def test_of_lists_without_end_only_so_much_is_remembered() -> None:
    learned = Learned()

    for page in range(100):
        learned.learn("one", marks(f"t{page}", 64))
    assert [known(learned, "one", f"t{page}") for page in (0, 31, 32)] == [64, 64, 0]
    for other in range(32):
        for page in range(32):
            learned.learn(f"g{other}", marks(f"t{page}", 64))

    assert known(learned, "one", "t0") == 0
    assert known(learned, "g31", "t31") == 64
    assert sum(known(learned, f"g{n}", f"t{p}") for n in range(32) for p in range(32)) == 64 * 1024


def test_a_tool_that_is_listed_again_is_known_as_it_is_now() -> None:
    learned = Learned()

    for _ in range(3):
        learned.learn("one", marks("t", 2000))
    learned.learn("one", marks("t", 3) | marks("x" * 513, 1))

    assert (known(learned, "one", "t"), known(learned, "one", "x" * 513)) == (3, 0)


async def test_an_answer_with_line_ends_of_any_kind_is_one_event_among_those_of_a_batch() -> None:
    lines = b'{"jsonrpc":"2.0",\r"id":2,\r\r"result":\r\n\n{"content":[]}}'

    def script(sent: Outgoing) -> ScriptedExchange:
        return json_answer(lines) if b'"id":2' in sent.body else sse_answer(result({"content": []}))

    w = world(script)
    headers = (("mcp-session-id", await w.session(version="2025-03-26")),)
    calls = [request("tools/call", {"name": "a"}, request_id=number) for number in (1, 2)]

    told = Splitter().feed(await drained(await w.send(calls, headers=headers)))

    assert [json.loads(one.data or "") for one in told] == [
        result({"content": []}, request_id=number) for number in (1, 2)
    ]
