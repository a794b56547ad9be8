"""X12: tasks of several servers behind one URL never meet, whatever ids their servers give them."""

import asyncio
import json
from typing import Any

from joined_parts import Server, asked, joined, to
from mcp_parts import (
    ALLOW_ALL,
    ALLOW_SERVER,
    World,
    body,
    drained,
    events,
    header,
    initialize,
    next_said,
    result,
    sse_answer,
)
from task_parts import EXTENDED

DONE = {"content": [{"type": "resource_link", "uri": "notes://a", "name": "a"}]}
RELATED = "io.modelcontextprotocol/related-task"


def task(**more: Any) -> dict[str, Any]:
    return {"taskId": "t1", "status": "working", "createdAt": "now", "ttl": 1, **more}


def server() -> Server:
    return Server(
        tools__call={"task": task()},
        tasks__get=task(),
        tasks__result=DONE,
        tasks__cancel=task(status="cancelled"),
        tasks__list={"tasks": [task()]},
    )


async def session_with_tasks(w: World, *names: str) -> str:
    session = header(await w.send(initialize()), "mcp-session-id")
    for name in names:
        await w.legacy(session, "tools/call", {"name": f"{name}_work", "task": {"ttl": 1}})
    return str(session)


async def test_equal_ids_of_two_servers_are_two_tasks_and_each_leads_to_its_own() -> None:
    w = joined({"files": server(), "web": server()})
    session = await session_with_tasks(w, "files", "web")
    before = len(w.upstream.sent)

    got = await w.legacy(session, "tasks/get", {"taskId": "web:st1"})
    brought = await w.legacy(session, "tasks/result", {"taskId": "files:st1"})
    listed = await w.legacy(session, "tasks/list")
    bare = await w.legacy(session, "tasks/get", {"taskId": "t1"})

    assert body(got)["result"]["taskId"] == "web:st1"
    assert body(brought)["result"]["content"][0]["uri"] == "files+notes://a"
    assert [one["taskId"] for one in body(listed)["result"]["tasks"]] == ["files:st1", "web:st1"]
    assert body(bare)["error"]["code"] == -32602
    sent = [json.loads(one.body)["params"].get("taskId") for one in w.upstream.sent[before:]]
    assert list(zip(asked(w)[before:], sent, strict=True)) == [
        (("web", "tasks/get"), "t1"),
        (("files", "tasks/result"), "t1"),
        (("files", "tasks/list"), None),
        (("web", "tasks/list"), None),
    ]


async def test_a_task_that_another_server_names_is_nobodys() -> None:
    forged = {
        "jsonrpc": "2.0",
        "method": "notifications/tasks/status",
        "params": task(taskId="files:st1"),
    }
    evil = Server(
        tools__call=lambda m: sse_answer(forged, result({"content": []}, request_id=m["id"]))
    )
    w = joined({"files": server(), "evil": evil})
    session = await session_with_tasks(w, "files")

    told = events(await drained(await w.legacy(session, "tools/call", {"name": "evil_a"})))

    assert [one.get("method") for one in told] == [None]


async def test_a_question_inside_a_task_and_its_answer_say_so_by_each_sides_id() -> None:
    meta = {RELATED: {"taskId": "t1"}}
    asking = {
        "jsonrpc": "2.0", "id": 7, "method": "elicitation/create",
        "params": {"message": "?", "requestedSchema": {"type": "object"}, "_meta": meta},
    }  # fmt: skip
    held = asyncio.get_running_loop().create_future()
    files = server()
    files.results["tasks/result"] = lambda _: sse_answer(asking, held)
    w = joined({"files": files}, ALLOW_ALL, ALLOW_SERVER)
    session = await session_with_tasks(w, "files")

    stream = await w.legacy(session, "tasks/result", {"taskId": "files:st1"})
    assert not isinstance(stream.body, bytes)
    async with asyncio.timeout(5):
        (asked_for,) = events(await next_said(aiter(stream.body)))
    said = asked_for["params"]["_meta"]
    answer = {"jsonrpc": "2.0", "id": asked_for["id"]}
    reply = {**answer, "result": {"action": "decline", "_meta": said}}
    taken = await w.send(reply, headers=(("mcp-session-id", session),))
    await stream.body.abandon()

    assert said == {RELATED: {"taskId": "files:st1"}}
    assert taken.status == 202
    told = json.loads(w.upstream.sent[-1].body)
    assert told == {"jsonrpc": "2.0", "id": 7, "result": {"action": "decline", "_meta": meta}}


async def test_tasks_of_2026_are_named_polled_and_listened_to_likewise() -> None:
    def listening(message: Any) -> Any:
        meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}
        wanted = message["params"]["notifications"]
        notice = "notifications/subscriptions/acknowledged"
        held = asyncio.get_running_loop().create_future()
        return sse_answer(
            {
                "jsonrpc": "2.0",
                "method": notice,
                "params": {"_meta": meta, "notifications": wanted},
            },
            {
                "jsonrpc": "2.0",
                "method": "notifications/tasks",
                "params": {**task(), "_meta": meta},
            },
            held,
        )

    made = {"resultType": "task", **task()}
    files = Server(
        tools__call=made,
        tasks__get={"resultType": "complete", **task(result=DONE)},
        subscriptions__listen=listening,
    )
    w = joined({"files": files, "web": Server()})

    called = await w.modern("tools/call", {"name": "files_work"}, meta=EXTENDED)
    task_id = body(called)["result"]["taskId"]
    polled = await w.modern("tasks/get", {"taskId": task_id}, meta=EXTENDED)
    wanted = {"notifications": {"taskIds": [task_id, "web:st1"]}}
    stream = await w.modern("subscriptions/listen", wanted, meta=EXTENDED)

    assert not isinstance(stream.body, bytes)
    pieces = aiter(stream.body)
    async with asyncio.timeout(5):
        told = events(b"".join([await next_said(pieces) for _ in range(2)]))
    await stream.body.abandon()
    assert task_id == "files:st1"
    assert body(polled)["result"]["taskId"] == "files:st1"
    assert told[0]["params"]["notifications"] == {"taskIds": ["files:st1"]}
    assert told[1]["params"]["taskId"] == "files:st1"
    assert [to(sent) for sent in w.upstream.sent] == ["files", "files", "files"]
    assert dict(w.upstream.sent[1].headers)["mcp-name"] == "t1"


async def test_news_of_a_clients_own_task_go_to_no_server() -> None:
    w = joined({"files": server()})
    session = await session_with_tasks(w)
    sent = len(w.upstream.sent)
    news = {"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": task()}

    answer = await w.send(news, headers=(("mcp-session-id", session),))

    assert (answer.status in (202, 403), len(w.upstream.sent)) == (True, sent)
