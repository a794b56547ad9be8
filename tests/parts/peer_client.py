"""A client in Python: logs in, then does what a plan says and prints what it saw.

usage: python peer_client.py '{"make": "python-2"|"python-1"|"fastmcp", "mode", "url", "plan"}'

Prints {"authorize": URL}, reads the address that the browser ended at, prints {"report": {...}}.
Runs under the interpreter of its make, so it imports nothing else.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.shared.auth import OAuthClientMetadata
from mcp.types import CreateMessageResult, ElicitResult, TextContent

ASKED: dict[str, Any] = json.loads(sys.argv[1])
PLAN: dict[str, Any] = ASKED["plan"]
TOWN = "Paris"
"""What the client's model says, whatever it is asked."""
WATCHED: dict[str, Any] = {
    "tools_list_changed": True,
    "resource_subscriptions": [PLAN["watch"]] if PLAN["watch"] else [],
}
HEARD: list[str] = []
"""What the server said by itself."""
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


class Peer:
    """What a plan asks a client to do, whatever its make."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def call(self, name: str, arguments: Any = None, heard: Any = None) -> Any:
        told = "progress_handler" if ASKED["make"] == "fastmcp" else "progress_callback"
        return await self.client.call_tool(
            name, arguments or {}, **({told: heard} if heard else {})
        )

    async def text(self, **call: Any) -> str:
        return text((await self.call(**call)).content)

    async def structured(self, **call: Any) -> Any:
        got = await self.call(**call)
        return getattr(got, "structured_content", None) or got.structuredContent

    async def read(self, uri: str) -> str:
        got = await self.client.read_resource(uri)
        return str((got if isinstance(got, list) else got.contents)[0].text)

    async def prompt(self, name: str, arguments: Any = None) -> str:
        got = await self.client.get_prompt(name, arguments or {})
        return text(message.content for message in got.messages)

    async def progress(self, **call: Any) -> list[float]:
        """Return the progress that was heard during a call."""
        heard: list[float] = []

        async def went(done: float, *_: Any) -> None:
            heard.append(done)

        await self.call(**call, heard=went)
        return heard

    async def hear(self, what: str, **call: Any) -> str:
        """Call until the server said something; its stream may not be open at the first call."""
        while True:
            await self.call(**call)
            for _ in range(10):
                if any(what in said for said in HEARD):
                    return what
                await asyncio.sleep(0.02)

    async def cancel(self, then: str, **call: Any) -> str:
        """Give up a call once it runs; return how the server says that it went."""
        runs = asyncio.Event()

        async def went(*_: Any) -> None:
            runs.set()

        running = asyncio.create_task(self.call(**call, heard=went))
        await runs.wait()
        running.cancel()
        while (went_on := await self.text(name=then)) == "runs":
            await asyncio.sleep(0.05)
        return went_on


async def tried(done: Awaitable[Any]) -> Any:
    try:
        return await asyncio.wait_for(done, 15)
    except Exception as error:  # noqa: BLE001 - each make has its own
        found = getattr(error, "error", error)
        said = getattr(found, "message", None) or str(found) or type(found).__name__
        return f"error {getattr(found, 'code', None)}: {said}"


def text(items: Any) -> str:
    return " ".join(getattr(item, "text", type(item).__name__) for item in items)


async def hear(message: Any) -> None:
    said = getattr(message, "root", message)
    HEARD.append(f"{getattr(said, 'method', '')} {getattr(getattr(said, 'params', ''), 'uri', '')}")


async def log(params: Any) -> None:
    HEARD.append(f"log {params.data}")


async def answer(*_: Any) -> ElicitResult:
    return ElicitResult(action="accept", content=PLAN["answer"])


async def imagine(*_: Any) -> CreateMessageResult:
    content = TextContent(type="text", text=TOWN)
    return CreateMessageResult(role="assistant", content=content, model="m")


async def report(client: Any, version: str, watching: AbstractAsyncContextManager[Any]) -> None:
    tools = await client.list_tools()
    listed = sorted(tool.name for tool in getattr(tools, "tools", tools))
    peer = Peer(client)
    async with watching:
        seen = {
            word: await tried(getattr(peer, step["do"])(**step["with"]))
            for word, step in PLAN["steps"].items()
        }
    say({"report": {"version": version, "listed": listed, **seen}})


@asynccontextmanager
async def subscribed(client: Any) -> AsyncIterator[None]:
    """Watch, and ask for what is logged, as clients did up to 2025-11-25."""
    offered = getattr(client, "server_capabilities", None) or client.get_server_capabilities()
    if offered.logging:
        await client.set_logging_level("debug")
    if PLAN["watch"]:
        await client.subscribe_resource(PLAN["watch"])
    yield


async def python_2() -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(auth=auth(), timeout=30) as http:
        transport = streamable_http_client(ASKED["url"], http_client=http)
        async with Client(
            transport, mode=ASKED["mode"], elicitation_callback=answer, sampling_callback=imagine,
            logging_callback=log, log_level="debug", message_handler=hear,
        ) as client:  # fmt: skip
            modern = ASKED["mode"] == "auto"
            watching = client.listen(**WATCHED) if modern else subscribed(client)
            await report(client, str(client.protocol_version), watching)


async def python_1() -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with (
        streamablehttp_client(ASKED["url"], auth=auth()) as (reading, writing, _),
        ClientSession(
            reading, writing, elicitation_callback=answer, sampling_callback=imagine,
            logging_callback=log, message_handler=hear,
        ) as session,
    ):  # fmt: skip
        started = await session.initialize()
        await report(session, str(started.protocolVersion), subscribed(session))


async def fastmcp() -> None:
    from fastmcp import Client
    from mcp.client.subscriptions import listen

    async def accepted(*_: Any) -> Any:
        return PLAN["answer"]

    made = Client(
        ASKED["url"], auth=auth(), mode=ASKED["mode"], elicitation_handler=accepted,
        sampling_handler=imagine, log_handler=log, message_handler=hear,
    )  # fmt: skip
    async with made as client:
        await report(client, str(client.protocol_version), listen(client.session, **WATCHED))


asyncio.run({"python-2": python_2, "python-1": python_1, "fastmcp": fastmcp}[ASKED["make"]]())
