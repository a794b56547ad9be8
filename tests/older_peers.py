"""Real MCP servers that speak legacy revisions only: the Python SDK before 2.0, TypeScript's."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_parts import free_port
from real_parts import BIN, NODE, SDK, require, serving
from setup_parts import peer

__all__ = [
    "everything_in_typescript", "everything_older", "python_sdk_one", "tasks_in_sessions",
]  # fmt: skip

_SERVER = '''
import sys
from functools import partial

from mcp.server import NotificationOptions
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import SamplingMessage, TextContent
from pydantic import BaseModel

alone = sys.argv[2] == "alone"
server = FastMCP("one", port=int(sys.argv[1]), json_response=alone, stateless_http=alone)


class Name(BaseModel):
    name: str


@server.tool()
def echo(text: str) -> str:
    return text


@server.tool()
async def greet(ctx: Context) -> str:
    """Ask who is there, after some progress."""
    await ctx.report_progress(1, 3, "asking")
    try:
        found = await ctx.elicit("Who is there?", Name)
    finally:
        print("nobody waits at the door", flush=True)
    await ctx.report_progress(2, 3, "asked")
    return f"{found.action}: {found.data.name}" if found.action == "accept" else found.action


@server.tool()
async def ponder(ctx: Context) -> str:
    """Ask the client's model, then for its roots."""
    await ctx.info("pondering")
    await ctx.debug("in detail")
    asked = [SamplingMessage(role="user", content=TextContent(type="text", text="Why?"))]
    said = await ctx.session.create_message(
        messages=asked, max_tokens=5, related_request_id=ctx.request_id
    )
    return said.content.text


@server.tool()
async def wonder(ctx: Context) -> str:
    """Ask the client's model as most servers do: for no request in particular."""
    asked = [SamplingMessage(role="user", content=TextContent(type="text", text="Why?"))]
    said = await ctx.session.create_message(messages=asked, max_tokens=5)
    return said.content.text


@server.tool()
async def grow(ctx: Context) -> str:
    """Have one more tool."""
    server.add_tool(lambda: "new", name="grown")
    await ctx.session.send_tool_list_changed()
    return "grown"


@server.resource("notes://today")
def today() -> str:
    return "a note"


@server.prompt()
def summary(topic: str) -> str:
    return f"Summarise {topic}"


