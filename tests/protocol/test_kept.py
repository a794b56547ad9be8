"""Rules 38 to 41: results are used again for the time and people that their server says."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from joined_parts import Server, joined
from mcp_parts import (
    ALLOW_ALL,
    ORIGIN,
    PATH,
    World,
    body,
    drained,
    events,
    json_answer,
    live_route,
    presented,
    request,
    result,
    sse_answer,
    world,
)
from ostiary.config.document import NoAuth, Upstream
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.kept import Keeping, Kept
from ostiary_proxy.pipeline.live import LiveRoute
from upstream_parts import AUTH

TOOL = {"inputSchema": {"type": "object"}}
LIST: Mapping[str, Any] = {
    "resultType": "complete", "ttlMs": 5000, "cacheScope": "private",
    "tools": [{"name": "read", **TOOL}, {"name": "secret", **TOOL}], "prompts": [], "resources": [],
    "resourceTemplates": [], "contents": [], "supportedVersions": ["2026-07-28"],
}  # fmt: skip
PUBLIC = {**LIST, "cacheScope": "public"}
DENY_SECRET = {"name": "no-secret", "effect": "Deny", "match": {"tools": ["secret"]}}
CACHEABLE = {
    "tools/list": {},
    "prompts/list": {},
    "resources/list": {},
    "resources/templates/list": {},
    "server/discover": {},
    "resources/read": {"uri": "notes://today"},
}


def server(answer: Mapping[str, Any] = LIST, **more: Any) -> World:
    """Return a world whose server gives one answer to everything."""
    return world(lambda sent: json_answer(result({**answer, **more}, request_id=id_of(sent.body))))


def id_of(data: bytes) -> Any:
    return json.loads(data)["id"]


async def names(w: World, **rest: Any) -> list[str]:
    answer = await w.modern("tools/list", **rest)
    return [str(tool["name"]) for tool in body(answer)["result"]["tools"]]


@pytest.mark.parametrize("method", CACHEABLE)
async def test_a_result_is_used_again_for_what_is_left_of_its_time(method):
    w = server()
    first = await w.modern(method, CACHEABLE[method])
    w.now[0] += 2

    again = await w.modern(method, CACHEABLE[method])

    assert len(w.upstream.sent) == 1
    expected = body(first)
    expected["result"]["ttlMs"] = 3000
    assert (again.status, body(again)) == (200, expected)
    assert expected["result"]["cacheScope"] == "private"
    assert w.log.words() == [("decision", "allow"), ("outcome", "ok")] * 2
    assert ["cached" in record.facts for record in w.log.records] == [False, False, False, True]


async def test_a_result_that_came_as_an_event_is_used_again():
    w = world(lambda _: sse_answer(result(LIST)))
    first = events(await drained(await w.modern("tools/list")))

    again = await w.modern("tools/list")

    assert (len(w.upstream.sent), body(again)) == (1, first[0])


async def test_a_request_gets_the_answer_under_its_own_id():
    w = server()
    await names(w)
    params = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {}}}  # fmt: skip
    headers = (("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list"))

    answer = await w.send(request("tools/list", params, request_id='a"b'), headers=headers)

    assert (len(w.upstream.sent), body(answer)["id"]) == (1, 'a"b')


@pytest.mark.parametrize("later", [5, 3600, -1])
async def test_after_its_time_a_result_is_asked_for_anew(later):
    w = server()
    await names(w)
    w.now[0] += later

    await names(w)

    assert len(w.upstream.sent) == 2


@pytest.mark.parametrize(
    "said",
    [
        {"ttlMs": 0},
        {"ttlMs": -5},
        {"ttlMs": None},
        {"ttlMs": True},
        {"ttlMs": "5000"},
        {"cacheScope": None},
        {"cacheScope": "shared"},
        {"tools": [{"name": "x" * 2**20}]},
    ],
)
async def test_what_does_not_say_how_long_and_for_whom_is_not_used_again(said):
    w = server(**said)
    await names(w)

    await names(w)

    assert len(w.upstream.sent) == 2


async def test_nothing_is_kept_longer_than_an_hour():
    w = server(ttlMs=10**15)
    await names(w)
    w.now[0] += 3599
    await names(w)
    w.now[0] += 1

    await names(w)

    assert len(w.upstream.sent) == 2


async def test_an_error_is_not_used_again():
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no", "data": LIST}}
    w = world(lambda _: json_answer(error))
    await w.modern("tools/list")

    await w.modern("tools/list")

    assert len(w.upstream.sent) == 2


@pytest.mark.parametrize("other", ["person", "login", "account"])
async def test_what_is_private_is_for_one_grant_with_one_account(other):
    w = server()
    await names(w)
    if other == "account":
        w.doors.account = "another"
    if other == "login":
        again = presented("alice")
        w.doors.grants["alice"] = replace(again, grant=replace(again.grant, gid="another"))

    await names(w, token="bob" if other == "person" else "alice")

    assert len(w.upstream.sent) == 2


async def test_what_is_public_is_for_everybody_as_far_as_policy_lets_them_see_it():
    mine = {**DENY_SECRET, "who": {"users": ["bob@example.com"]}}
    w = server(PUBLIC)
    w.allow(ALLOW_ALL, mine)
    alices = await names(w)

    answer = await w.modern("tools/list", token="bob")

    assert alices == ["read", "secret"]
    assert [tool["name"] for tool in body(answer)["result"]["tools"]] == ["read"]
    assert body(answer)["result"]["cacheScope"] == "private"
    assert len(w.upstream.sent) == 1


async def test_what_a_resource_holds_is_nobody_elses_whatever_its_server_says():
    w = server(PUBLIC)
    await w.modern("resources/read", {"uri": "notes://today"})

    await w.modern("resources/read", {"uri": "notes://today"}, token="bob")

    assert len(w.upstream.sent) == 2


async def test_the_newest_policy_filters_what_is_kept():
    w = server()
    before = await names(w)
    w.allow(ALLOW_ALL, DENY_SECRET)

    assert (before, await names(w)) == (["read", "secret"], ["read"])
    assert len(w.upstream.sent) == 1


async def test_a_kept_result_does_not_outlive_the_grant_nor_go_unrecorded():
    w = server()
    await names(w)
    w.log.full = True
    unrecorded = await w.modern("tools/list")
    w.log.full = False
    del w.doors.grants["alice"]

    assert unrecorded.status == 503
    assert (await w.modern("tools/list")).status == 401


async def test_a_route_that_leads_to_another_server_asks_that_one():
    w = server()
    await names(w)
    route = live_route((ALLOW_ALL,))
    elsewhere = route.route.model_copy(update={"upstream": Upstream(url="http://other/mcp")})
    routes = {(ORIGIN, PATH): replace(route, route=elsewhere)}
    object.__setattr__(w.live, "routes", routes)

    await names(w)

    assert [sent.url for sent in w.upstream.sent] == [
        "http://upstream.internal/mcp",
        "http://other/mcp",
    ]


OTHER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another page": ({"cursor": ""}, {}),
    "another parameter": ({"detail": "full"}, {}),
    "other capabilities": ({}, {"io.modelcontextprotocol/clientCapabilities": {"sampling": {}}}),
    "another client": ({}, {"io.modelcontextprotocol/clientInfo": {"name": "x"}}),
}


@pytest.mark.parametrize("case", OTHER)
async def test_what_was_asked_otherwise_is_asked_anew(case):
    w = server()
    await names(w)
    params, meta = OTHER[case]

    await w.modern("tools/list", params, meta=meta)

    assert len(w.upstream.sent) == 2


async def test_what_no_result_depends_on_makes_no_difference():
    w = server()
    await names(w)

    await names(w, meta={"progressToken": "p", "io.modelcontextprotocol/logLevel": "debug"})

    assert len(w.upstream.sent) == 1


async def test_rounds_of_a_call_are_never_used_again():
    w = server()
    retry = {"uri": "notes://today", "inputResponses": {}}
    await w.modern("resources/read", retry)

    await w.modern("resources/read", retry)
    await w.modern("resources/read", {"uri": "notes://today"})

    assert len(w.upstream.sent) == 3


async def test_a_question_of_the_server_is_not_used_again():
    w = server(resultType="input_required", inputRequests={})
    await w.modern("resources/read", {"uri": "notes://today"})

    await w.modern("resources/read", {"uri": "notes://today"})

    assert len(w.upstream.sent) == 2


async def test_a_call_is_never_answered_from_what_was_kept():
    w = server()
    await w.modern("tools/call", {"name": "read"})

    await w.modern("tools/call", {"name": "read"})

    assert len(w.upstream.sent) == 2


async def test_an_older_revision_knows_no_such_time():
    w = server()
    session = await w.session()
    before = len(w.upstream.sent)
    await w.legacy(session, "tools/list")

    await w.legacy(session, "tools/list")

    assert len(w.upstream.sent) == before + 2


@pytest.mark.parametrize(("auth", "asked"), [(NoAuth(), 1), (AUTH, 2)])
async def test_a_joined_list_is_used_again_unless_somebodys_account_stands_behind_it(auth, asked):
    w = joined({"files": Server(tools__list=LIST)})
    (live,) = w.live.routes.values()
    assert live.route.backends is not None
    backends = tuple(one.model_copy(update={"auth": auth}) for one in live.route.backends)
    route = live.route.model_copy(update={"backends": backends})
    routes = {(ORIGIN, PATH): LiveRoute.of(route, live.policies)}
    object.__setattr__(w.live, "routes", routes)
    await names(w)

    assert await names(w) == ["files_read", "files_secret"]
    assert len(w.upstream.sent) == asked


CHANGES = {
    "notifications/tools/list_changed": "tools/list",
    "notifications/prompts/list_changed": "prompts/list",
    "notifications/resources/list_changed": "resources/templates/list",
    "notifications/resources/updated": "resources/read",
}


async def told(w: World, method: str, **rest: Any) -> None:
    """Let the server tell of a change on a stream."""
    note = {"jsonrpc": "2.0", "method": method, "params": {"uri": "notes://today"}}
    script = w.upstream.script
    w.upstream.script = lambda _: sse_answer(note, result({}))
    await drained(await w.modern("subscriptions/listen", {"notifications": {}}, **rest))
    w.upstream.script = script
    w.upstream.sent.clear()


@pytest.mark.parametrize("change", CHANGES)
async def test_what_a_server_told_to_have_changed_is_asked_for_anew(change):
    w, method = server(), CHANGES[change]
    await w.modern(method, CACHEABLE[method])
    await told(w, change, token="bob")

    await w.modern(method, CACHEABLE[method])
    await w.modern("server/discover")
    await w.modern("server/discover")

    assert len(w.upstream.sent) == 2


async def test_a_change_reaches_what_other_replicas_keep():
    here, there = server(), server()
    await names(there)
    await told(here, "notifications/tools/list_changed")

    for word in (*here.cries, "tools/list team/other", "", "nonsense"):
        there.live.kept.hear(word)
    await names(there)

    assert here.cries == ["tools/list team/files"]
    assert len(there.upstream.sent) == 2


async def test_where_words_may_be_lost_everything_is_asked_for_anew():
    w = server()
    await names(w)
    w.live.kept.clear()

    await names(w)
    await names(w)

    assert len(w.upstream.sent) == 2


async def test_what_was_asked_before_a_change_is_not_kept_after_it():
    w = world()
    held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    w.upstream.script = lambda _: sse_answer(held, result(LIST))
    answer = await w.modern("tools/list")
    await told(w, "notifications/tools/list_changed")
    w.upstream.script = lambda _: json_answer(result(LIST))
    held.set_result(None)
    await drained(answer)

    await names(w)

    assert len(w.upstream.sent) == 1


def keeping(kept: Kept, number: int) -> Keeping:
    asked = Request(id=1, method="tools/list", params={"cursor": str(number)})
    return Keeping.of(kept, live_route(()).route, asked, "2026-07-28", whom=("g", ""))


@pytest.mark.parametrize(("size", "fits"), [(0, 4096), (2**20 - 100, 32)])
def test_what_is_kept_is_bounded_and_what_was_not_used_for_longest_goes(size, fits):
    kept, all_of_them = Kept(lambda: 0.0, tell=list[str]().append), range(fits + 10)
    for number in all_of_them:
        keeping(kept, number).keep({"ttlMs": 9, "cacheScope": "private", "tools": ["x" * size]})
        keeping(kept, 0).recalled()

    left = [number for number in all_of_them if keeping(kept, number).recalled() is not None]

    assert left == [0, *all_of_them[11:]]


@pytest.mark.parametrize("away", [OutboundFailed("connect"), json_answer({}, status=503)])
async def test_a_server_that_is_away_for_a_moment_has_the_tools_that_it_had(away):
    w = server()
    await names(w)
    w.allow(ALLOW_ALL, DENY_SECRET)
    w.upstream.script = lambda _: away
    w.now[0] += 5 + 299

    answer = await w.modern("tools/list")

    shown = {**LIST, "tools": LIST["tools"][:1], "ttlMs": 0}
    assert (answer.status, body(answer)) == (200, result(shown))
    assert w.log.records[-1].facts["cached"] is True
    assert [sent.timeout for sent in w.upstream.sent] == [60.0, 10.0]
    w.now[0] += 1
    assert (await w.modern("tools/list")).status == 502


async def test_a_server_that_is_away_has_no_tools_that_it_told_to_have_changed():
    w = server()
    await names(w)
    await told(w, "notifications/tools/list_changed")
    w.upstream.script = lambda _: OutboundFailed("connect")

    assert (await w.modern("tools/list")).status == 502


@pytest.mark.parametrize("why", ["protocol", "forbidden-address"])
async def test_a_server_that_answers_wrongly_is_not_away(why):
    w = server()
    await names(w)
    w.upstream.script = lambda _: json_answer([1]) if why == "protocol" else OutboundFailed(why)
    w.now[0] += 6

    answer = await w.modern("tools/list")

    assert "error" in body(answer)


async def test_what_a_resource_holds_is_not_answered_for_a_server_that_is_away():
    w = server()
    await w.modern("resources/read", {"uri": "notes://today"})
    w.upstream.script = lambda _: OutboundFailed("connect")
    w.now[0] += 6

    answer = await w.modern("resources/read", {"uri": "notes://today"})

    assert answer.status == 502


async def stored(w: World, answer: Any) -> tuple[Answer, int]:
    """Return an answer, and how often the Store was asked for it."""
    calls: list[str] = []
    store = w.live.store

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(store, name)

    object.__setattr__(w.live, "store", Counting())
    try:
        return await answer(), len(calls)
    finally:
        object.__setattr__(w.live, "store", store)


async def test_neither_keeping_nor_sealing_asks_the_store():
    w = server(nextCursor="c")
    first, listing = await stored(w, lambda: w.modern("tools/list"))
    page = {"cursor": body(first)["result"]["nextCursor"]}
    _, recalled = await stored(w, lambda: w.modern("tools/list"))
    _, next_page = await stored(w, lambda: w.modern("tools/list", page))
    _, call = await stored(w, lambda: w.modern("tools/call", {"name": "read"}))

    assert (listing, recalled, next_page, call) == (0, 0, 0, 0)
