"""The last outcome of each route is that of its last real request."""

from functools import partial
from typing import Any

from mcp_parts import json_answer, result, world
from ostiary_proxy.outbound.exchange import OutboundFailed


async def test_the_last_request_says_how_the_server_is() -> None:
    w = world()
    session = await w.session()
    seen = []
    for answer in (
        OutboundFailed("connect", "10.0.0.1 refused"),
        json_answer({}, status=503),
        json_answer({}, status=500),
        OutboundFailed("timeout"),
        json_answer(result({"tools": []})),
    ):
        w.upstream.script = partial(_always, answer)
        await w.legacy(session, "tools/list")
        seen.append(w.live.upstreams.last["team/files"])

    assert seen == [
        "nothing takes connections there",
        "HTTP 503 was answered for it",
        "",
        "it did not answer in time",
        "",
    ]
    assert w.live.upstreams.failures == {"connect": 1, "timeout": 1}


def _always(answer: Any, _: object) -> Any:
    return answer