low = server._mcp_server
low.create_initialization_options = partial(
    low.create_initialization_options, NotificationOptions(tools_changed=True)
)
server.run("streamable-http")
'''

_OLDER = """
import asyncio
import sys
from functools import partial

import uvicorn
from mcp.server import NotificationOptions
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import Prompt
from mcp_everything_server.server import event_store, mcp
from mcp.types import SamplingMessage, TextContent
from pydantic import BaseModel


class Name(BaseModel):
    name: str


class Color(BaseModel):
    color: str


class About(BaseModel):
    context: str


class Ok(BaseModel):
    ok: bool


async def confirmed(ctx: Context) -> str:
    '''Ask to confirm.'''
    found = await ctx.elicit("Please confirm", Ok)
    return f"state-ok: {found.action}"


async def named(ctx: Context) -> str:
    '''Ask for a name.'''
    found = await ctx.elicit("What is your name?", Name)
    return f"Hello, {found.data.name}!"


async def several(ctx: Context) -> str:
    '''Ask twice.'''
    name = await ctx.elicit("Step 1: What is your name?", Name)
    color = await ctx.elicit("Step 2: What is your favorite color?", Color)
    return f"{name.data.name} likes {color.data.color}."


async def greeted(ctx: Context) -> str:
    '''Ask the model.'''
    asked = [SamplingMessage(role="user", content=TextContent(type="text", text="Say hello"))]
    said = await ctx.session.create_message(
        messages=asked, max_tokens=50, related_request_id=ctx.request_id
    )
    return said.content.text


async def rooted(ctx: Context) -> str:
    '''Ask for roots.'''
    return str((await ctx.session.list_roots()).roots[0].uri)


async def at_once(ctx: Context) -> str:
    '''Ask for a name, the model and roots at once.'''
    return " ".join(await asyncio.gather(named(ctx), greeted(ctx), rooted(ctx)))


async def tools_changed(ctx: Context) -> str:
    '''Tell the session that tools changed.'''
    await ctx.session.send_tool_list_changed()
    return "tool list changed"


async def prompts_changed(ctx: Context) -> str:
    '''Tell the session that prompts changed.'''
    await ctx.session.send_prompt_list_changed()
    return "prompt list changed"


async def prompted(ctx: Context) -> str:
    found = await ctx.elicit("What context should the prompt use?", About)
    return f"Use the following context: {found.data.context}"


# What asks by a result of 2026-07-28 there, or tells its listeners, does so in the session here.
OLDER = {
    "test_input_required_result_elicitation": named,
    "test_input_required_result_sampling": greeted,
    "test_input_required_result_capabilities": greeted,
    "test_input_required_result_list_roots": rooted,
    "test_input_required_result_multiple_inputs": at_once,
    "test_input_required_result_request_state": confirmed,
    "test_input_required_result_tampered_state": confirmed,
    "test_input_required_result_multi_round": several,
    "test_trigger_tool_change": tools_changed,
    "test_trigger_prompt_change": prompts_changed,
}
for name, tool in OLDER.items():
    mcp.remove_tool(name)
    mcp.add_tool(tool, name=name)
prompts = mcp._prompt_manager._prompts
prompts["test_input_required_result_prompt"] = Prompt.from_function(
    prompted, name="test_input_required_result_prompt", description="Ask."
)
low = mcp._lowlevel_server
low.create_initialization_options = partial(
    low.create_initialization_options, NotificationOptions(tools_changed=True, prompts_changed=True)
)
app = mcp.streamable_http_app(event_store=event_store, retry_interval=100)


async def older(scope, receive, send):
    headers = dict(scope.get("headers", ()))
    if headers.get(b"mcp-protocol-version") != b"2026-07-28":
        await app(scope, receive, send)
        return
    head = [(b"content-type", b"application/json")]
    body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Missing session ID"}}'
    await send({"type": "http.response.start", "status": 400, "headers": head})
    await send({"type": "http.response.body", "body": body})


uvicorn.run(older, port=int(sys.argv[1]), log_level="warning")
"""


@contextmanager
def python_sdk_one(folder: Path, *, alone: bool = False) -> Iterator[str]:
    """Run a server on the Python SDK before 2.0; yields its URL.

    `alone` says that each request stands alone there, without a session, and is answered in JSON.
    """
    require(peer("mcp-1").exists(), "the Python SDK before 2.0")
    script, port = folder / "sdk_one.py", free_port()
    script.write_text(_SERVER)
    command = [str(peer("mcp-1")), str(script), str(port), "alone" if alone else ""]
    with serving(command, port, log=folder / "sdk_one.log") as url:
        yield url


@contextmanager
def tasks_in_sessions(folder: Path) -> Iterator[str]:
    """Run a server on the Python SDK before 2.0 that makes tasks of calls; yields its URL."""
    require(peer("mcp-1").exists(), "the Python SDK before 2.0")
    script, port = Path(__file__).parent / "parts" / "legacy_tasks.py", free_port()
    command = [str(peer("mcp-1")), str(script), str(port)]
    with serving(command, port, log=folder / "legacy_tasks.log") as url:
        yield f"{url}/"


@contextmanager
def everything_in_typescript(folder: Path) -> Iterator[str]:
    """Run the reference server in TypeScript; yields its URL."""
    script = NODE / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
    require(script.exists(), "TypeScript's everything server")
    port = free_port()
    command, env = [str(BIN / "node"), str(script), "streamableHttp"], {"PORT": str(port)}
    with serving(
        command, port, log=folder / "everything-ts.log", env={**os.environ, **env}, cwd=NODE
    ) as url:
        yield url


@contextmanager
def everything_older(folder: Path) -> Iterator[str]:
    """Run the SDK's everything server as if it knew legacy revisions only; yields its URL."""
    source = SDK / "examples" / "servers" / "everything-server"
    require(source.is_dir(), "the MCP SDK's everything-server")
    script, port = folder / "older.py", free_port()
    script.write_text(_OLDER)
    command, env = [sys.executable, str(script), str(port)], {"PYTHONPATH": str(source)}
    with serving(command, port, log=folder / "older.log", env={**os.environ, **env}) as url:
        yield url
