"""An account that goes missing is connected again by real clients, in the middle of what they do.

The service is the demo's pretend GitHub, the client the official SDK in both eras.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import UrlElicitationRequiredError
from mcp_types import CallToolResult, ElicitRequestURLParams, ElicitResult

from ostiary_cli.demo.agent import Someone, agent_of
from ostiary_cli.demo.stage import Stage, set_stage
from ostiary_cli.demo.tap import Tap
from ostiary_cli.headless import Stuck


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with set_stage(tmp_path) as running:
        yield running


class Visitor:
    """A person who opens what a client shows them."""

    def __init__(
        self, stage: Stage, *, username: str = "alice", password: str = "wonderland"
    ) -> None:
        self.person = Someone(username=username, password=password)
        self.shown: list[str] = []
        self._stage = stage

    async def logged_in(self) -> str:
        """Log in at the GitHub route, which connects the account, and return the access token."""
        async with agent_of(self.person, self._stage.url("github"), Tap()) as agent:
            return agent.access

    async def open(self, url: str) -> None:
        self.shown.append(url)
        who = self.person
        fields = {"username": who.username, "password": who.password, "approve": "yes"}
        done = f"{self._stage.ready['issuer']}/account/connected"
        await asyncio.to_thread(who.browser.walk, url, fields=fields, until=done)

    async def elicited(self, context: Any, params: Any) -> ElicitResult:
        """Answer what a client is asked to ask."""
        assert isinstance(params, ElicitRequestURLParams)
        await self.open(params.url)
        return ElicitResult(action="accept")


@asynccontextmanager
async def client(stage: Stage, visitor: Visitor, issued: str, mode: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {issued}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(
            streamable_http_client(stage.url("github"), http_client=http),
            mode=mode,
            elicitation_callback=visitor.elicited,
        ) as connected,
    ):
        yield connected


async def disconnect(stage: Stage) -> None:
    """Take alice's account away, as an operator does."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ostiary_cli.main", "accounts", "revoke", "--user", "alice"),
        *("-f", str(stage.config), "--state", str(stage.folder / "state")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def refused(connected: Client) -> str:
    """Call, and return the URL that the error asks for."""
    with pytest.raises(MCPError) as error:
        await connected.call_tool("get_me", {})
    return UrlElicitationRequiredError.from_error(error.value.error).elicitations[0].url


def login_of(result: Any) -> str:
    assert isinstance(result, CallToolResult)
    assert result.structured_content is not None
    return str(result.structured_content["login"])


async def test_clients_of_both_eras_are_led_to_connect_and_go_on(stage: Stage) -> None:
    # One stage for both: it takes longer to set than all that happens on it.
    await _a_modern_client_is_shown_the_link_and_its_call_goes_through(stage)
    await _a_legacy_client_is_shown_a_link_that_works_for_its_person_only(stage)


async def _a_modern_client_is_shown_the_link_and_its_call_goes_through(stage: Stage) -> None:
    visitor = Visitor(stage)
    issued = await visitor.logged_in()
    async with client(stage, visitor, issued, "2026-07-28") as connected:
        before = await connected.call_tool("get_me", {})
        await disconnect(stage)

        after = await connected.call_tool("get_me", {})

    assert (login_of(before), login_of(after)) == ("alice", "alice")
    assert [url.partition("?")[0] for url in visitor.shown] == [
        f"{stage.ready['issuer']}/account/connect"
    ]


async def _a_legacy_client_is_shown_a_link_that_works_for_its_person_only(stage: Stage) -> None:
    visitor, thief = Visitor(stage), Visitor(stage, username="carol", password="counting")
    issued = await visitor.logged_in()
    async with client(stage, visitor, issued, "legacy") as connected:
        before = await connected.call_tool("get_me", {})
        await disconnect(stage)
        url = await refused(connected)
        with pytest.raises(Stuck, match="somebody else"):
            await thief.open(url)
        assert await refused(connected) == url
        await visitor.open(url)

        after = await connected.call_tool("get_me", {})

    assert (login_of(before), login_of(after)) == ("alice", "alice")
