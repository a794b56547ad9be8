"""What a legacy client declared once at initialize and 2026-07-28 wants to hear with each request.

Only what is named there is kept, and little of it: it travels inside the session's id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.message import Object

__all__ = ["PARTS", "Declared", "declared_in"]

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "elicitation": ("form", "url"),
    "sampling": ("tools", "context"),
    "roots": (),
}
"""Client capabilities that are bridged, and what may stand inside; tasks and extensions are not."""
_LONGEST: Final = 64
"""Bytes of a client's name, and of its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """`capabilities` in the form of 2026-07-28; `info` is the client's name and version, if any."""

    capabilities: Object
    info: Object | None = None

    def says(self, capability: str, part: str = "") -> bool:
        """Say whether `capability` was declared, and `part` in it where that is given."""
        inside = self.capabilities.get(capability)
        return isinstance(inside, dict) and (not part or part in inside)


def declared_in(params: Object) -> Declared:
    """Return what the `params` of an initialize request declare."""
    said = params.get("capabilities")
    return Declared(
        capabilities=_capabilities(said) if isinstance(said, dict) else {},
        info=_info(params.get("clientInfo")),
    )


def _capabilities(said: Object) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for name, parts in PARTS.items():
        inside = said.get(name)
        if isinstance(inside, dict):
            kept[name] = {part: {} for part in parts if isinstance(inside.get(part), dict)}
    return kept


def _info(said: Json) -> Object | None:
    if not isinstance(said, dict):
        return None
    name, version = said.get("name"), said.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        return None
    short = _short(name)
    return {"name": short, "version": _short(version)} if short else None


def _short(text: str) -> str:
    printable = "".join(filter(str.isprintable, text))
    return printable.encode()[:_LONGEST].decode(errors="ignore")
