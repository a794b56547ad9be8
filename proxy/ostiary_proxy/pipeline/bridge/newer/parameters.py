"""Calls whose arguments the tool's schema wants to see in Mcp-Param-* headers (rule 15).

What schemas want is learned from the lists that pass. A call that a server refused for want of it
did not run: the tools are listed once, and it is made again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Kind, Subject
from ostiary_proxy.mcp.bridge.from_modern import tools_in
from ostiary_proxy.mcp.bridge.to_modern import standing_alone
from ostiary_proxy.mcp.message import Response
from ostiary_proxy.mcp.parameters import legible, mirrored
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.newer.calling import Calling
from ostiary_proxy.pipeline.bridge.newer.speaking import ask, message_in, say_modern
from ostiary_proxy.pipeline.forward import read_body

__all__ = ["learn_from", "say_with_parameters"]

_MISMATCH: Final = -32020
_PAGES: Final = 20
_MAX_BODY: Final = 1024 * 1024


async def say_with_parameters(calling: Calling) -> tuple[Calling, Exchange]:
    """Make the call, with the headers that its tool wants; return it as it was made."""
    calling = _mirroring(calling)
    exchange = await say_modern(calling.said, calling.request, parameters=calling.parameters)
    if exchange.status != 400 or calling.request.method != "tools/call":
        return calling, exchange
    body = await read_body(exchange, _MAX_BODY)
    refusal = message_in(body)
    if isinstance(refusal, Response) and (refusal.error or {}).get("code") == _MISMATCH:
        await _list_until(calling, _tool(calling).name)
        better = _mirroring(calling)
        if better.parameters != calling.parameters:
            return better, await say_modern(
                better.said, better.request, parameters=better.parameters
            )
    return calling, Whole(exchange.status, exchange.headers, body)


def learn_from(calling: Calling, response: Response) -> None:
    """Take note of what the tools in an answer to tools/list want."""
    if calling.request.method == "tools/list" and response.result is not None:
        marks = legible(tools_in(response.result))[1]
        calling.live.learned.learn(_learner(calling), marks)


def _learner(calling: Calling) -> str:
    """Return by what marks are kept: another server may have a tool of the same name."""
    return f"{calling.said.known.presented.grant.gid} {calling.said.upstream.url}"


def _tool(calling: Calling) -> Subject:
    name = calling.request.params.get("name")
    return Subject(kind=Kind.TOOL, method=calling.request.method, name=str(name))


def _mirroring(calling: Calling) -> Calling:
    marks = calling.live.learned.of(_learner(calling), _tool(calling))
    arguments = calling.request.params.get("arguments")
    found = mirrored(marks, arguments if isinstance(arguments, dict) else {})
    return replace(calling, parameters=found)


async def _list_until(calling: Calling, name: str) -> None:
    """List tools, as the person, until the one that is called was seen."""
    params: Mapping[str, Json] = {}
    for number in range(_PAGES):
        request = standing_alone(
            "tools/list", params, calling.bridged.declared, request_id=f"tools-{number}"
        )
        response = await ask(calling.said, request)
        if response is None or response.result is None:
            return
        marks = legible(tools_in(response.result))[1]
        calling.live.learned.learn(_learner(calling), marks)
        cursor = response.result.get("nextCursor")
        if name in marks or not isinstance(cursor, str):
            return
        params = {"cursor": cursor}
