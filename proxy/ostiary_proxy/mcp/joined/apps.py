"""Links of tools and results to the pages of MCP Apps that show them, as clients know the pages."""

from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.joined.names import joined_uri

__all__ = ["linked"]

_OTHERS: Final = ("ui/resourceUri", "openai/outputTemplate")
"""Members of `_meta` beside `ui.resourceUri`: what it was before, and what it is to ChatGPT."""


def linked(part: dict[str, Json], server: str) -> dict[str, Json]:
    """Return a tool or a result with its links renamed, the very same object if it has none."""
    meta = part.get("_meta")
    if not isinstance(meta, dict):
        return part
    links: dict[str, Json] = {
        name: joined_uri(server, page)
        for name in _OTHERS
        if isinstance(page := meta.get(name), str)
    }
    ui = meta.get("ui")
    if isinstance(ui, dict) and isinstance(page := ui.get("resourceUri"), str):
        links["ui"] = {**ui, "resourceUri": joined_uri(server, page)}
    return {**part, "_meta": {**meta, **links}} if links else part
