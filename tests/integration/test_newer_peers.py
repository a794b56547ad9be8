"""Real legacy clients before a real server that speaks 2026-07-28 alone, policy judged."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult, EmptyResult, SubscribeRequest, SubscribeRequestParams

from gateway_parts import Gateway, dev, three_files
from real_parts import (
    BIN,
    CACHE,
    NODE,
    conformance,
    free_port,
    modern_everything_server,
    require,
    strict_server,
)

PARTS = Path(__file__).parents[1] / "parts"
RULES = """
    - {name: everything, effect: Allow, who: {everyone: true}}
    - name: ask-back
      effect: Allow
      who: {everyone: true}
      match: {server: [elicitation/form, elicitation/url, sampling, roots]}
"""
CLIENTS: dict[str, tuple[str, ...]] = {
    "Python SDK 1.x": (str(CACHE / "mcp-1" / "bin" / "python"), str(PARTS / "legacy_client.py")),
    "Python SDK 2.x": (sys.executable, str(PARTS / "legacy_client.py")),
    "TypeScript SDK v1": (str(BIN / "node"), str(PARTS / "legacy_client.mjs")),
}
SEEN = {
    "opened": "2025-11-25",
    "tools": 28,
    "simple": "This is a simple text response for testing.",
    "mirrored": "region=eu",
    "progress": [0, 50, 100],
    "logged": 3,
    "elicitation": 'User response: action=accept, content={"response":"Ada"}',
    "sampling": "LLM response: Paris",
    "roots": "Client exposed 1 root(s).",
    "rounds": "Ada likes Ada.",
    "prompt": "Use the following context: Ada",
    "resource": "This is the content of the static text resource.",
    "completion": [],
    "changed": True,
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("newer")
    with (
        modern_everything_server(folder, free_port()) as upstream,
        dev(folder, three_files(upstream, RULES)) as running,
    ):
        yield running


@pytest.mark.parametrize("name", CLIENTS)
def test_a_real_legacy_client_uses_all_of_it(gateway: Gateway, name: str) -> None:
    command: Sequence[str] = CLIENTS[name]
    require(Path(command[0]).exists(), name)

    ended = subprocess.run(
        [*command, gateway.url(), gateway.log_in()],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=NODE,
    )

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == SEEN


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("revision", "checks"), [("2025-03-26", 3), ("2025-06-18", 56), ("2025-11-25", 80)]
)
def test_the_official_suite_of_a_legacy_revision_loses_no_check_through_the_bridge(
    gateway: Gateway, tmp_path: Path, revision: str, checks: int
) -> None:
    """Of 2025-11-25 four are none here: a stream of 2026-07-28 can't be resumed or polled."""
    issued = gateway.log_in()

    counts = conformance(
        gateway.url(), tmp_path, "--suite", "all", "--spec-version", revision, issued=issued
    )

    assert (counts.passed, counts.lost) == (checks, ())


async def test_a_subscribed_resource_and_a_changed_list_of_a_typescript_server_are_told(
    tmp_path: Path,
) -> None:
    with (
        strict_server(tmp_path, free_port()) as upstream,
        dev(tmp_path, three_files(upstream, RULES)) as running,
    ):
        headers = {"Authorization": f"Bearer {running.log_in()}"}
        told: asyncio.Queue[str] = asyncio.Queue()

        async def hear(message: object) -> None:
            told.put_nowait(type(message).__name__)

        async def elicit(context: object, params: object) -> ElicitResult:
            return ElicitResult(action="accept", content={"name": "Ada"})

        async with (
            asyncio.timeout(60),
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            streamable_http_client(running.url(), http_client=http) as (reading, writing),
            ClientSession(
                reading, writing, elicitation_callback=elicit, message_handler=hear
            ) as session,
        ):
            await session.initialize()
            await session.send_request(
                SubscribeRequest(params=SubscribeRequestParams(uri="note://today")), EmptyResult
            )
            seen = {"ResourceUpdatedNotification", "ToolListChangedNotification"}
            while seen:  # the GET stream may not be open yet
                called = await session.call_tool("rename", {})
                await session.call_tool("add", {})
                with contextlib.suppress(TimeoutError):
                    seen.discard(await asyncio.wait_for(told.get(), 1))
            read = await session.read_resource("note://today")

        assert [content.model_dump()["text"] for content in called.content] == ["it is Ada's"]
        assert [content.model_dump()["text"] for content in read.contents] == ["Ada"]
