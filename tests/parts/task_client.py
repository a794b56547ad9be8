"""A client on the Python SDK 1.x that calls tools as tasks; usage: … URL BEARER TASK TOOL...

TASK is somebody else's task that it tries to get, or `-`. The last tool's task is cancelled, the
others' are waited for. Prints what it saw as JSON.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

import httpx
from mcp import ClientSession, McpError, types
from mcp.client.experimental.task_handlers import ExperimentalTaskHandlers
from mcp.client.streamable_http import streamable_http_client

NOW = datetime.now(UTC)
ANSWER = types.CreateMessageResult(
    role="assistant", content=types.TextContent(type="text", text="because"), model="m"
)


async def elicit(*_: Any) -> Any:
    return types.ElicitResult(action="accept", content={"name": "Ada"})


def own_task(status: Any) -> dict[str, Any]:
    return {
        "taskId": "thought-1", "status": status, "createdAt": NOW, "lastUpdatedAt": NOW,
        "ttl": 60_000, "pollInterval": 50,
    }  # fmt: skip


async def begin(*_: Any) -> types.CreateTaskResult:
    return types.CreateTaskResult(task=types.Task(**own_task("working")))


async def get(*_: Any) -> types.GetTaskResult:
    return types.GetTaskResult(**own_task("completed"))


async def bring(*_: Any) -> types.GetTaskPayloadResult:
    return types.GetTaskPayloadResult(**ANSWER.model_dump())


async def sample(*_: Any) -> types.CreateMessageResult:
    return ANSWER


HANDLERS = ExperimentalTaskHandlers(augmented_sampling=begin, get_task=get, get_task_result=bring)


async def brought(tasks: Any, tool: str) -> Any:
    """Call a tool as a task, poll it until it asks or ends, and return what it brings."""
    made = await tasks.call_tool_as_task(tool, {})
    async for state in tasks.poll_task(made.task.taskId):
        if state.status == "input_required":
            break
    try:
        result = await tasks.get_task_result(made.task.taskId, types.CallToolResult)
    except McpError as error:
        return error.error.code
    return result.content[0].text


async def refused(asked: Any) -> Any:
    try:
        return (await asked).model_dump(mode="json")
    except McpError as error:
        return error.error.code


async def use(session: ClientSession, others: str, *tools: str) -> dict[str, Any]:
    tasks = session.experimental
    *awaited, left = tools
    seen: dict[str, Any] = {tool: await brought(tasks, tool) for tool in awaited}
    kept = (await tasks.call_tool_as_task(left, {})).task.taskId
    seen["listed"] = len((await tasks.list_tasks()).tasks)
    seen["cancelled"] = (await tasks.cancel_task(kept)).status
    seen["others"] = await refused(tasks.get_task(others))
    seen["task"] = kept
    return seen


async def main(url: str, bearer: str, others: str, *tools: str) -> None:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with (
        httpx.AsyncClient(headers=headers, timeout=30) as http,
        streamable_http_client(url, http_client=http) as streams,
        ClientSession(
            streams[0], streams[1], elicitation_callback=elicit, sampling_callback=sample,
            experimental_task_handlers=HANDLERS,
        ) as session,
        asyncio.timeout(60),
    ):  # fmt: skip
        await session.initialize()
        print(json.dumps(await use(session, others, *tools)))


asyncio.run(main(*sys.argv[1:]))
