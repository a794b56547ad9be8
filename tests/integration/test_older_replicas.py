"""A call that waits at one replica goes on whichever replica its answer reaches."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway_parts import Answer, policy_yaml, until
from older_peers import python_sdk_one
from replica_parts import Fleet, Replica, fleet, one_more

RULES = """
  - {name: everything, effect: Allow, who: {everyone: true}}
  - {name: ask-back, effect: Allow, who: {everyone: true}, match: {server: [elicitation/form]}}
"""
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("older")
    with fleet(folder, RULES, server=python_sdk_one(folder)) as started:
        yield started


def said(method: str, issued: str, **headers: str) -> dict[str, str]:
    """Return the headers of a request."""
    return {
        "MCP_Protocol_Version": "2026-07-28", "Mcp_Method": method,
        "Authorization": f"Bearer {issued}", "Accept": "application/json, text/event-stream",
        **headers,
    }  # fmt: skip


def called(
    shared: Fleet, at: Replica, issued: str, *, tool: str = "greet", **params: Any
) -> Answer:
    """Call a tool; `greet` asks who is there."""
    whole = {"name": tool, "arguments": {}, "_meta": META, **params}
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": whole}
    return at.send(shared.path, message, **said("tools/call", issued, Mcp_Name=tool))


def last(answer: Answer) -> Any:
    """Return the last message of an answer."""
    lines = answer.body.decode().splitlines()
    return json.loads(next(line for line in reversed(lines) if "{" in line).removeprefix("data: "))


def accepted(asked: Any) -> dict[str, Any]:
    answer = {"action": "accept", "content": {"name": "Ada"}}
    state = asked["result"]["requestState"]
    return {"requestState": state, "inputResponses": {"question-1": answer}}


def test_a_question_asked_at_one_replica_is_answered_at_another(shared: Fleet) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=one, redeem=two)

    asked = last(called(shared, two, tokens.access))
    began = time.monotonic()
    ended = last(called(shared, three, tokens.access, **accepted(asked)))

    assert asked["result"]["resultType"] == "input_required"
    assert ended["result"]["content"][0]["text"] == "accept: Ada"
    assert time.monotonic() - began < 5
    again = called(shared, one, tokens.access, **accepted(asked))
    assert (again.status, again.json()["error"]["code"]) == (400, -32602)


def test_a_revocation_at_one_replica_ends_the_call_that_waits_at_another(shared: Fleet) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=one, redeem=two)
    log = shared.folder / "sdk_one.log"

    asked = last(called(shared, two, tokens.access))
    before = log.read_text().count("DELETE")
    assert one.revoke(client=tokens.client_id).json() == {"revoked": 1}

    until(lambda: log.read_text().count("DELETE") > before, seconds=2)
    assert called(shared, three, tokens.access, **accepted(asked)).status == 401


def test_a_call_that_waits_outlives_a_change_of_configuration(shared: Fleet) -> None:
    one, two, _ = shared.replicas
    tokens = shared.log_in(authorize=one, redeem=two)

    asked = last(called(shared, one, tokens.access))
    more = "  - {name: nobody, effect: Deny, who: {groups: [nobody]}}\n"
    shared.gateway.change("policy.yaml", policy_yaml(RULES + more))
    ended = last(called(shared, one, tokens.access, **accepted(asked)))

    assert ended["result"]["content"][0]["text"] == "accept: Ada"


def test_a_replica_that_ends_cancels_what_waits_there_and_the_answer_is_refused_elsewhere(
    shared: Fleet, tmp_path: Path
) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=one, redeem=two)
    log = shared.folder / "sdk_one.log"

    with one_more(tmp_path / "ending", shared.gateway) as ending:
        asked = last(called(shared, ending, tokens.access))
        before = log.read_text().count("nobody waits")
        ending.process.terminate()
        until(lambda: log.read_text().count("nobody waits") > before, seconds=20)
        ending.process.wait(20)
    began = time.monotonic()
    refused = called(shared, three, tokens.access, **accepted(asked))

    assert (refused.status, refused.json()["error"]["code"]) == (400, -32602)
    assert "make the call anew" in refused.json()["error"]["message"]
    assert time.monotonic() - began < 15


def test_a_change_that_the_server_tells_one_replicas_session_is_heard_at_another(
    shared: Fleet,
) -> None:
    one, two, three = shared.replicas
    tokens = shared.log_in(authorize=one, redeem=two)
    params = {"notifications": {"toolsListChanged": True}, "_meta": META}
    listen = {"jsonrpc": "2.0", "id": 8, "method": "subscriptions/listen", "params": params}

    with shared.stream(two, said("subscriptions/listen", tokens.access), listen) as stream:
        told = (json.loads(line[6:]) for line in stream if line.startswith(b"data: {"))
        first = next(told)["method"]
        called(shared, three, tokens.access, tool="grow")
        second = next(told)["method"]

    assert first == "notifications/subscriptions/acknowledged"
    assert second == "notifications/tools/list_changed"
