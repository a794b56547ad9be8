"""A server on the Python SDK 1.x that makes tasks of calls, with the tools of the official suite.

Usage: … PORT. It speaks sessions only: the suite's clients of 2026-07-28 need a bridge to it.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn
from mcp import McpError, types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.routing import Mount

server: Any = Server("tasks")
support = server.experimental.enable_tasks()
FORM = {"type": "object", "properties": {"name": {"type": "string"}}}
Given = Mapping[str, Any]


def said(text: str, **more: Any) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], **more)


async def greet(_: Any, given: Given) -> types.CallToolResult:
    return said(f"Hello, {given.get('name')}!")


async def slow_compute(_: Any, given: Given) -> types.CallToolResult:
    await anyio.sleep(float(given.get("seconds", 0)))
    return said("computed")


async def failing_job(_: Any, given: Given) -> types.CallToolResult:
    await anyio.sleep(0.2)
    return said("it did not work", isError=True)


async def protocol_error_job(_: Any, given: Given) -> types.CallToolResult:
    raise McpError(types.ErrorData(code=-32603, message="it broke"))


async def confirm_delete(task: Any, given: Given) -> types.CallToolResult:
    await task.elicit("confirm?", FORM)
    return said("deleted")


async def multi_input(task: Any, given: Given) -> types.CallToolResult:
    """Ask two things at the same time."""
    async with anyio.create_task_group() as both:
        both.start_soon(task.elicit, "first?", FORM)
        both.start_soon(task.elicit, "second?", FORM)
    return said("both")


async def with_name(_: Any, given: Given) -> types.CallToolResult:
    return said(f"hello {given['user_name']}")


TOOLS: Mapping[str, tuple[str, Callable[[Any, Given], Awaitable[types.CallToolResult]]]] = {
    "greet": ("forbidden", greet),
    "slow_compute": ("optional", slow_compute),
    "failing_job": ("required", failing_job),
    "protocol_error_job": ("optional", protocol_error_job),
    "confirm_delete": ("optional", confirm_delete),
    "multi_input": ("optional", multi_input),
    "test_tool_with_task": ("required", with_name),
}


@server.list_tools()
async def list_tools() -> list[types.Tool]:
    return [
        types.Tool(
            name=name, inputSchema={"type": "object"},
            execution=types.ToolExecution(taskSupport=support),
        )
        for name, (support, _) in TOOLS.items()
    ]  # fmt: skip


@server.call_tool()
async def call_tool(name: str, given: dict[str, Any]) -> Any:
    context, (support, tool) = server.request_context, TOOLS[name]
    context.experimental.validate_task_mode(support)
    if name == "test_tool_with_task":  # asks before there is a task
        answer = await context.session.elicit_form("Who?", FORM, context.request_id)
        given = {"user_name": next(iter((answer.content or {}).values()), "")}
    if not context.experimental.is_task:
        return await tool(context.session, given)
    return await context.experimental.run_task(lambda task: work(task, tool, given))


async def work(task: Any, tool: Any, given: Given) -> types.CallToolResult:
    """Run a tool; who was cancelled never ends, for this SDK would end the whole session then."""
    result: types.CallToolResult = await tool(task, given)
    stored = await support.store.get_task(task.task_id)
    if stored.status == "cancelled":
        await anyio.sleep_forever()
    return result


manager = StreamableHTTPSessionManager(server)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with manager.run():
        yield


app = Starlette(routes=[Mount("/mcp", manager.handle_request)], lifespan=lifespan)
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
