"""What the gateway says to servers by itself is written down, and not said where it can't be."""

import asyncio
from typing import Any

import pytest

from joined_parts import Server, joined
from legacy_parts import CAN_ALL, LegacyServer, asks, until
from log_parts import Log
from mcp_parts import (
    CREDENTIAL,
    World,
    drained,
    header,
    initialize,
    json_answer,
    result,
    sse_answer,
    world,
)
from newer_parts import ModernServer, call, opening
from ostiary_proxy.audit.record import Record
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.store.port import StoreUnavailable

CALL = {"name": "a"}
PERSON = {
    "source": "192.0.2.7", "identity_issuer": "https://login.example.com", "subject": "alice",
    "email": "alice@example.com",
}  # fmt: skip
OURS = {
    "decision": "allow", "by": "gateway", "route": "team/files", "client_id": "client",
    "gid": "grant-alice", "jti": "jti-alice",
}  # fmt: skip
POST = {**OURS, "http": "POST"}


def own(w: World) -> list[Record]:
    """Return the records of what the gateway said by itself."""
    return [record for record in w.log.records if record.facts.get("by") == "gateway"]


def ends(w: World) -> list[Any]:
    """Return how each of it went."""
    outcomes = {one.id: one.facts for one in w.log.records if one.kind == "outcome"}
    return [outcomes.get(record.id) for record in own(w)]


async def test_the_session_of_an_older_server_is_written_down_from_its_beginning_to_its_end():
    server = LegacyServer({"tools/call": lambda _: {"content": []}})
    w = world(server)
    meta = {**CAN_ALL, "io.modelcontextprotocol/logLevel": "info"}

    await w.modern("tools/call", CALL, meta=meta)
    session = own(w)[1].facts["session"]
    w.doors.grants.clear()
    w.live.streams.doubt()
    await until(lambda: "DELETE" in server.methods())
    await w.live.streams.settle(5)

    said = {**POST, "during": "d1", "session": session}
    assert [record.facts for record in own(w)] == [
        {**POST, "during": "d1", "method": "server/discover"},
        {**said, "method": "initialize"},
        {**said, "method": "notifications/initialized"},
        {**said, "http": "GET", "method": "GET"},
        {**said, "method": "logging/setLevel"},
        {**said, "http": "DELETE", "method": "DELETE"},
    ]
    assert [record.personal for record in own(w)] == [PERSON] * 6
    assert ends(w) == [
        {"outcome": "error", "status": 400},
        {"outcome": "ok", "status": 200},
        {"outcome": "ok", "status": 202},
        {"outcome": "error", "status": 405},
        {"outcome": "ok", "status": 200},
        {"outcome": "ok", "status": 200},
    ]


async def test_a_resource_that_is_subscribed_to_is_named():
    silent = asyncio.get_running_loop().create_future()
    w = world(LegacyServer({}, own=lambda: sse_answer(silent)))
    wanted = {"notifications": {"resourceSubscriptions": ["notes://today"]}}

    answer = await w.modern("subscriptions/listen", wanted)
    assert not isinstance(answer.body, bytes)
    await answer.body.abandon()
    await w.live.streams.settle(5)

    named = [(one.facts["method"], one.facts["name"]) for one in own(w) if "name" in one.facts]
    assert named == [
        ("resources/subscribe", "notes://today"),
        ("resources/unsubscribe", "notes://today"),
    ]


async def test_what_a_server_of_2026_is_asked_before_a_session_begins_is_written_down():
    w, session = await opening(ModernServer({"tools/call": lambda _: {"content": []}}))
    await call(w, session)

    assert [record.facts for record in own(w)] == [
        {**POST, "during": "d1", "method": "server/discover"},
        {**POST, "during": "d1", "method": "initialize"},
    ]
    assert [end["outcome"] for end in ends(w)] == ["ok", "error"]


