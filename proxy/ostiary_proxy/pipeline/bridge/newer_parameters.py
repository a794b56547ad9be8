"""Calls whose arguments the tool's schema wants to see in Mcp-Param-* headers (rule 15).

What schemas want is learned from the lists that pass. A call that a server refused for want of it
did not run: the tools are listed once, and it is made again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.parameters import Paths, mirrored_in, paths_in
from ostiary_proxy.mcp.bridge.to_modern import standing_alone
from ostiary_proxy.mcp.message import Object, Response
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.newer_call import Calling
from ostiary_proxy.pipeline.bridge.speaking import ask, message_in, say_modern
from ostiary_proxy.pipeline.forward import read_body

__all__ = ["learn_from", "say_with_parameters"]

_MISMATCH: Final = -32020
_PAGES: Final = 20
_MAX_BODY: Final = 1024 * 1024


async def say_with_parameters(calling: Calling) -> tuple[Calling, Exchange]:
    """Make the call, with the headers that its tool wants; return it as it was made."""
    name = str(calling.request.params.get("name"))
    if calling.request.method != "tools/call":
        return calling, await say_modern(calling.said, calling.request)
    calling = _with(calling, calling.live.underway.tool(calling.session, name))
    exchange = await say_modern(calling.said, calling.request, parameters=calling.parameters)
    if exchange.status != 400:
        return calling, exchange
    body = await read_body(exchange, _MAX_BODY)
    refusal = message_in(body)
    if not isinstance(refusal, Response) or (refusal.error or {}).get("code") != _MISMATCH:
        return calling, Whole(exchange.status, exchange.headers, body)
    await _list_until(calling, name)
    better = _with(calling, calling.live.underway.tool(calling.session, name))
    if better.parameters == calling.parameters:
        return calling, Whole(exchange.status, exchange.headers, body)
    return better, await say_modern(better.said, better.request, parameters=better.parameters)


def learn_from(calling: Calling, response: Response) -> None:
    """Take note of what the tools in an answer to tools/list want."""
    if calling.request.method == "tools/list" and response.result is not None:
        calling.live.underway.learn(calling.session, dict(_wants(response.result)))


def _wants(result: Object) -> Iterator[tuple[str, Paths]]:
    tools = result.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and (paths := paths_in(tool.get("inputSchema"))):
            yield str(tool.get("name")), paths


def _with(calling: Calling, paths: Paths) -> Calling:
    return replace(calling, parameters=mirrored_in(paths, calling.request.params.get("arguments")))


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
        wants = dict(_wants(response.result))
        calling.live.underway.learn(calling.session, wants)
        cursor = response.result.get("nextCursor")
        if name in wants or not isinstance(cursor, str):
            return
        params = {"cursor": cursor}
