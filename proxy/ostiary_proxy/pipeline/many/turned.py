"""One server's exchange as clients see it: names, URIs and ids of its messages are the joined ones.

What can't be read goes on as it is: the relay refuses it like any server's.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.envelope import Misread
from ostiary_proxy.mcp.joined.renamed import renamed
from ostiary_proxy.mcp.message import Message
from ostiary_proxy.mcp.parts import only_message, parts_of
from ostiary_proxy.mcp.sse import Event, EventTooLarge, Splitter, write_event
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.forward import media_type
from ostiary_proxy.pipeline.many.places import InAnswer, Place

__all__ = ["Turned"]


def _all(_: Message) -> bool:
    return True


class Turned:
    """An `Exchange`; of a stream only the messages that `passes` lets through are passed on.

    `place` names its events for clients.
    """

    def __init__(
        self,
        exchange: Exchange,
        server: str,
        passes: Callable[[Message], bool] = _all,
        *,
        version: str,
        place: Place | None = None,
    ) -> None:
        self.status = exchange.status
        self.headers = exchange.headers
        self._exchange = exchange
        self._server = server
        self._passes = passes
        self._version = version
        self._place = place or InAnswer(server)

    @property
    def arrived(self) -> bool:
        return self._exchange.arrived

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over whole events; raises OutboundFailed where the stream breaks off."""
        if media_type(self._exchange) != "text/event-stream":
            yield await self.body(1 << 24)
            return
        splitter = Splitter()
        async for chunk in self._exchange.chunks():
            try:
                events = splitter.feed(chunk)
            except EventTooLarge as error:
                raise OutboundFailed("too-large", str(error)) from None
            for event in events:
                if data := b"".join(map(write_event, self._events(event))):
                    yield data
                if event.id:
                    self._place.passed(event.id)

    async def body(self, limit: int) -> bytes:
        """Return the whole body; raises OutboundFailed."""
        body = await self._exchange.body(limit)
        try:
            message, body = only_message(body, self._version)
        except Misread:
            return body
        whole = renamed(message, self._server)
        return body if whole is message.whole else write_json(whole)

    async def close(self) -> None:
        """End the exchange."""
        await self._exchange.close()

    def _events(self, event: Event) -> Iterator[Event]:
        """Yield an event for each message in one."""
        if event.id:
            event = replace(event, id=self._place.named(event.id))
        try:
            parts = parts_of(event, self._version) if event.data else ()
        except Misread:
            parts = ()
        if not parts:
            yield event
        for part, message in parts:
            yield self._part(part, message)

    def _part(self, event: Event, message: Message) -> Event:
        if not self._passes(message):
            return event.silent()
        whole = renamed(message, self._server)
        return event if whole is message.whole else replace(event, data=write_json(whole).decode())
