"""Streams of events that we say ourselves to a client of 2026-07-28, from a session or about it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.bridge.older.reading import EVENTS
from ostiary_proxy.pipeline.said import Said

__all__ = ["OurEvents", "event_of"]


class OurEvents(ABC):
    """An `Exchange` for `said`; it is `over` once there is nothing left to let go of."""

    status = 200
    headers: Mapping[str, str] = {"content-type": EVENTS}
    arrived = False

    def __init__(self, said: Said) -> None:
        self.said = said
        self.live = said.known.routed.received.live
        self.over = False

    @abstractmethod
    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the events; raises OutboundFailed and Refused."""

    @abstractmethod
    async def leave(self) -> None:
        """Let go of what the stream holds: nobody waits for its end any more."""

    async def body(self, limit: int) -> bytes:
        """Return all events; raises OutboundFailed("too-large") beyond `limit` bytes."""
        parts, size = [], 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise OutboundFailed("too-large", f"more than {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)

    async def close(self) -> None:
        """Leave, unless it is over; who closes does not wait for that."""
        if not self.over:
            self.over = True
            self.live.streams.adopt(self.leave())


def event_of(message: Object) -> bytes:
    """Return the event that says `message`."""
    return write_event(Event(data=write_json(message).decode(), type="message"))
