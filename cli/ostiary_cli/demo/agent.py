"""The scripted agent: the official MCP SDK client, logged in as a person, its traffic on tape.

The person's part, pages and passwords, is done by a browser without a window; what the browser
sees is not the agent's.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from mcp import Client, MCPError
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from mcp_types import CallToolResult

from ostiary_cli.demo.tap import Tap, tapped
from ostiary_cli.headless import Headless

__all__ = ["Agent", "Outcome", "Someone", "agent_of"]

REDIRECT: Final = "http://127.0.0.1:39999/callback"
"""Nothing listens there: the browser without a window stops at this address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call came to: `value` where it was answered, `code` and `message` where refused."""

    value: Any = None
    code: int | None = None
    message: str = ""

    @property
    def refused(self) -> bool:
        """Say whether Ostiary refused the call."""
        return self.code is not None


@dataclass(slots=True, kw_only=True)
class Someone:
    """A person with a browser that keeps its cookies, and what they fill into forms."""

    username: str
    password: str
    browser: Headless = field(default_factory=Headless)

    async def visit(self, url: str) -> Mapping[str, str]:
        """Go through every page from `url` on, agreeing; return the query at the redirect URI."""
        fields = {"username": self.username, "password": self.password, "approve": "yes"}
        end = await asyncio.to_thread(self.browser.walk, url, fields=fields, until=REDIRECT)
        return dict(parse_qsl(urlsplit(end).query))


class _Kept(TokenStorage):
    """The agent's own tokens, in memory."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A connected agent."""

    client: Client
    kept: _Kept

    @property
    def access(self) -> str:
        """Return the access token that the agent holds."""
        assert self.kept.tokens is not None
        return self.kept.tokens.access_token

    async def tools(self) -> list[str]:
        """Return the names of the tools it may see."""
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool: str, **arguments: object) -> Outcome:
        """Call a tool; a refusal is an outcome, not an exception."""
        try:
            result = await self.client.call_tool(tool, arguments)
        except MCPError as error:
            return Outcome(code=error.code, message=error.message)
        assert isinstance(result, CallToolResult)
        if result.is_error:
            return Outcome(message=" ".join(getattr(part, "text", "") for part in result.content))
        structured = result.structured_content
        if isinstance(structured, dict) and set(structured) == {"result"}:
            return Outcome(value=structured["result"])
        return Outcome(value=structured or [getattr(part, "text", "") for part in result.content])


@asynccontextmanager
async def agent_of(
    person: Someone, url: str, tap: Tap, *, mode: str = "auto"
) -> AsyncIterator[Agent]:
    """Yield an agent that `person` has logged in at the route `url`; `tap` records its traffic.

    `mode` is the SDK's: auto, legacy, or a protocol version.
    """
    came_back: dict[str, str] = {}
    kept = _Kept()

    async def redirect(address: str) -> None:
        came_back.update(await person.visit(address))

    async def callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(
            code=came_back.get("code", ""), state=came_back.get("state"), iss=came_back.get("iss")
        )

    metadata = OAuthClientMetadata(
        client_name="Demo agent",
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",  # noqa: S106 - the OAuth word for a public client
    )
    auth = OAuthClientProvider(
        server_url=url,
        client_metadata=metadata,
        storage=kept,
        redirect_handler=redirect,
        callback_handler=callback,
    )
    async with (
        tapped(tap, auth=auth) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield Agent(client=client, kept=kept)
