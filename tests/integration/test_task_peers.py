"""Tasks through a gateway: the Python SDK's client and server, and the official suite."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult

from gateway_parts import Gateway, dev, free_port, three_files
from older_peers import everything_in_typescript, tasks_in_sessions
from real_parts import ROOT, _until_answers, conformance, require, running
from setup_parts import peer

RULES = """
    - name: everything
      effect: Allow
      who: {everyone: true}
      transform: {redact: [{in: Result, pattern: "[0-9]{4}"}]}
    - name: ask-back
      effect: Allow
      who: {everyone: true}
      match: {server: [elicitation/form, sampling]}
"""
ASKING = """
    - {name: everything, effect: Allow, who: {everyone: true}}
    - name: ask-back
      effect: Allow
      who: {everyone: true}
      match: {server: [elicitation/form]}
"""
PARTS = ROOT / "tests" / "parts"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    require(peer("mcp-1").exists(), "the Python SDK before 2.0")
    folder, port = tmp_path_factory.mktemp("tasks"), free_port()
    command = [str(peer("mcp-1")), str(PARTS / "task_server.py"), str(port)]
    with running(command, log=folder / "tasks.log") as process:
        upstream = f"http://127.0.0.1:{port}/mcp/"
        _until_answers(upstream, process)
        with dev(folder, three_files(upstream, RULES)) as running_gateway:
            yield running_gateway


@contextmanager
def tasks_of_2026(folder: Path) -> Iterator[str]:
    """Run the server with the extension of 2026-07-28; gives its URL."""
    port = free_port()
    command = [sys.executable, str(PARTS / "modern_tasks.py"), str(port)]
    with running(command, log=folder / "tasks.log") as process:
        upstream = f"http://127.0.0.1:{port}/mcp"
        _until_answers(upstream, process)
        yield upstream


def used(gateway: Gateway, others: str, *tools: str) -> Any:
    """Let a client use every task there is; return what it saw."""
    command = [
        str(peer("mcp-1")), str(PARTS / "task_client.py"), gateway.url(), gateway.log_in(), others,
        *tools,
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.timeout(240)
def test_tasks_of_real_peers_run_ask_end_and_are_nobody_elses(gateway: Gateway) -> None:
    tools = ("greet", "ponder", "sleep")
    first = used(gateway, "-", *tools)
    second = used(gateway, first["task"], *tools)

    for seen in (first, second):
        assert (seen["greet"], seen["ponder"]) == ("hello Ada, pin [redacted]", "because")
        assert (seen["listed"], seen["cancelled"], seen["others"]) == (3, "cancelled", -32602)
    methods = {r["facts"].get("method") for r in gateway.records() if r["kind"] == "decision"}
    assert {"tasks/get", "tasks/result", "tasks/list", "tasks/cancel"} <= methods


@pytest.mark.timeout(240)
def test_a_real_legacy_client_has_tasks_at_a_server_of_2026_07_28(tmp_path: Path) -> None:
    require(peer("mcp-1").exists(), "the Python SDK before 2.0")
    tools = ("greet", "multi_input", "failing_job", "protocol_error_job", "confirm_delete")
    with (
        tasks_of_2026(tmp_path) as upstream,
        dev(tmp_path, three_files(upstream, ASKING)) as gateway,
    ):
        first = used(gateway, "-", *tools)
        second = used(gateway, first["task"], *tools)

    for seen in (first, second):
        assert [seen[tool] for tool in tools[:-1]] == [
            "Hello, None!", "both", "it did not work", -32603
        ]  # fmt: skip
        assert (seen["listed"], seen["cancelled"], seen["others"]) == (5, "cancelled", -32602)


SCENARIOS = {
    "lifecycle": 9, "capability-negotiation": 5, "wire-fields": 4, "request-state-removal": 3,
    "mrtr-input": 4, "request-headers": 5, "dispatch-and-envelope": 9, "status-notifications": 0,
    "required-task-error": 3, "mrtr-composition": 2,
}  # fmt: skip
"""What the official suite has for the extension of 2026-07-28, and its checks."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("server", [tasks_of_2026, tasks_in_sessions])
def test_the_official_suite_finds_the_tasks_extension_whole_behind_the_gateway(
    server: Callable[[Path], AbstractContextManager[str]], tmp_path: Path
) -> None:
    """One server has it; of the other, on the Python SDK 1.x, the gateway makes one that does."""
    require(peer("mcp-1").exists(), "the Python SDK before 2.0")
    with (
        server(tmp_path) as upstream,
        dev(tmp_path, three_files(upstream, ASKING)) as gateway,
    ):
        issued = gateway.log_in()
        counted = {
            name: conformance(
                gateway.url(), tmp_path / name, "--scenario", f"tasks-{name}", issued=issued
            )
            for name in SCENARIOS
        }

    assert [one for counts in counted.values() for one in counts.lost] == []
    assert {name: counts.passed for name, counts in counted.items()} == SCENARIOS


async def test_a_real_legacy_client_waits_for_a_tool_that_only_runs_as_a_task(
    tmp_path: Path,
) -> None:
    async def elicit(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"name": "Ada"})

    with (
        tasks_of_2026(tmp_path) as upstream,
        dev(tmp_path, three_files(upstream, ASKING)) as gateway,
    ):
        headers = {"Authorization": f"Bearer {gateway.log_in()}"}
        async with (
            asyncio.timeout(60),
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            streamable_http_client(gateway.url(), http_client=http) as (reading, writing),
            ClientSession(reading, writing, elicitation_callback=elicit) as session,
        ):
            await session.initialize()
            said = [
                (await session.call_tool(tool, {})).content[0].model_dump()["text"]
                for tool in ("test_tool_with_task", "failing_job")
            ]

    assert said == ["hello Ada", "it did not work"]


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {
        "elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}},
    },
}  # fmt: skip


@dataclass(frozen=True)
class Client:
    """A client of 2026-07-28 that knows tasks."""

    http: httpx2.AsyncClient
    url: str

    async def said(self, method: str, **params: Any) -> Any:
        """Return the result of a request."""
        head = {
            "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method,
            "Mcp-Name": params.get("name") or params["taskId"],
            "Accept": "application/json, text/event-stream",
        }  # fmt: skip
        whole = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
        answer = await self.http.post(self.url, json=whole, headers=head)
        return json.loads(answer.text[answer.text.index("{") :])["result"]

    async def reached(self, task_id: str, status: str) -> Any:
        """Poll a task until it has a status."""
        async with asyncio.timeout(30):
            while (task := await self.said("tasks/get", taskId=task_id))["status"] != status:
                await asyncio.sleep(0.2)
        return task


async def test_a_task_of_the_typescript_reference_server_asks_a_client_of_2026_07_28(
    tmp_path: Path,
) -> None:
    arguments = {"topic": "python", "ambiguous": True}
    answer = {"action": "accept", "content": {"interpretation": "the snake"}}
    with (
        everything_in_typescript(tmp_path) as upstream,
        dev(tmp_path, three_files(upstream, ASKING)) as gateway,
    ):
        headers = {"Authorization": f"Bearer {gateway.log_in()}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            client = Client(http, gateway.url())
            made = await client.said(
                "tools/call", name="simulate-research-query", arguments=arguments
            )
            task_id = made["taskId"]
            asked = (await client.reached(task_id, "input_required"))["inputRequests"]
            given = dict.fromkeys(asked, answer)
            await client.said("tasks/update", taskId=task_id, inputResponses=given)
            ended = await client.reached(task_id, "completed")

    assert made["resultType"] == "task"
    assert "python (the snake)" in ended["result"]["content"][0]["text"]
