"""Which tools of a legacy server are called as tasks: its tools are listed once in each session."""

from collections.abc import Mapping
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_modern import tools_in
from ostiary_proxy.mcp.bridge.tasks_from_legacy import meant, supports
from ostiary_proxy.mcp.bridge.to_legacy import declared, requested
from ostiary_proxy.mcp.message import Object, Request
from ostiary_proxy.mcp.tasks import CAPABILITY, declares, offers
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.bridge.older.opening import session_for
from ostiary_proxy.pipeline.bridge.older.reading import Reading
from ostiary_proxy.pipeline.bridge.older.session import Opened, tell
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = ["as_meant"]

_PAGES: Final = 20
_MOST: Final = 2048
_LONGEST: Final = 512
"""Tools that are remembered, and characters of a name."""


async def as_meant(said: Said, request: Request) -> Request:
    """Return a call as it is said in the session: as a task where tool and client know tasks.

    Raises Refused, and NotLegacy.
    """
    support = await _support(said, request)
    able = declares(declared(request))
    if support == "required" and not able:
        raise Refused(
            "MissingClientCapability",
            message="this tool only runs as a task: declare the tasks extension with the call",
            data={"requiredCapabilities": CAPABILITY},
        )
    return meant(request, as_task=able and support is not None)


async def _support(said: Said, request: Request) -> str | None:
    opened = await session_for(said, request)
    try:
        if not offers(opened.initialized):
            return None
        if opened.task_tools is None:
            opened.task_tools = await _listed(said, opened)
        return opened.task_tools.get(str(request.params.get("name")))
    finally:
        opened.left()


async def _listed(said: Said, opened: Opened) -> Mapping[str, str]:
    """Return the tools that may be called as tasks, and whether they must."""
    found: dict[str, str] = {}
    params: dict[str, Json] = {}
    for _ in range(_PAGES):
        result = await _page(said, opened, params)
        for tool in tools_in(result):
            assert isinstance(tool, dict)  # `tools_in` saw to it
            if (support := supports(tool)) is not None and len(found) < _MOST:
                found[str(tool["name"])[:_LONGEST]] = support
        cursor = result.get("nextCursor")
        if not isinstance(cursor, str) or not cursor:
            break
        params = {"cursor": cursor}
    return found


async def _page(said: Said, opened: Opened, params: Object) -> Object:
    """Return a page of tools; one that can't be had shows by the call that follows."""
    asked = requested("tools/list", params, opened.next_id())
    reading = Reading(opened.session.version, await tell(said, opened, asked))
    try:
        answer = await reading.answer(asked.id, seconds=said.timeout)
    except OutboundFailed:
        return {}
    finally:
        await reading.close()
    return (answer.result if answer is not None else None) or {}
