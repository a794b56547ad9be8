"""Rules 4 and 5, pitfall 19: no message of an array is lost, reordered or slips through."""

import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_parts import ALLOW_ALL, ScriptedExchange, body, json_answer, request, result, world
from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.parts import parts_of
from ostiary_proxy.mcp.sse import Event

IDS = st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8"), max_size=9)
READ = {**ALLOW_ALL, "match": {"tools": ["read"]}}
CALLS = st.tuples(IDS, st.sampled_from(["read", "drop"]))
TOLD = st.just((None, "notifications/initialized"))


def message(one):
    request_id, name = one
    if request_id is None:
        return {"jsonrpc": "2.0", "method": name}
    return request("tools/call", {"name": name}, request_id=request_id)


def apart(batch):
    """Leave out requests whose id stands in the batch already: it would be refused whole."""
    seen = set()
    for one in batch:
        if one[0] is None or (type(one[0]), one[0]) not in seen:
            seen.add((type(one[0]), one[0]))
            yield one


@given(st.lists(CALLS | TOLD, min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_every_request_of_a_batch_is_answered_once_in_order_and_no_other_call_is_made(batch):
    batch = list(apart(batch))

    said, sent = asyncio.run(posted([message(one) for one in batch]))

    asked = [one for one in batch if one[0] is not None]
    assert [one["id"] for one in said] == [request_id for request_id, _ in asked]
    assert ["result" in one for one in said] == [name == "read" for _, name in asked]
    assert sent == [message(one) for one in batch if one[1] != "drop"]


async def posted(messages):
    """Return the answers to a batch, and what the server was told."""
    w = world(answered, READ)
    session = await w.session(version="2025-03-26")
    w.upstream.sent.clear()
    answer = await w.send(messages, headers=(("mcp-session-id", session),))
    said = body(answer) if answer.body else []
    return said, [json.loads(sent.body) for sent in w.upstream.sent]


def answered(sent):
    said = json.loads(sent.body)
    if "id" not in said:
        return ScriptedExchange(202, {}, [])
    return json_answer(result({"content": []}, request_id=said["id"]))


@given(st.lists(CALLS | TOLD, min_size=1, max_size=8), st.none() | st.text("e1", min_size=1))
def test_an_array_in_an_event_is_the_same_messages_in_events_of_their_own(batch, event_id):
    messages = [message(one) for one in batch]
    event = Event(data=write_json(messages).decode(), type="message", id=event_id, retry="5")

    parts = parts_of(event, "2025-03-26")

    assert [json.loads(part.data or "") for part, _ in parts] == messages
    assert [dict(read.whole) for _, read in parts] == messages
    assert [(part.id, part.retry) for part, _ in parts] == [
        *[(None, None)] * (len(parts) - 1), (event_id, "5"),
    ]  # fmt: skip
