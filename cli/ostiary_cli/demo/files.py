"""A real MCP server from the official SDK, for the demo: a small shared folder, kept in memory.

`python -m ostiary_cli.demo.files --listen 127.0.0.1:7102 --ready-file F`
"""

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

from ostiary_cli.demo.serving import serve
from ostiary_proxy.edge.endpoint import Endpoint, EndpointType

__all__ = ["File", "command", "file_server"]

_FILES: Final = {
    "handbook/welcome.md": "# Welcome\n\nThe door is kept by Ostiary.\n",
    "handbook/on-call.md": "# On call\n\nAsk bob first. Mail: bob@example.com\n",
    "finance/budget.csv": "team,euros\nengineering,120000\nfinance,80000\n",
    "secrets/deploy-key.txt": "not for anybody who only asks nicely\n",
}


class File(BaseModel):
    """A file's path and how many characters it holds."""

    path: str
    size: int


class Content(BaseModel):
    """A file's path and text."""

    path: str
    text: str


class Hit(BaseModel):
    """A line in which a search found something."""

    path: str
    line: str


def file_server() -> MCPServer:
    """Return the server with its tools, one resource and one prompt; each has its own files."""
    files = dict(_FILES)
    server = MCPServer("shared-files", instructions="A small shared folder.", log_level="WARNING")

    @server.tool()
    def list_files() -> list[File]:
        """List the files of the shared folder."""
        return [File(path=path, size=len(text)) for path, text in sorted(files.items())]

    @server.tool()
    def read_file(path: str) -> Content:
        """Read one file."""
        return Content(path=path, text=_text(files, path))

    @server.tool()
    def write_file(path: str, text: str) -> File:
        """Write one file."""
        files[path] = text
        return File(path=path, size=len(text))

    @server.tool()
    def search_files(query: str) -> list[Hit]:
        """Find lines that hold the query."""
        return [
            Hit(path=path, line=line)
            for path, text in sorted(files.items())
            for line in text.splitlines()
            if query.lower() in line.lower()
        ]

    @server.tool()
    def publish_file(path: str) -> str:
        """Publish one file on the public web site."""
        return f"{path} is public now: {len(_text(files, path))} characters"

    @server.resource("handbook://welcome", mime_type="text/markdown")
    def welcome() -> str:
        """Return the page that newcomers read first."""
        return files["handbook/welcome.md"]

    @server.prompt()
    def summarise(path: str) -> str:
        """Ask for a summary of one file."""
        return f"Summarise this in two sentences:\n\n{_text(files, path)}"

    return server


def _text(files: Mapping[str, str], path: str) -> str:
    if path not in files:
        raise ToolError(f"there is no file {path}")
    return files[path]


@click.command()
@click.option("--listen", type=EndpointType(), default="127.0.0.1:7102", show_default=True)
@click.option("--ready-file", type=click.Path(dir_okay=False, path_type=Path),
              help="Written with {url, pid} as JSON once it serves.")  # fmt: skip
def command(*, listen: Endpoint, ready_file: Path | None) -> None:
    """Serve the demo's shared folder as an MCP server."""
    bound = socket.create_server((listen.host, listen.port))
    url = f"http://{listen.host}:{bound.getsockname()[1]}/mcp"
    app = file_server().streamable_http_app(host=listen.host)
    asyncio.run(serve(app, bound, ready_file, url=url))


if __name__ == "__main__":
    command()
