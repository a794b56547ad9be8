"""MCP servers on the official SDK, for tests that need a real one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway_parts import free_port
from real_parts import serving

__all__ = ["files_server"]

_FILES = '''
import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("files")


@server.tool()
def read_file(path: str) -> str:
    """Read a file."""
    return f"contents of {path}"


@server.tool()
def find_person(name: str) -> dict[str, str]:
    """Find somebody."""
    return {"name": name, "email": f"{name}@example.com", "phone": "+49 30 1234567"}


@server.tool()
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


@server.resource("notes://today")
def today() -> str:
    """Return today's note."""
    return "write to bob@example.com"


@server.prompt()
def summary(topic: str) -> str:
    """Ask for a summary."""
    return f"Summarise {topic}"


server.run("streamable-http", port=int(sys.argv[1]), json_response=sys.argv[2] == "json")
'''


@contextmanager
def files_server(
    folder: Path, *, json_answers: bool = False, port: int | None = None
) -> Iterator[str]:
    """Run a server with tools, a resource and a prompt; yields its URL. Answers SSE by default."""
    script, port = folder / "files_server.py", port or free_port()
    script.write_text(_FILES)
    command = [sys.executable, str(script), str(port), "json" if json_answers else "sse"]
    with serving(command, port, log=folder / "files_server.log") as url:
        yield url
