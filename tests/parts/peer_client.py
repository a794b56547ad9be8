"""A client in Python: logs in, then does what a plan says and prints what it saw.

usage: python peer_client.py '{"make": "python-2"|"python-1"|"fastmcp", "mode", "url", "plan"}'

Prints {"authorize": URL}, reads the address that the browser ended at, prints {"report": {...}}.
Runs under the interpreter of its make, so it imports nothing else.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.shared.auth import OAuthClientMetadata

ASKED: dict[str, Any] = json.loads(sys.argv[1])
PLAN: dict[str, Any] = ASKED["plan"]
RECEIVER = "http://127.0.0.1:47113/callback"


class Kept(TokenStorage):
    tokens: Any = None
    client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


def say(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


async def open_browser(url: str) -> None:
    say({"authorize": url})


async def landed() -> Any:
    line = await asyncio.to_thread(sys.stdin.readline)
    query = {name: values[0] for name, values in parse_qs(urlsplit(line.strip()).query).items()}
    if ASKED["make"] == "python-1":
        return query["code"], query["state"]
    from mcp.shared.auth import AuthorizationCodeResult  # since 2.0

    return AuthorizationCodeResult(code=query["code"], state=query["state"], iss=query["iss"])


def auth() -> OAuthClientProvider:
    metadata = OAuthClientMetadata(
        client_name=ASKED["make"],
        redirect_uris=[RECEIVER],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(
        server_url=ASKED["url"],
        client_metadata=metadata,
        storage=Kept(),
        redirect_handler=open_browser,
        callback_handler=landed,
    )


async def tried(what: Callable[[], Awaitable[str]]) -> str:
    try:
        return await what()
    except Exception as error:  # noqa: BLE001 - each make has its own
        found = getattr(error, "error", error)
        return f"error {getattr(found, 'code', None)}: {getattr(found, 'message', error)}"


def text(items: Any) -> str:
    return " ".join(getattr(item, "text", type(item).__name__) for item in items)


async def report(client: Any, version: str) -> None:
    async def prompt() -> str:
        got = await client.get_prompt(PLAN["prompt"]["name"], PLAN["prompt"]["arguments"])
        return text(message.content for message in got.messages)

    async def resource() -> str:
        got = await client.read_resource(PLAN["resource"])
        return str((got if isinstance(got, list) else got.contents)[0].text)

    async def call(which: dict[str, Any]) -> str:
        got = await client.call_tool(which["name"], which["arguments"])
        return text(got.content)

    tools = await client.list_tools()
    say(
        {
            "report": {
                "version": version,
                "tools": sorted(t.name for t in getattr(tools, "tools", tools)),
                "call": await tried(lambda: call(PLAN["call"])),
                "resource": await tried(resource),
                "prompt": await tried(prompt),
                "ask": await tried(lambda: call(PLAN["ask"]["call"])) if PLAN["ask"] else None,
                "forbidden": await tried(lambda: call(PLAN["forbidden"])),
            }
        }
    )


async def python_2() -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp_types import ElicitResult

    async def answer(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content=PLAN["ask"]["answer"])

    async with httpx2.AsyncClient(auth=auth(), timeout=30) as http:
        transport = streamable_http_client(ASKED["url"], http_client=http)
        async with Client(transport, mode=ASKED["mode"], elicitation_callback=answer) as client:
            await report(client, str(client.protocol_version))


async def python_1() -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import (
        streamablehttp_client,
    )
    from mcp.types import ElicitResult

    async def answer(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content=PLAN["ask"]["answer"])

    async with (
        streamablehttp_client(ASKED["url"], auth=auth()) as (reading, writing, _),
        ClientSession(reading, writing, elicitation_callback=answer) as session,
    ):
        started = await session.initialize()
        await report(session, str(started.protocolVersion))


async def fastmcp() -> None:
    from fastmcp import Client
    from fastmcp.client.elicitation import (
        ElicitResult,
    )

    async def answer(*_: Any) -> Any:
        return ElicitResult(action="accept", content=PLAN["ask"]["answer"])

    made = Client(ASKED["url"], auth=auth(), elicitation_handler=answer, mode=ASKED["mode"])
    async with made as client:
        await report(client, str(client.protocol_version))


asyncio.run({"python-2": python_2, "python-1": python_1, "fastmcp": fastmcp}[ASKED["make"]]())
