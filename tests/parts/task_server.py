"""A server on the Python SDK 1.x whose tools are tasks; usage: … PORT."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.routing import Mount

server: Any = Server("tasks")
server.experimental.enable_tasks()
FORM = {"type": "object", "properties": {"name": {"type": "string"}}}
QUESTION = [types.SamplingMessage(role="user", content=types.TextContent(type="text", text="Why?"))]


@server.list_tools()
async def list_tools() -> list[types.Tool]:
    as_task = types.ToolExecution(taskSupport="required")
    return [
        types.Tool(name=name, inputSchema={"type": "object"}, execution=as_task)
        for name in ("greet", "ponder", "sleep")
    ]


@server.call_tool()
async def call_tool(name: str, _: dict[str, Any]) -> Any:
    return await server.request_context.experimental.run_task(WORK[name])


async def greet(task: Any) -> types.CallToolResult:
    """Ask for a name, as any question is asked."""
    await task.update_status("asking for pin 1234")
    found = await task.elicit("Who is there?", FORM)
    return said(f"hello {found.content['name']}, pin 1234")


async def ponder(task: Any) -> types.CallToolResult:
    """Ask the client's model, and wait for the task that the client makes of it."""
    found = await task.create_message_as_task(QUESTION, max_tokens=5)
    return said(found.content.text)


async def sleep(task: Any) -> types.CallToolResult:
    """Never come to an end by itself."""
    return said(str(await task.elicit("Who is there?", FORM)))


def said(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


WORK = {"greet": greet, "ponder": ponder, "sleep": sleep}
manager = StreamableHTTPSessionManager(server)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with manager.run():
        yield


app = Starlette(routes=[Mount("/mcp", manager.handle_request)], lifespan=lifespan)
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