async def test_a_server_that_is_greeted_again_is_named():
    files = Server(session="f-1", tools__call={"content": []})
    w = joined({"files": files, "web": Server(tools__list={"tools": []})})
    session = header(await w.send(initialize()), "mcp-session-id")
    files.sessions = ["f-2"]

    await w.legacy(session, "tools/call", {"name": "files_a"})

    said = {**POST, "during": "d2", "server": "files"}
    assert [record.facts for record in own(w)] == [
        {**said, "method": "initialize"},
        {**said, "method": "notifications/initialized", "session": own(w)[1].facts["session"]},
    ]


async def test_what_a_server_asks_and_is_refused_is_written_down():
    asked = asks("tasks/list", {}, request_id="s-1")
    server = LegacyServer(
        {
            "tools/call": lambda _: [asked],
            "answered": lambda said: [result({"content": []}, request_id=said[0]["id"])],
        }
    )
    w = world(server)

    await drained(await w.modern("tools/call", CALL, meta=CAN_ALL))

    (record,) = [one for one in w.log.records if one.kind == "server-message"]
    assert record.facts == {
        "decision": "drop",
        "during": "d1",
        "detail": "the client can't be asked this",
        "method": "tasks/list",
        "rpc_id": "s-1",
    }


async def test_nothing_is_said_to_a_server_that_cannot_be_written_down():
    server = LegacyServer({"tools/call": lambda _: {"content": []}})
    w = world(server)
    await w.modern("tools/call", CALL)
    w.log.full = True
    before = len(w.upstream.sent)

    w.live.streams.leave()
    await w.live.streams.settle(5)
    answer = await w.modern("tools/call", CALL)

    assert (answer.status, len(w.upstream.sent)) == (503, before)


async def test_no_credential_and_no_session_id_of_a_server_is_written_down():
    server = LegacyServer({"tools/call": lambda _: {"content": []}})
    w = world(server)

    await w.modern("tools/call", CALL)

    assert CREDENTIAL not in w.log.text()
    assert "up-1" not in w.log.text()


@pytest.mark.parametrize("failure", [OutboundFailed("connect"), StoreUnavailable("away")])
async def test_what_found_no_server_has_its_end_in_the_log(failure: Exception):
    server = LegacyServer({"tools/call": lambda _: {"content": []}})
    w = world(server)
    await w.modern("tools/call", CALL)
    w.upstream.script = lambda _: failure

    w.live.streams.leave()
    await w.live.streams.settle(5)

    code = "UpstreamUnavailable" if isinstance(failure, OutboundFailed) else "StoreUnavailable"
    assert (own(w)[-1].facts["method"], ends(w)[-1]) == (
        "DELETE", {"outcome": "error", "code": code},
    )  # fmt: skip


async def test_who_leaves_while_the_end_is_written_down_leaves_no_connection_open():
    w = world(LegacyServer({"tools/call": lambda _: {"content": []}}))
    slow = Slow(w.log)
    object.__setattr__(w.live, "audit", slow)
    calling = asyncio.ensure_future(w.modern("tools/call", CALL))
    await asyncio.wait_for(slow.reached.wait(), 5)

    running = {calling, *asyncio.all_tasks()} - {asyncio.current_task()}
    for task in running:
        task.cancel()
    await asyncio.wait(running)

    assert w.upstream.exchanges[-1].closed


class Slow:
    """A log that takes for ever over the first outcome."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.reached = asyncio.Event()

    async def write(self, record: Record) -> None:
        if record.kind == "outcome":
            self.reached.set()
            await asyncio.Event().wait()
        await self.log.write(record)


async def test_a_list_that_is_asked_for_its_schemas_is_written_down():
    mismatch = {"code": -32020, "message": "Mcp-Param-Region is missing"}
    server = ModernServer(
        {
            "tools/list": lambda _: {"resultType": "complete", "tools": []},
            "tools/call": lambda said: json_answer(
                {"jsonrpc": "2.0", "id": said["id"], "error": mismatch}, status=400
            ),
        }
    )
    w, session = await opening(server)

    await call(w, session)

    last, called = own(w)[-1].facts, w.log.records[-1].id
    assert last == {
        **POST, "during": called, "method": "tools/list", "session": last["session"],
    }  # fmt: skip
