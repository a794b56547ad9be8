"""Arrays of a server of 2025-03-26 that is one of several: taken apart, each message renamed."""

import json
from typing import Any

import pytest

from joined_parts import Server, joined
from mcp_parts import (
    ScriptedExchange,
    body,
    drained,
    event,
    events,
    header,
    initialize,
    result,
    sse_answer,
)

CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


def link(uri: str) -> dict[str, Any]:
    return {"content": [{"type": "resource_link", "uri": uri, "name": "a"}]}


def in_body(*messages: Any) -> ScriptedExchange:
    data = json.dumps(messages[-1:]).encode()
    return ScriptedExchange(200, {"content-type": "application/json"}, [data])


def in_stream(*messages: Any) -> ScriptedExchange:
    return sse_answer(event(messages, event_id="e1"))


@pytest.mark.parametrize("array", [in_body, in_stream])
async def test_arrays_of_a_server_among_several_are_taken_apart_and_renamed(array: Any) -> None:
    def called(message: Any) -> Any:
        return array(CHANGED, result(link("file:///a"), request_id=message["id"]))

    w = joined({"desk": Server(version="2025-03-26", tools__call=called)})
    session = str(header(await w.send(initialize("2025-03-26")), "mcp-session-id"))

    answer = await w.legacy(session, "tools/call", {"name": "desk_a"})

    shown = [body(answer)] if isinstance(answer.body, bytes) else events(await drained(answer))
    assert shown[-1]["result"] == link("desk+file:///a")
