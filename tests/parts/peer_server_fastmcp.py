"""An MCP server on FastMCP 4.

usage: python peer_server_fastmcp.py PORT
"""

import sys

from fastmcp import FastMCP

server = FastMCP("fastmcp")


@server.tool
def echo(text: str) -> str:
    return f"echo {text}"


@server.tool
def secret() -> str:
    return "never to be seen"


@server.resource("note://today")
def note() -> str:
    return "a note"


@server.prompt
def greet(name: str) -> str:
    return f"greet {name}"


server.run("http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
