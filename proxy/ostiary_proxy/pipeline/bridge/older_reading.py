"""The messages in one answer of a legacy server, one after the other, in JSON or in events."""

import asyncio
from collections import deque
from typing import Final

from ostiary_proxy.mcp.envelope import Misread, read_message
from ostiary_proxy.mcp.message import Id, Message, Response
from ostiary_proxy.mcp.sse import EventTooLarge, Splitter
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.forward import media_type

__all__ = ["EVENTS", "Reading", "refusal_in"]

EVENTS: Final = "text/event-stream"
_MAX_RESULT: Final = 16 * 1024 * 1024


class Reading:
    """Reads an exchange of status 200; goes on where it stopped, whoever asks."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.streams = media_type(exchange) == EVENTS
        self._chunks = exchange.chunks()
        self._splitter = Splitter()
        self._found: deque[Message] = deque()
        self._whole = False
        self._ahead: asyncio.Task[Message | None] | None = None

    async def first(self, seconds: float) -> Message | None:
        """Return the next message, which `next` returns again; None where it is not there yet."""
        self._ahead = asyncio.ensure_future(self._next())
        done, _ = await asyncio.wait((self._ahead,), timeout=seconds)
        return self._ahead.result() if done else None

    async def next(self) -> Message | None:
        """Return the next message, None at the end; raises OutboundFailed where none can be read.

        A wait that is cancelled loses what was being read.
        """
        ahead, self._ahead = self._ahead, None
        return await (ahead or self._next())

    async def _next(self) -> Message | None:
        try:
            while not self._found:
                if not await self._more():
                    return None
        except (Misread, EventTooLarge) as error:
            raise OutboundFailed("protocol", str(error)) from None
        return self._found.popleft()

    async def answer(self, request_id: Id) -> Response | None:
        """Return the response to `request_id`, all else passed over."""
        while (message := await self.next()) is not None:
            if isinstance(message, Response) and message.id == request_id:
                return message
        return None

    async def close(self) -> None:
        """End the exchange."""
        if self._ahead is not None:
            self._ahead.cancel()
        await self._exchange.close()

    async def _more(self) -> bool:
        if not self.streams:
            return await self._body()
        chunk = await anext(self._chunks, None)
        if chunk is None:
            return False
        events = self._splitter.feed(chunk)
        self._found.extend(read_message(one.data.encode()) for one in events if one.data)
        return True

    async def _body(self) -> bool:
        if self._whole:
            return False
        self._whole = True
        self._found.append(read_message(await self._exchange.body(_MAX_RESULT)))
        return True


def refusal_in(body: bytes) -> int | None:
    """Return the code of the JSON-RPC error in `body`, None where there is none."""
    try:
        message = read_message(body)
    except Misread:
        return None
    error = message.error if isinstance(message, Response) else None
    code = error.get("code") if error is not None else None
    return code if isinstance(code, int) else None
