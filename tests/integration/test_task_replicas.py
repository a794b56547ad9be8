"""A task of a legacy server is polled, asked and ended at whichever replica its client reaches."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from older_peers import tasks_in_sessions
from replica_parts import Fleet, Replica, fleet, one_more

RULES = """
  - {name: everything, effect: Allow, who: {everyone: true}}
  - {name: ask-back, effect: Allow, who: {everyone: true}, match: {server: [elicitation/form]}}
"""
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {
        "elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}},
    },
}  # fmt: skip

ADA = {"action": "accept", "content": {"name": "Ada"}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("tasks")
    with fleet(folder, RULES, server=tasks_in_sessions(folder)) as started:
        yield started


def said(shared: Fleet, at: Replica, issued: str, method: str, **params: Any) -> Any:
    """Return the result of a request at one replica."""
    whole = {"jsonrpc": "2.0", "id": 7, "method": method, "params": {**params, "_meta": META}}
    answer = at.send(
        shared.path, whole, MCP_Protocol_Version="2026-07-28", Mcp_Method=method,
        Mcp_Name=str(params.get("name") or params.get("taskId")),
        Authorization=f"Bearer {issued}", Accept="application/json, text/event-stream",
    )  # fmt: skip
    assert answer.status == 200, answer.body
    return answer.json()["result"]


def made(shared: Fleet, at: Replica, issued: str) -> str:
    """Call a tool that asks, as a task; return the task's id."""
    result = said(shared, at, issued, "tools/call", name="confirm_delete", arguments={})
    assert result["resultType"] == "task"
    return str(result["taskId"])


def reached(shared: Fleet, at: Replica, issued: str, task_id: str, status: str) -> Any:
    """Poll a task at a replica until it has a status."""
    deadline = time.monotonic() + 10
    while (task := said(shared, at, issued, "tasks/get", taskId=task_id))["status"] != status:
        assert time.monotonic() < deadline, task
        time.sleep(0.1)
    return task


def test_a_task_is_polled_asked_and_ended_at_other_replicas_than_made_it(shared: Fleet) -> None:
    one, two, three = shared.replicas
    issued = shared.log_in(authorize=one, redeem=two).access

    task_id = made(shared, one, issued)
    asked = reached(shared, two, issued, task_id, "input_required")["inputRequests"]
    answers = dict.fromkeys(asked, ADA)
    said(shared, three, issued, "tasks/update", taskId=task_id, inputResponses=answers)
    ended = reached(shared, two, issued, task_id, "completed")

    assert [entry["method"] for entry in asked.values()] == ["elicitation/create"]
    assert ended["result"]["content"] == [{"type": "text", "text": "deleted"}]


def test_a_task_outlives_the_replica_that_made_it(shared: Fleet, tmp_path: Path) -> None:
    one, two, _ = shared.replicas
    issued = shared.log_in(authorize=one, redeem=two).access

    with one_more(tmp_path / "ending", shared.gateway) as ending:
        task_id = made(shared, ending, issued)
        asked = reached(shared, ending, issued, task_id, "input_required")["inputRequests"]
    answers = dict.fromkeys(asked, ADA)
    said(shared, one, issued, "tasks/update", taskId=task_id, inputResponses=answers)

    assert reached(shared, two, issued, task_id, "completed")["result"]["content"]
