"""What several servers say of themselves, as one server would say it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from ostiary import __version__
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.eras import META_SERVER_INFO
from ostiary_proxy.mcp.joined.fit import capabilities_of
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.methods import LEGACY, MODERN

__all__ = ["PARTIAL", "discovery", "freshness", "greeting", "marked", "oldest"]

PARTIAL: Final = "ostiary.dev/partial"
"""The member of `_meta` that names the servers whose part is missing."""


def oldest(versions: Iterable[str]) -> str:
    """Return the oldest of legacy revisions: what all that chose one can be told in."""
    return min(versions, key=LEGACY.index)


def greeting(results: Mapping[str, Object], missing: Mapping[str, str], name: str) -> Object:
    """Return the result of initialize; `missing` says of servers why they are not there."""
    versions = [str(result["protocolVersion"]) for result in results.values()]
    said, info = _said(results, missing), _info(name)
    return {"protocolVersion": oldest(versions), **said, "serverInfo": info}


def discovery(results: Mapping[str, Object], missing: Mapping[str, str], name: str) -> Object:
    """Return the result of server/discover; every server has at least this revision."""
    return {
        "supportedVersions": [MODERN],
        **_said(results, missing),
        "resultType": "complete",
        **freshness(results.values(), missing),
        "_meta": {META_SERVER_INFO: _info(name)},
    }


def freshness(results: Iterable[Object], missing: Collection[str]) -> Object:
    """Return how long a joined 2026-07-28 result may be kept.

    That is as long as its shortest part, and not at all where a part is missing.
    """
    lives = [life if isinstance(life := one.get("ttlMs"), int) else 0 for one in results]
    return {"ttlMs": 0 if missing else min(lives, default=0), "cacheScope": "private"}


def marked(result: Object, missing: Iterable[str]) -> Object:
    """Return the result with the servers whose part is missing in its `_meta`."""
    names: list[Json] = [*missing]
    meta = result.get("_meta")
    known = meta if isinstance(meta, dict) else {}
    return {**result, "_meta": {**known, PARTIAL: names}} if names else result


def _info(name: str) -> dict[str, Json]:
    return {"name": name, "version": __version__}


def _said(results: Mapping[str, Object], missing: Mapping[str, str]) -> Object:
    capabilities: Json = {}
    for result in results.values():
        capabilities = _united(capabilities, capabilities_of(result))
    said: dict[str, Json] = {"capabilities": capabilities}
    instructions = "\n\n".join(_chapters(results, missing))
    return {**said, "instructions": instructions} if instructions else said


def _united(one: Json, other: Json) -> Json:
    """Return what either of two has: members of objects one by one, else an object or a true."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = {name: _united(one[name], other[name]) for name in one.keys() & other.keys()}
        return {**one, **other, **both}
    return other if isinstance(other, dict) else one or other


def _chapters(results: Mapping[str, Object], missing: Mapping[str, str]) -> Iterable[str]:
    """Yield each server's instructions under its name: they speak of tools by their own names.

    They are quoted, or a server could write another's heading and go on in its name.
    """
    for server, result in results.items():
        text = result.get("instructions")
        if isinstance(text, str) and text.strip():
            quoted = "\n".join(f"> {line}" for line in text.strip().splitlines())
            yield f"# {server} (its tools begin with {server}_)\n\n{quoted}"
    for server, why in missing.items():
        yield f"# {server}\n\nNot there at present: {why}"
