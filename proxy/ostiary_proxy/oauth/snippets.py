"""What to paste into which MCP client: the connect page and `ostiary connect` say the same."""

import json
import shlex
from dataclasses import dataclass

__all__ = ["Snippet", "snippets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """`text` to paste at `place` for `client`."""

    client: str
    place: str
    text: str


def snippets(name: str, url: str) -> tuple[Snippet, ...]:
    """Return the snippets for the route at `url`; `name` labels the server in the client."""
    return (
        Snippet(
            client="Claude Code",
            place="in a terminal",
            text=shlex.join(["claude", "mcp", "add", "--transport", "http", name, url]),
        ),
        Snippet(
            client="VS Code",
            place="in .vscode/mcp.json",
            text=_pretty({"servers": {name: {"type": "http", "url": url}}}),
        ),
        Snippet(
            client="Cursor",
            place="in .cursor/mcp.json",
            text=_pretty({"mcpServers": {name: {"url": url}}}),
        ),
        Snippet(
            client="Any other MCP client",
            place="as the server's URL, transport Streamable HTTP",
            text=url,
        ),
    )


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
