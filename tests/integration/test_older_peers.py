"""The Python SDK's client of 2026-07-28, through a gateway, in front of real legacy servers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CreateMessageResult, ElicitResult, ListRootsResult, Root, TextContent

from gateway_parts import Gateway, dev, three_files
from older_peers import everything_in_typescript, everything_older, python_sdk_one
from real_parts import conformance

RULES = """
    - {name: everything, effect: Allow, who: {everyone: true}}
    - name: ask-back
      effect: Allow
      who: {everyone: true}
      match: {server: [elicitation/form, elicitation/url, sampling, roots]}
"""


@dataclass
class Heard:
    """What a client was told and asked."""

    logs: list[Any] = field(default_factory=list)
    progress: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def served(
    factory: pytest.TempPathFactory, server: Callable[[Path], AbstractContextManager[str]]
) -> Iterator[Gateway]:
    folder = factory.mktemp("older")
    with server(folder) as upstream, dev(folder, three_files(upstream, RULES)) as running:
        yield running


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from served(tmp_path_factory, python_sdk_one)


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from served(tmp_path_factory, everything_in_typescript)


@asynccontextmanager
async def connected(gateway: Gateway, heard: Heard) -> AsyncIterator[Client]:
    """Log in and connect in whatever era the server seems to speak."""
    issued = await asyncio.to_thread(gateway.log_in)

    async def elicit(context: Any, params: Any) -> ElicitResult:
        heard.asked.append("elicitation")
        return ElicitResult(action="accept", content={"name": "Ann", "check": True})

    async def sample(context: Any, params: Any) -> CreateMessageResult:
        heard.asked.append("sampling")
        text = TextContent(type="text", text="because")
        return CreateMessageResult(role="assistant", content=text, model="m")

    async def roots(context: Any) -> ListRootsResult:
        heard.asked.append("roots")
        return ListRootsResult(roots=[Root(uri="file:///home/ann", name="home")])

    async def log(params: Any) -> None:
        heard.logs.append(params.data)

    headers = {"Authorization": f"Bearer {issued}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(
            streamable_http_client(gateway.url(), http_client=http),
            elicitation_callback=elicit,
            sampling_callback=sample,
            list_roots_callback=roots,
            logging_callback=log,
            log_level="info",
        ) as client,
    ):
        assert client.protocol_version == "2026-07-28"
        yield client


def text_of(result: Any) -> str:
    return str(result.content[0].text)


async def test_python_tools_resources_and_prompts(python: Gateway) -> None:
    async with connected(python, Heard()) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        said = text_of(await client.call_tool("echo", {"text": "hi"}))
        note = (await client.read_resource("notes://today")).contents[0]
        prompt = (await client.get_prompt("summary", {"topic": "tea"})).messages[0]

    assert {"echo", "greet", "ponder"} <= set(tools)
    assert (said, note.text, prompt.content.text) == ("hi", "a note", "Summarise tea")  # type: ignore[union-attr]


async def test_python_elicitation_after_progress(python: Gateway) -> None:
    heard = Heard()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        heard.progress.append((progress, message))

    async with connected(python, heard) as client:
        said = text_of(await client.call_tool("greet", {}, progress_callback=progress))

    assert (said, heard.asked) == ("accept: Ann", ["elicitation"])
    assert heard.progress == [(1, "asking"), (2, "asked")]


async def test_python_sampling_and_log_messages(python: Gateway) -> None:
    heard = Heard()
    async with connected(python, heard) as client:
        said = text_of(await client.call_tool("ponder", {}))

    assert (said, heard.asked, heard.logs) == ("because", ["sampling"], ["pondering"])


async def test_python_sampling_on_the_sessions_own_stream(python: Gateway) -> None:
    heard = Heard()
    async with connected(python, heard) as client:
        said = text_of(await client.call_tool("wonder", {}))

    assert (said, heard.asked) == ("because", ["sampling"])


async def test_python_changes_of_tools_reach_who_listens(python: Gateway) -> None:
    async with connected(python, Heard()) as client, client.listen(tools_list_changed=True) as told:
        async with asyncio.timeout(20):
            await client.call_tool("grow", {})
            event = await anext(aiter(told))

    assert type(event).__name__ == "ToolsListChanged"


async def test_python_without_sessions(tmp_path: Path) -> None:
    with (
        python_sdk_one(tmp_path, alone=True) as upstream,
        dev(tmp_path, three_files(upstream, RULES)) as gateway,
    ):
        async with connected(gateway, Heard()) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            said = text_of(await client.call_tool("echo", {"text": "hi"}))

    assert ("echo" in tools, said) == (True, "hi")


async def test_typescript_tools_and_what_they_ask(typescript: Gateway) -> None:
    heard = Heard()
    async with connected(typescript, heard) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        said = text_of(await client.call_tool("echo", {"message": "hi"}))
        elicited = text_of(await client.call_tool("trigger-elicitation-request", {}))
        sampled = await client.call_tool("trigger-sampling-request", {"prompt": "why"})
        roots = text_of(await client.call_tool("get-roots-list", {}))

    assert "get-sum" in tools
    assert said == "Echo: hi"
    assert elicited.startswith("✅")
    assert "because" in text_of(sampled)
    assert "file:///home/ann" in roots
    # For roots this server asks by itself too, soon after its session began.
    assert set(heard.asked) == {"elicitation", "roots", "sampling"}


async def test_typescript_progress(typescript: Gateway) -> None:
    heard = Heard()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        heard.progress.append(progress)

    async with connected(typescript, heard) as client:
        await client.call_tool(
            "trigger-long-running-operation",
            {"duration": 0.3, "steps": 3},
            progress_callback=progress,
        )

    assert heard.progress == [1, 2, 3]


async def test_typescript_updates_of_a_resource_reach_who_listens(typescript: Gateway) -> None:
    uri = "demo://resource/dynamic/text/1"
    async with (
        connected(typescript, Heard()) as client,
        client.listen(resource_subscriptions=[uri]) as told,
        asyncio.timeout(20),
    ):
        await client.call_tool("toggle-subscriber-updates", {})
        event = await anext(aiter(told))

    assert getattr(event, "uri", None) == uri


@pytest.mark.timeout(300)
def test_the_official_suite_of_2026_passes_in_front_of_a_server_that_knows_no_2026(
    tmp_path: Path,
) -> None:
    """But for a check of the name that a server gave its question: in a session none has any."""
    with everything_older(tmp_path) as upstream, dev(tmp_path, three_files(upstream, RULES)) as old:
        issued = old.log_in()
        counts = conformance(
            old.url(), tmp_path / "out", "--suite", "all", "--spec-version", "2026-07-28",
            issued=issued,
        )  # fmt: skip

    lost = {said.split(": ")[1] for said in counts.lost}
    assert (counts.passed, lost) == (149, {"sep-2322-elicitation-incomplete"}), counts.lost
