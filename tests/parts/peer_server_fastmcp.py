"""An MCP server on FastMCP 4, which speaks both eras.

usage: python peer_server_fastmcp.py PORT
"""

import asyncio
import sys

import uvicorn
from fastmcp import Context, FastMCP
from fastmcp.server.event_store import EventStore
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel

MODERN = "2026-07-28"
WHICH_TOWN = [SamplingMessage(role="user", content=TextContent(type="text", text="Which town?"))]
CALLS = {"wait": "never called"}
"""How the last call of `wait` went."""

server = FastMCP("fastmcp")


class Colour(BaseModel):
    colour: str


def modern(context: Context) -> bool:
    return context.request_context.protocol_version == MODERN


@server.tool
def echo(text: str) -> str:
    return f"echo {text}"


@server.tool
def secret() -> str:
    return "never to be seen"


@server.tool
def add(a: int, b: int) -> dict[str, int]:
    return {"sum": a + b}


@server.tool
async def ask(context: Context) -> str | InputRequiredResult:
    """Ask in the middle of the call, or through the result where there is no other way."""
    if not modern(context):
        said = await context.elicit("Which colour?", Colour)
        return f"the colour is {said.data.colour}" if said.action == "accept" else "no colour"
    if answer := (context.input_responses or {}).get("colour"):
        return f"the colour is {answer.content['colour']}"
    form = ElicitRequestFormParams(
        message="Which colour?", requested_schema=Colour.model_json_schema()
    )
    return InputRequiredResult(input_requests={"colour": ElicitRequest(params=form)})


@server.tool
async def imagine(context: Context) -> str | InputRequiredResult:
    """Ask the client's model, in whichever way there is."""
    if not modern(context):
        said = await context.session.create_message(
            messages=WHICH_TOWN, max_tokens=5, related_request_id=context.request_id
        )
        return f"the model says {said.content.text}"
    if answer := (context.input_responses or {}).get("town"):
        return f"the model says {answer.content.text}"
    asked = CreateMessageRequestParams(messages=WHICH_TOWN, max_tokens=5)
    return InputRequiredResult(input_requests={"town": CreateMessageRequest(params=asked)})


@server.tool
async def count(context: Context) -> str:
    for number in (1, 2, 3):
        await context.report_progress(number, 3)
    await context.info("counted")
    return "three"


@server.tool
async def grow(context: Context) -> str:
    """Say that the list of tools changed."""
    await context.session.send_tool_list_changed()
    return "grown"


@server.tool
async def wait(context: Context) -> str:
    """Run until the client gives up."""
    CALLS["wait"] = "runs"
    await context.report_progress(1)
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        CALLS["wait"] = "given up"
        raise
    return "nobody gave up"


@server.tool
def waited() -> str:
    return CALLS["wait"]


@server.tool
async def pause(context: Context) -> str:
    """Break the answer's stream off before the answer, where that can be."""
    await context.close_sse_stream()
    await asyncio.sleep(0.05)
    return "still here"


@server.resource("note://today")
def note() -> str:
    return "a note"


@server.prompt
def greet(name: str) -> str:
    return f"greet {name}"


app = server.http_app(event_store=EventStore(), retry_interval=100)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
