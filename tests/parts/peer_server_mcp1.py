"""An MCP server on the Python SDK before 2.0: initialize and sessions, nothing newer.

usage: python peer_server_mcp1.py PORT
"""

import asyncio
import sys
from typing import Any

from mcp.server import NotificationOptions
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.types import SamplingMessage, TextContent
from pydantic import AnyUrl, BaseModel

NOTE = "note://today"
CALLS = {"wait": "never called"}
"""How the last call of `wait` went."""


class Colour(BaseModel):
    colour: str


class Events(EventStore):
    """Every event of every stream, so that a stream that broke off can be taken up again."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.sent.append((stream_id, message))
        return str(len(self.sent))

    async def replay_events_after(self, last_event_id: str, send_callback: Any) -> str:
        last = int(last_event_id)
        stream = self.sent[last - 1][0]
        for number, (of, message) in enumerate(self.sent[last:], last + 1):
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


server = FastMCP("python-1", port=int(sys.argv[1]), event_store=Events(), retry_interval=100)


@server.tool()
def echo(text: str) -> str:
    return f"echo {text}"


@server.tool()
def secret() -> str:
    return "never to be seen"


@server.tool()
def add(a: int, b: int) -> dict[str, int]:
    return {"sum": a + b}


@server.tool()
async def ask(context: Context) -> str:
    answer = await context.elicit("Which colour?", Colour)
    return f"the colour is {answer.data.colour}" if answer.action == "accept" else "no colour"


@server.tool()
async def imagine(context: Context) -> str:
    asked = SamplingMessage(role="user", content=TextContent(type="text", text="Which town?"))
    said = await context.session.create_message(
        messages=[asked], max_tokens=5, related_request_id=context.request_id
    )
    return f"the model says {said.content.text}"


@server.tool()
async def count(context: Context) -> str:
    for number in (1, 2, 3):
        await context.report_progress(number, 3)
    await context.info("counted")
    return "three"


@server.tool()
async def touch(context: Context) -> str:
    """Say that the note changed."""
    await context.session.send_resource_updated(AnyUrl(NOTE))
    return "touched"


@server.tool()
async def grow(context: Context) -> str:
    """Say that the list of tools changed."""
    await context.session.send_tool_list_changed()
    return "grown"


@server.tool()
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


@server.tool()
def waited() -> str:
    return CALLS["wait"]


@server.tool()
async def pause(context: Context) -> str:
    """Break the answer's stream off before the answer."""
    await context.close_sse_stream()
    await asyncio.sleep(0.05)
    return "still here"


@server.resource(NOTE)
def note() -> str:
    return "a note"


@server.prompt()
def greet(name: str) -> str:
    return f"greet {name}"


low = server._mcp_server  # FastMCP has no word for subscriptions


@low.subscribe_resource()
async def subscribe(uri: AnyUrl) -> None:
    """Have everybody hear of the note."""


@low.unsubscribe_resource()
async def unsubscribe(uri: AnyUrl) -> None:
    """Have everybody hear of the note."""


declared = low.get_capabilities


def capabilities(_: NotificationOptions, experimental: dict[str, dict[str, Any]]) -> Any:
    found = declared(NotificationOptions(tools_changed=True), experimental)
    found.resources.subscribe = True
    return found


low.get_capabilities = capabilities
server.run("streamable-http")
