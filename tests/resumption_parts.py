"""Streams of 2025 that break off, and the way back to them with an event id."""

from mcp_parts import World, drained, events, result, sse_answer
from ostiary_proxy.pipeline.answer import Answer

__all__ = ["PRIMING", "TEXT", "broken", "ids", "resume"]

PRIMING = b"id: up-1\nretry: 100\ndata:\n\n"
TEXT = result({"content": [{"type": "text", "text": "write to bob@example.com"}]})


def ids(data: bytes) -> list[str]:
    """Return the event ids in the bytes of a stream."""
    lines = [line for line in data.decode().split("\n") if line.startswith("id: ")]
    return [line.removeprefix("id: ") for line in lines]


async def resume(w: World, session: str, event_id: str, *, token: str = "alice") -> Answer:
    """Come back with an event id."""
    headers = (("mcp-session-id", session), ("last-event-id", event_id))
    return await w.send(method="GET", token=token, headers=headers)


async def broken(w: World, session: str, method: str = "tools/call", **params: object) -> str:
    """Ask, be told an event id and nothing else, and return it."""
    w.upstream.script = lambda _: sse_answer(PRIMING)
    data = await drained(await w.legacy(session, method, params or {"name": "a"}))
    assert events(data) == []
    return ids(data)[0]
