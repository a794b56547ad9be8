"""X12: a server that takes questions and says nothing holds up no more than the first list."""

import asyncio
from typing import Any

import pytest

from joined_parts import Server, joined, to
from mcp_parts import (
    ScriptedUpstream,
    World,
    body,
    event,
    header,
    initialize,
    result,
    sse_answer,
)
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed, Outgoing
from ostiary_proxy.pipeline.many import answers, silence

TOOLS = {"tools": [{"name": "read", "inputSchema": {"type": "object"}}]}
KEY = "team/files/web"


class Hanging:
    """A server that answers a list once it is let go, after a first one that it does not take."""

    def __init__(self) -> None:
        self.held: list[asyncio.Future[None]] = []
        self.fails = True

    def __call__(self, sent: Outgoing) -> Any:
        if self.fails:
            self.fails = False
            return OutboundFailed("timeout")
        self.held.append(asyncio.get_running_loop().create_future())
        return sse_answer(self.held[-1], event(result(TOOLS)))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "_BRIEF", 0.3)


async def listed(w: World, *, token: str = "alice") -> tuple[list[str], Any]:
    """Return the names of the tools in a list, and which servers' part is missing."""
    async with asyncio.timeout(8):
        found = body(await w.modern("tools/list", token=token))["result"]
    names = [tool["name"] for tool in found["tools"]]
    return names, found.get("_meta", {}).get("ostiary.dev/partial")


def open_at_web(w: World) -> list[bool]:
    """Return of each exchange with the hanging server whether it is still open."""
    return [
        not one.closed for one in w.upstream.exchanges if isinstance(one.parts[0], asyncio.Future)
    ]


async def until(holds: Any) -> None:
    async with asyncio.timeout(8):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_server_that_did_not_answer_in_time_is_waited_for_briefly_until_it_answers() -> (
    None
):
    web = Hanging()
    w = joined({"files": Server(tools__list=TOOLS), "web": web})

    first = await listed(w)
    second = await listed(w)
    web.held[0].set_result(None)
    await until(lambda: KEY not in w.live.upstreams.silence)
    third = asyncio.ensure_future(listed(w))
    await until(lambda: len(web.held) == 2)
    web.held[1].set_result(None)

    assert first == second == (["files_read"], ["web"])
    assert await third == (["files_read", "web_read"], None)


async def test_whoever_asks_a_silent_server_that_answers_gets_the_whole_list() -> None:
    web = Server(tools__list=TOOLS)
    fails = iter([OutboundFailed("timeout")])
    w = joined(
        {"files": Server(tools__list=TOOLS), "web": lambda sent: next(fails, None) or web(sent)}
    )

    hers = await listed(w, token="alice")
    his = await listed(w, token="bob")

    assert hers == (["files_read"], ["web"])
    assert his == (["files_read", "web_read"], None)


async def test_of_many_questions_to_a_silent_server_one_goes_on_and_the_others_end() -> None:
    w = joined({"files": Server(tools__list=TOOLS), "web": Hanging()})
    await listed(w)

    await asyncio.gather(*(listed(w) for _ in range(4)))
    await until(lambda: sum(open_at_web(w)) == 1)
    await listed(w)
    await until(lambda: sum(open_at_web(w)) == 1)

    assert len(open_at_web(w)) == 5


async def test_a_question_to_a_silent_server_ends_with_the_client_that_goes_meanwhile() -> None:
    w = joined({"files": Server(tools__list=TOOLS), "web": Hanging()})
    await listed(w)

    asking = asyncio.ensure_future(listed(w))
    await until(lambda: open_at_web(w) == [True])
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    await until(lambda: open_at_web(w) == [False])


async def test_a_server_is_silent_too_where_no_client_waits_as_long_as_we_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silence, "_LONG", 0.0)
    web = Hanging()
    web.fails = False
    w = joined({"files": Server(tools__list=TOOLS), "web": web})

    asking = asyncio.ensure_future(listed(w))
    await until(lambda: open_at_web(w) == [True])
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    await until(lambda: KEY in w.live.upstreams.silence)


async def test_discovery_is_over_before_clients_take_us_for_the_older_era(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "_DISCOVERY", 0.05)
    web = Hanging()
    web.fails = False
    told = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    w = joined({"files": Server(server__discover=told), "web": web})

    async with asyncio.timeout(8):
        found = body(await w.modern("server/discover"))["result"]

    assert found["_meta"]["ostiary.dev/partial"] == ["web"]
    assert found["capabilities"] == {"tools": {"listChanged": True}}


async def test_a_server_whose_answer_begins_and_does_not_end_is_silent_and_the_status_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "PATIENCE", 0.05)
    web = Hanging()
    web.fails = False
    w = joined({"files": Server(tools__list=TOOLS), "web": web})

    assert await listed(w) == (["files_read"], ["web"])
    assert KEY in w.live.upstreams.silence
    assert w.live.upstreams.last[KEY] == "it did not answer in time"
    assert open_at_web(w) == [False]


async def test_a_server_that_refuses_is_not_silent() -> None:
    web = Server()
    web.away = True
    w = joined({"files": Server(tools__list=TOOLS), "web": web})

    await listed(w)

    assert KEY not in w.live.upstreams.silence


async def test_a_notice_waits_briefly_for_a_silent_server() -> None:
    web = Server(session="w-1", tools__list=sse_answer(OutboundFailed("timeout")))
    w = joined({"files": Server(session="f-1", tools__list=TOOLS), "web": web})
    session = header(await w.send(initialize()), "mcp-session-id")
    await w.legacy(session, "tools/list")
    assert KEY in w.live.upstreams.silence
    never = asyncio.get_running_loop().create_future()

    class Holding(ScriptedUpstream):
        async def send(self, request: Outgoing) -> Exchange:
            if to(request) == "web":
                await never
            return await super().send(request)

    object.__setattr__(w.live, "transport", Holding(w.upstream.script))
    notice = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
    async with asyncio.timeout(8):
        answer = await w.send(notice, headers=(("mcp-session-id", session),))

    assert answer.status == 202
