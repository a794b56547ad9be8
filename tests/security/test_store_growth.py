"""No client, no server, and no two of them together, can fill the store that everybody shares."""

from typing import Any

import pytest

from joined_parts import Server, joined
from legacy_parts import LegacyServer, asks
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
    json_answer,
    next_said,
    presented,
    request,
    result,
    sse_answer,
    world,
)
from newer_parts import ModernServer, call, in_session, opening
from ostiary_proxy.identity import Person
from ostiary_proxy.pipeline import allowance
from ostiary_proxy.pipeline.allowance import Allowance
from ostiary_proxy.pipeline.bridge.newer.remembered import REMEMBERED
from ostiary_proxy.pipeline.mailbox import MAIL
from ostiary_proxy.pipeline.many.sessions import LATER
from ostiary_proxy.pipeline.session import ENDED, PENDING
from ostiary_proxy.pipeline.tasks import TASKS
from ostiary_proxy.refused import Refused
from task_parts import EXTENDED

SMALL = ((3600.0, 8192), (90_000.0, 8192), (30 * 86_400.0, 8192))
ALICE = presented("alice").grant.person
BOB = presented("bob").grant.person
MUCH = -31015


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill quickly: eight kilobytes of each kind of row for one person."""
    monkeypatch.setattr(allowance, "_BOUNDS", SMALL)


async def size(w: World, table: str) -> int:
    """Return what the rows of a table take, as they are counted."""
    rows = await w.live.store.scan(table, "", limit=10_000)
    return sum(len(row.value) + 256 for row in rows)


async def test_a_server_that_asks_without_end_fills_nothing_and_its_stream_ends():
    asked = [
        request("elicitation/create", {"message": "?", "requestedSchema": {}}, request_id=number)
        for number in range(1000)
    ]
    w = world(lambda _: sse_answer(*asked), ALLOW_ALL, ALLOW_SERVER)
    session = await w.session()

    seen = events(await drained(await w.legacy(session, "tools/call", {"name": "a"})))

    assert 0 < len(seen) < 32
    assert await size(w, PENDING) <= 8192
    assert w.log.words()[-1] == ("outcome", "cut")


@pytest.mark.parametrize("ttl", [60_000, None])
async def test_calls_that_become_tasks_fill_nothing(ttl: int | None):
    numbers = iter(range(1000))

    def task(_: Any) -> ScriptedExchange:
        made = {"taskId": f"t-{next(numbers)}", "status": "working", "ttl": ttl}
        return json_answer(result({"task": made}))

    w = world(task)
    session = await w.session()
    params = {"name": "a", "arguments": {"text": "x" * 2000}, "task": {"ttl": ttl}}
    answers = [await w.legacy(session, "tools/call", params) for _ in range(20)]

    assert (answers[0].status, answers[-1].status) == (200, 429)
    assert body(answers[-1])["error"]["code"] == MUCH
    assert await size(w, TASKS) <= 8192


async def test_sessions_that_begin_and_end_without_end_fill_nothing():
    w = world(lambda _: ScriptedExchange(200, {}, []))
    answers = []
    for _ in range(50):
        session = await w.session()
        answers.append(await w.send(method="DELETE", headers=in_session(session)))

    assert (answers[0].status, answers[-1].status) == (204, 429)
    assert header(answers[-1], "retry-after")
    assert await size(w, ENDED) <= 8192


async def test_sessions_that_a_server_forgets_without_end_fill_nothing():
    w = world()
    for _ in range(50):
        session = await w.session()
        w.upstream.script = lambda _: ScriptedExchange(404, {}, [])
        assert (await w.legacy(session, "tools/call", {"name": "a"})).status == 404

    assert await size(w, ENDED) <= 8192


async def test_bridged_sessions_that_subscribe_without_end_fill_nothing():
    server = ModernServer()
    w, _ = await opening(server)
    answers = []
    for number in range(20):
        _, session = await opening(server, before=w)
        params = {"uri": f"notes://{number}/{'x' * 1000}"}
        answers.append(await w.legacy(session, "resources/subscribe", params))

    assert (answers[0].status, answers[-1].status) == (200, 429)
    assert await size(w, REMEMBERED) <= 8192 + 256


async def test_what_takes_the_place_of_itself_takes_no_more_room():
    listened = {"subscriptions/listen": lambda _: sse_answer()}
    w, session = await opening(ModernServer(listened))

    for _ in range(50):
        answer = await w.send(method="GET", headers=in_session(session))
        assert (answer.status, isinstance(answer.body, bytes)) == (200, False)
        await drained(answer)

    assert await size(w, REMEMBERED) <= 1024


async def test_answers_for_calls_that_nobody_waits_for_any_more_fill_nothing():
    wanted = {
        "resultType": "input_required", "requestState": "s",
        "inputRequests": {"q": {"method": "roots/list", "params": {}}},
    }  # fmt: skip
    server = ModernServer({"tools/call": lambda _: wanted})
    w, session = await opening(server, ALLOW_ALL, ALLOW_SERVER, capabilities={"roots": {}})
    statuses = []
    for number in range(3):
        answer = await call(w, session, request_id=number)
        pieces = answer.body.__aiter__()
        (asked,) = events(await next_said(pieces))
        cancelled = {
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number},
        }  # fmt: skip
        await w.send(cancelled, headers=in_session(session))
        _ = [piece async for piece in pieces]
        reply = result({"roots": [], "more": "x" * 3000}, request_id=asked["id"])
        statuses.append((await w.send(reply, headers=in_session(session))).status)

    assert statuses == [202, 202, 429]
    assert await size(w, MAIL) <= 8192


async def test_a_server_of_several_that_forgets_every_session_fills_nothing():
    files = Server(session="f-0", tools__call={"content": []})
    w = joined({"files": files, "web": Server()})
    for number in range(40):
        session = header(await w.send(initialize()), "mcp-session-id")
        files.sessions = [f"f-{number + 1}"]
        await w.legacy(session, "tools/call", {"name": "files_a"})

    assert await size(w, LATER) <= 8192


async def test_a_server_of_several_that_can_not_be_greeted_takes_no_share_of_anybodys():
    web = Server(tools__call={"content": []})
    web.away = True
    w = joined({"files": Server(), "web": web})
    session = header(await w.send(initialize()), "mcp-session-id")
    for _ in range(40):
        assert (await w.legacy(session, "tools/call", {"name": "web_a"})).status == 502
    web.away = False

    assert (await w.legacy(session, "tools/call", {"name": "web_a"})).status == 200


async def test_a_session_that_can_not_be_kept_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(allowance, "_BOUNDS", ((90_000.0, 1),))
    web = Server(session="w-1", DELETE=204, tools__call={"content": []})
    web.away = True
    w = joined({"files": Server(), "web": web})
    session = header(await w.send(initialize()), "mcp-session-id")
    web.away = False

    answer = await w.legacy(session, "tools/call", {"name": "web_a"})
    await w.live.streams.settle(5)

    assert answer.status == 429
    assert [sent.method for sent in w.upstream.sent][-1] == "DELETE"


def charged(held: Allowance, person: Person, number: int, seconds: float = 60.0) -> list[Any]:
    """Put so many rows of a kilobyte; return when there is room for those that found none."""
    return [found.retry_after for _ in range(number) if (found := refusal(held, person, seconds))]


def refusal(held: Allowance, person: Person, seconds: float) -> Refused | None:
    try:
        held.charge(person, 1024 - 256, seconds)
    except Refused as refused:
        return refused
    return None


def test_room_comes_back_as_rows_end_and_others_have_their_own():
    now = [1000.0]
    held = Allowance(lambda: now[0])

    assert charged(held, ALICE, 9) == [450.0]
    assert charged(held, BOB, 8) == []
    assert charged(held, ALICE, 1, seconds=80_000) == []
    now[0] += 450
    assert charged(held, ALICE, 2) == [450.0]
    now[0] += 3600
    assert charged(held, ALICE, 9) == [450.0]
    now[0] -= 9000
    assert charged(held, ALICE, 1) == [450.0]


async def test_what_is_kept_as_tasks_before_a_server_of_2026_fills_nothing():
    said = {"resultType": "complete", "content": [{"type": "text", "text": "x" * 1000}]}
    w, session = await opening(ModernServer({"tools/call": lambda _: said}))

    codes = [
        body(await w.legacy(session, "tools/call", {"name": "a", "task": {"ttl": 3_600_000}}))
        .get("error", {})
        .get("code")
        for _ in range(30)
    ]

    assert codes[0] is None
    assert codes[-1] == MUCH
    assert await size(w, "mcp-bridged-tasks") <= 2 * 8192


async def test_what_tasks_at_an_older_server_ask_fills_nothing():
    related = {"io.modelcontextprotocol/related-task": {"taskId": "t1"}}
    params = {"message": "?" * 2000, "requestedSchema": {}, "_meta": related}
    made = {"taskId": "t1", "status": "input_required", "ttl": None}
    tool = {"name": "a", "inputSchema": {}, "execution": {"taskSupport": "required"}}
    asked = [asks("elicitation/create", params, request_id=number) for number in range(99)]
    server = LegacyServer(
        {
            "tools/list": lambda _: {"tools": [tool]},
            "tools/call": lambda _: {"task": made},
            "tasks/get": lambda _: made,
            "tasks/result": lambda _: list(asked),
        },
        capabilities={"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}},
    )
    w = world(server, ALLOW_ALL, ALLOW_SERVER)

    await w.modern("tools/call", {"name": "a", "arguments": {}}, meta=EXTENDED)
    shown = body(await w.modern("tasks/get", {"taskId": "t1"}, meta=EXTENDED))["result"]

    assert 0 < len(shown["inputRequests"]) < 16
    assert await size(w, "mcp-older-tasks") <= 2 * 8192
