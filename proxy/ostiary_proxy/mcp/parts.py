"""The messages in what a server sends: one, or in 2025-03-26 an array of them."""

from collections.abc import Sequence
from dataclasses import replace

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.envelope import Misread, Rung, is_array, read_array, read_message
from ostiary_proxy.mcp.message import Message
from ostiary_proxy.mcp.methods import BATCHED
from ostiary_proxy.mcp.sse import Event

__all__ = ["only_message", "parts_of"]


def parts_of(event: Event, version: str) -> Sequence[tuple[Event, Message]]:
    """Return each message of an event in an event of its own; raises Misread.

    The last one keeps the id: whoever resumes after it has seen them all.
    """
    data = (event.data or "").encode()
    if version != BATCHED or not is_array(data):
        return ((event, read_message(data)),)
    messages = read_array(data)
    events = [Event(data=write_json(one.whole).decode(), type=event.type) for one in messages]
    events[-1] = replace(event, data=events[-1].data)
    return list(zip(events, messages, strict=True))


def only_message(body: bytes, version: str) -> tuple[Message, bytes]:
    """Return the message that a body holds, and its bytes; raises Misread."""
    if version != BATCHED or not is_array(body):
        return read_message(body), body
    messages = read_array(body)
    if len(messages) > 1:
        raise Misread(Rung.ONE, "several messages answer one")
    return messages[0], write_json(messages[0].whole)
