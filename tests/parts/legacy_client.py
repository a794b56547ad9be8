"""A legacy client on the Python SDK, 1.x or 2.x; usage: … URL BEARER. Prints what it saw as JSON.

It uses everything that such a client can use of the everything-server.
"""

import asyncio
import json
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

OLD = version("mcp").startswith("1.")
HTTP: Any = import_module("httpx" if OLD else "httpx2")
SESSION: Any = ClientSession  # its callbacks have other types in each line
LOGGED: list[str] = []
CHANGED = asyncio.Event()


def uri(text: str) -> Any:
    return AnyUrl(text) if OLD else text


async def elicit(_: Any, params: Any) -> Any:
    asked = set(params.model_dump(by_alias=True)["requestedSchema"]["properties"])
    content = dict.fromkeys(asked, "Ada")
    return types.ElicitResult(action="accept", content=content)


async def sample(*_: Any) -> Any:
    content = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=content, model="m")


async def roots(_: Any) -> Any:
    return types.ListRootsResult(roots=[types.Root(uri=uri("file:///home"))])


async def log(params: Any) -> None:
    LOGGED.append(str(params.data))


async def hear(message: Any) -> None:
    if "ToolListChanged" in type(getattr(message, "root", message)).__name__:
        CHANGED.set()


async def use(session: Any) -> dict[str, Any]:
    progress: list[float] = []

    async def went(done: float, *_: Any) -> None:
        progress.append(done)

    async def call(name: str, **arguments: str) -> str:
        result = await session.call_tool(name, arguments)
        return str(result.content[0].text)

    opened = await session.initialize()
    await session.send_ping()
    seen: dict[str, Any] = {"opened": plain(opened)["protocolVersion"]}
    seen["tools"] = len((await session.list_tools()).tools)
    seen["simple"] = await call("test_simple_text")
    seen["mirrored"] = await call("test_x_mcp_header", region="eu")
    await session.call_tool("test_tool_with_progress", {}, progress_callback=went)
    seen["progress"] = progress
    await session.set_logging_level("debug")
    await call("test_tool_with_logging")
    seen["logged"] = len(LOGGED)
    seen["elicitation"] = await call("test_elicitation", message="who?")
    seen["sampling"] = await call("test_sampling", prompt="capital?")
    seen["roots"] = await call("test_input_required_result_list_roots")
    seen["rounds"] = await call("test_input_required_result_multi_round")
    seen["prompt"] = plain(await session.get_prompt("test_input_required_result_prompt"))[
        "messages"
    ][0]["content"]["text"]
    seen["resource"] = plain(await session.read_resource(uri("test://static-text")))["contents"][0][
        "text"
    ]
    await session.subscribe_resource(uri("test://watched-resource"))
    await session.unsubscribe_resource(uri("test://watched-resource"))
    reference = types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
    completed = await session.complete(reference, {"name": "arg1", "value": "a"})
    seen["completion"] = plain(completed)["completion"]["values"]
    while not CHANGED.is_set():  # the GET stream may not be open yet
        await call("test_trigger_tool_change")
        await asyncio.sleep(0.1)
    seen["changed"] = True
    return seen


def plain(model: Any) -> Any:
    return model.model_dump(mode="json", by_alias=True)


async def main(url: str, bearer: str) -> None:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with (
        HTTP.AsyncClient(headers=headers, timeout=30) as http,
        streamable_http_client(url, http_client=http) as streams,
        SESSION(
            streams[0], streams[1], sampling_callback=sample, elicitation_callback=elicit,
            list_roots_callback=roots, logging_callback=log, message_handler=hear,
        ) as session,
        asyncio.timeout(60),
    ):  # fmt: skip
        print(json.dumps(await use(session)))


asyncio.run(main(*sys.argv[1:]))
