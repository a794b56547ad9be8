"""An MCP server on the Python SDK before 2.0: initialize and sessions, nothing newer.

usage: python peer_server_mcp1.py PORT
"""

import sys

from mcp.server.fastmcp import Context, FastMCP
from pydantic import BaseModel

server = FastMCP("python-1", port=int(sys.argv[1]))


class Colour(BaseModel):
    colour: str


@server.tool()
def echo(text: str) -> str:
    return f"echo {text}"


@server.tool()
def secret() -> str:
    return "never to be seen"


@server.tool()
async def ask(context: Context) -> str:
    answer = await context.elicit("Which colour?", Colour)
    return f"the colour is {answer.data.colour}" if answer.action == "accept" else "no colour"


@server.resource("note://today")
def note() -> str:
    return "a note"


@server.prompt()
def greet(name: str) -> str:
    return f"greet {name}"


server.run("streamable-http")
