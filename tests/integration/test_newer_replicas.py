"""A bridged session is nobody's own: each of its requests may reach another replica."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from real_parts import free_port, modern_everything_server
from replica_parts import Fleet, fleet

RULES = """
  - {name: everything, effect: Allow, who: {everyone: true}}
  - {name: ask-back, effect: Allow, who: {everyone: true}, match: {server: [elicitation/form]}}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("bridged")
    server = modern_everything_server(folder, free_port())
    with fleet(folder, RULES, server=server) as started:
        yield started


def heard(stream: Any) -> Any:
    """Return the next message of a stream."""
    for line in stream:
        if line.startswith(b"data: {"):
            return json.loads(line.removeprefix(b"data: "))
    raise AssertionError("the stream ended")


def called(tool: str, **arguments: str) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


def test_a_session_opened_at_one_asks_at_another_and_is_answered_at_a_third(shared: Fleet) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=one, redeem=two)
    known = shared.session(one, tokens.access, {"elicitation": {}})

    with shared.stream(two, known, called("test_elicitation", message="who?")) as stream:
        asked = heard(stream)
        answer = {"action": "accept", "content": {"response": "Ada"}}
        reply = {"jsonrpc": "2.0", "id": asked["id"], "result": answer}
        posted = three.send(shared.path, reply, **known)
        began = time.monotonic()
        ended = heard(stream)

    assert (asked["method"], posted.status) == ("elicitation/create", 202)
    assert ended["result"]["content"][0]["text"].endswith('content={"response":"Ada"}')
    assert time.monotonic() - began < 5
    assert three.send(shared.path, reply, **known).status == 400


def test_what_one_replica_keeps_for_a_session_the_others_know(shared: Fleet) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=three, redeem=one)
    known = shared.session(two, tokens.access)
    level = {
        "jsonrpc": "2.0", "id": 2, "method": "logging/setLevel", "params": {"level": "debug"}
    }  # fmt: skip

    kept = three.send(shared.path, level, **known)

    assert kept.json() == {"jsonrpc": "2.0", "id": 2, "result": {}}
    with shared.stream(one, known, called("test_tool_with_logging")) as stream:
        assert heard(stream)["method"] == "notifications/message"


def test_a_get_stream_gives_way_to_a_newer_one_at_another_replica_and_ends_with_the_session(
    shared: Fleet,
) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=three, redeem=one)
    known = shared.session(one, tokens.access)

    with shared.stream(one, known) as first, shared.stream(two, known) as second:
        three.send(shared.path, called("test_trigger_tool_change"), **known)

        assert heard(second)["method"] == "notifications/tools/list_changed"
        first.read()  # it ends
        assert three.send(shared.path, method="DELETE", **known).status == 204
        second.read()
    assert one.send(shared.path, called("test_simple_text"), **known).status == 404


def test_a_call_is_cancelled_wherever_it_runs(shared: Fleet) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=two, redeem=one)
    known = shared.session(one, tokens.access, {"elicitation": {}})
    cancelled = {
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7},
    }  # fmt: skip

    with shared.stream(two, known, called("test_elicitation", message="who?")) as stream:
        assert heard(stream)["method"] == "elicitation/create"
        assert three.send(shared.path, cancelled, **known).status == 202
        began = time.monotonic()
        ended = heard(stream)

    assert ended["error"]["code"] == -31008
    assert time.monotonic() - began < 5
