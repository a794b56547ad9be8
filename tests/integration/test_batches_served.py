"""Batches of 2025-03-26 at a running gateway before a real server that reads no arrays."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway_parts import Gateway, dev, free_port, post, three_files
from mcp_parts import initialize, request
from real_parts import everything_server

RULES = """
    - {name: everything, effect: Allow, who: {everyone: true}}
    - {name: no-images, effect: Deny, match: {tools: [test_image_content]}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("batches")
    with (
        everything_server(folder, free_port()) as upstream,
        dev(folder, three_files(upstream, RULES)) as running,
    ):
        yield running


def call(name: str, request_id: int) -> dict[str, Any]:
    return request("tools/call", {"name": name, "arguments": {}}, request_id=request_id)


def events(body: bytes) -> list[Any]:
    lines = [line for line in body.decode().splitlines() if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_each_message_of_a_batch_is_answered_by_a_real_server_or_refused(gateway: Gateway) -> None:
    issued = gateway.log_in()
    opened = post(gateway.url(), issued, initialize("2025-03-26"))
    session = {"Mcp_Session_Id": opened.headers["mcp-session-id"]}
    told = [{"jsonrpc": "2.0", "method": "notifications/initialized"}]
    assert post(gateway.url(), issued, told, **session).status == 202

    calls = ["test_simple_text", "test_image_content", "test_tool_with_progress"]
    batch = [request("tools/list", {}, request_id=0), *map(call, calls, range(1, 4))]
    answer = post(gateway.url(), issued, batch, **session)

    assert answer.status == 200
    answered = {one["id"]: one for one in events(answer.body) if "id" in one}
    assert list(answered) == [0, 1, 2, 3]
    assert [one.get("error", {}).get("code") for one in answered.values()] == [
        None, None, -32602, None,
    ]  # fmt: skip
    names = [tool["name"] for tool in answered[0]["result"]["tools"]]
    assert "test_image_content" not in names
    records = [r["facts"] for r in gateway.records() if "batch" in r["facts"]]
    assert [r["decision"] for r in records] == ["allow", "allow", "allow", "deny", "allow"]
