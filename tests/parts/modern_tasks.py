"""A server of 2026-07-28 that makes tasks of calls, with the tools that the official suite uses.

Usage: … PORT. It trusts whoever asks: headers and owners of tasks are the gateway's to check.
"""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

EXTENSION = "io.modelcontextprotocol/tasks"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
NEEDED: Any = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
KEPT = {"ttlMs": 60_000, "cacheScope": "private"}
Params = Mapping[str, Any]


class Failed(Exception):  # noqa: N818 - a statement
    """A JSON-RPC error; its arguments are code, text, data and HTTP status."""


@dataclass
class Task:
    """Work under way: what it needs of the client, and what it brought."""

    number: int
    needs: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    brought: dict[str, Any] = field(default_factory=dict)
    status: str = "working"
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    work: asyncio.Task[None] | None = None

    def shown(self) -> dict[str, Any]:
        state = {
            "taskId": f"task-{self.number}", "status": self.status, "createdAt": self.began,
            "lastUpdatedAt": self.began, "ttlMs": 60_000, "pollIntervalMs": 100,
        }  # fmt: skip
        return {**state, **({"inputRequests": self.needs} if self.needs else {}), **self.brought}

    async def ask(self, *names: str) -> None:
        self.needs = {name: question(name) for name in names}
        self.status = "input_required"
        await self.answered.wait()
        self.status = "working"

    async def run(self, tool: Callable[["Task", Params], Awaitable[Any]], given: Params) -> None:
        try:
            self.brought, self.status = {"result": await tool(self, given)}, "completed"
        except Failed as failed:
            error = {"code": failed.args[0], "message": failed.args[1]}
            self.brought, self.status = {"error": error}, "failed"
        except asyncio.CancelledError:
            self.status, self.needs = "cancelled", {}


def question(name: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {"type": "string"}}}
    params = {"mode": "form", "message": f"{name}?", "requestedSchema": schema}
    return {"method": "elicitation/create", "params": params}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"resultType": "complete", "content": [{"type": "text", "text": said}], **more}


async def greet(_: Task, given: Params) -> Any:
    return text(f"Hello, {given.get('name')}!")


async def slow_compute(_: Task, given: Params) -> Any:
    await asyncio.sleep(float(given.get("seconds", 0)))
    return text("computed")


async def failing_job(_: Task, given: Params) -> Any:
    await asyncio.sleep(0.2)
    return text("it did not work", isError=True)


async def protocol_error_job(_: Task, given: Params) -> Any:
    raise Failed(-32603, "it broke")


async def confirm_delete(task: Task, given: Params) -> Any:
    await task.ask("confirm")
    return text("deleted")


async def multi_input(task: Task, given: Params) -> Any:
    await task.ask("first", "second")
    return text("both")


async def with_name(_: Task, given: Params) -> Any:
    return text(f"hello {given['user_name']}")


TOOLS: Mapping[str, Callable[[Task, Params], Awaitable[Any]]] = {
    "greet": greet, "slow_compute": slow_compute, "failing_job": failing_job,
    "protocol_error_job": protocol_error_job, "confirm_delete": confirm_delete,
    "multi_input": multi_input, "test_tool_with_task": with_name,
}  # fmt: skip
REQUIRED = ("failing_job", "test_tool_with_task")
TASKS: dict[str, Task] = {}
NUMBERS = itertools.count(1)


def declared(params: Params) -> bool:
    return EXTENSION in params["_meta"][CAPABILITIES].get("extensions", {})


async def call(params: Params) -> Any:
    name, given = params["name"], params.get("arguments", {})
    if name in REQUIRED and not declared(params):
        raise Failed(-32021, "this tool runs as a task", NEEDED, 400)
    if name == "test_tool_with_task":
        if "inputResponses" not in params:
            asked = {"user_name": question("user_name")}
            return {"resultType": "input_required", "inputRequests": asked, "requestState": "s"}
        given = params["inputResponses"]["user_name"]["content"]
        given = {"user_name": next(iter(given.values()))}
    task = Task(number=next(NUMBERS))
    if name == "greet" or not declared(params):
        return await TOOLS[name](task, given)
    task.work = asyncio.ensure_future(task.run(TOOLS[name], given))
    shown = task.shown()
    TASKS[shown["taskId"]] = task
    return {"resultType": "task", **shown}


def found(params: Params) -> Task:
    if params["taskId"] not in TASKS:
        raise Failed(-32602, "Task not found")
    return TASKS[params["taskId"]]


async def get(params: Params) -> Any:
    return {"resultType": "complete", **found(params).shown()}


async def update(params: Params) -> Any:
    task = found(params)
    for name in [name for name in params["inputResponses"] if name in task.needs]:
        task.answers[name] = params["inputResponses"][name]
        del task.needs[name]
    if not task.needs:
        task.answered.set()
    return {"resultType": "complete"}


async def cancel(params: Params) -> Any:
    work = found(params).work
    if work is not None:
        work.cancel()
    return {"resultType": "complete"}


async def discover(_: Params) -> Any:
    capabilities: Any = {"tools": {}, "extensions": {EXTENSION: {}}}
    return {
        "resultType": "complete", "supportedVersions": ["2026-07-28"],
        "capabilities": capabilities, "serverInfo": {"name": "tasks", "version": "1"}, **KEPT,
    }  # fmt: skip


async def tools(_: Params) -> Any:
    listed = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
    return {"resultType": "complete", "tools": listed, **KEPT}


METHODS: Mapping[str, Callable[[Params], Awaitable[Any]]] = {
    "server/discover": discover, "tools/list": tools, "tools/call": call, "tasks/get": get,
    "tasks/update": update, "tasks/cancel": cancel,
}  # fmt: skip


async def answer(request: web.Request) -> web.Response:
    message = await request.json()
    head = {"jsonrpc": "2.0", "id": message.get("id")}
    try:
        if message["method"] not in METHODS:
            raise Failed(-32601, "Method not found", None, 404)
        return web.json_response(
            {**head, "result": await METHODS[message["method"]](message["params"])}
        )
    except Failed as failed:
        code, said, data, status = (*failed.args, None, 200)[:4]
        error = {"code": code, "message": said, **({"data": data} if data else {})}
        return web.json_response({**head, "error": error}, status=status or 200)


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/mcp", answer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
