"""The messages in one answer of a legacy server, one after the other, in JSON or in events."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.envelope import Misread
from ostiary_proxy.mcp.message import Id, Message, Response
from ostiary_proxy.mcp.parts import only_message, parts_of
from ostiary_proxy.mcp.sse import Event, EventTooLarge, Splitter
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.forward import media_type

__all__ = ["EVENTS", "Reading", "Resume"]

EVENTS: Final = "text/event-stream"
Resume = Callable[[str], Awaitable[Exchange]]
"""Opens what comes after the event of this id."""
_MAX_RESULT: Final = 16 * 1024 * 1024
_BACKLOG: Final = 32
_ROOM: Final = 1024 * 1024
"""Bytes that are put in and wait."""
_LONGEST_PAUSE: Final = 5.0


class Reading:
    """Reads an exchange of status 200 in a session of `version`; goes on where it stopped.

    It may be told things before its head is there; `askable` says whether its request may be asked
    something. A stream that the server lets end in the middle goes on by `resume`, once after each
    event id. It takes `most` bytes; without that it has no end.
    """

    def __init__(
        self,
        version: str,
        exchange: Exchange | None = None,
        *,
        resume: Resume | None = None,
        askable: bool = False,
        most: int | None = None,
    ) -> None:
        self.askable = askable
        self._version = version
        self._resume = resume
        self._found: deque[Message] = deque()
        self._told = asyncio.Event()
        self._reading: asyncio.Task[bool] | None = None
        self._coming: asyncio.Task[Exchange] | None = None
        self._exchange: Exchange | None = None
        self._whole = False
        self._last_id = ""
        self._pause = 0.0
        self._most = most
        self._taken = 0
        self._put_in = 0
        if exchange is not None:
            self.open(exchange)

    @property
    def streams(self) -> bool:
        """Say whether the answer is one of events, as far as is known."""
        return self._exchange is None or media_type(self._exchange) == EVENTS

    def open(self, exchange: Exchange) -> None:
        """Read `exchange` from now on."""
        self._exchange = exchange
        self._chunks = exchange.chunks()
        self._splitter = Splitter()

    async def begun(self, coming: Awaitable[Exchange], seconds: float) -> Exchange | None:
        """Return the exchange once its head is there, None where something is told before that.

        Raises what `coming` does, and TimeoutError; it is waited for all the same until `close`.
        """
        head = self._coming = asyncio.ensure_future(coming)
        told = asyncio.ensure_future(self._told.wait())
        try:
            async with asyncio.timeout(seconds):
                await asyncio.wait((head, told), return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        return head.result() if head.done() else None

    async def first(self, seconds: float) -> Message | None:
        """Return the next message, which `next` returns again; None where it is not there yet."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._filled()
        return self._found[0] if self._found else None

    async def next(self) -> Message | None:
        """Return the next message, None at the end; raises OutboundFailed where none can be read.

        A wait that is cancelled loses nothing.
        """
        message = self._found.popleft() if await self._filled() else None
        if not self._found:
            self._put_in = 0
        return message

    async def answer(self, request_id: Id, *, seconds: float) -> Response | None:
        """Return the response to `request_id`, all else passed over; None where there is none.

        Raises OutboundFailed.
        """
        try:
            async with asyncio.timeout(seconds):
                while (message := await self.next()) is not None:
                    if isinstance(message, Response) and message.id == request_id:
                        return message
        except TimeoutError:
            raise OutboundFailed("timeout", "the answer does not end") from None
        return None

    def tell(self, message: Message) -> bool:
        """Put in what came for this call by another way; False where too much waits there."""
        size = self._put_in + len(write_json(message.whole))
        if len(self._found) >= _BACKLOG or size > _ROOM:
            return False
        self._put_in = size
        self._found.append(message)
        self._told.set()
        return True

    async def close(self) -> None:
        """End the exchange."""
        if self._reading is not None:
            self._reading.cancel()
        if self._exchange is None and self._coming is not None:
            self._coming.cancel()
            await asyncio.wait((self._coming,))
            if not self._coming.cancelled() and self._coming.exception() is None:
                self._exchange = self._coming.result()
        if self._exchange is not None:
            await self._exchange.close()

    async def _filled(self) -> bool:
        """Wait until a message is there; False at the end."""
        while not self._found:
            reading = self._reading = self._reading or asyncio.ensure_future(self._more())
            self._told.clear()
            told = asyncio.ensure_future(self._told.wait())
            try:
                await asyncio.wait((reading, told), return_when=asyncio.FIRST_COMPLETED)
            finally:
                told.cancel()
            if reading.done():
                more = reading.result()  # what failed stays, for whoever asks again
                self._reading = None
                if not more:
                    return bool(self._found)
        return True

    async def _more(self) -> bool:
        if self._exchange is None:
            return await self._head()
        try:
            return await (self._chunk() if self.streams else self._body(self._exchange))
        except (Misread, EventTooLarge) as error:
            raise OutboundFailed("protocol", str(error)) from None

    async def _head(self) -> bool:
        assert self._coming is not None  # else it was opened
        exchange = await asyncio.shield(self._coming)
        if exchange.status != 200:
            await exchange.close()
            raise OutboundFailed("protocol", f"status {exchange.status}")
        self.open(exchange)
        return True

    async def _body(self, exchange: Exchange) -> bool:
        if self._whole:
            return False
        self._whole = True
        limit = min(self._most or _MAX_RESULT, _MAX_RESULT)
        self._found.append(only_message(await exchange.body(limit), self._version)[0])
        return True

    async def _chunk(self) -> bool:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            return await self._resumed()
        self._taken += len(chunk)
        if self._most is not None and self._taken > self._most:
            raise OutboundFailed("too-large", f"more than {self._most} bytes")
        for event in self._splitter.feed(chunk):
            self._note(event)
            if event.data:
                parts = parts_of(event, self._version)
                self._found.extend(message for _, message in parts)
        return True

    def _note(self, event: Event) -> None:
        self._last_id = event.id or self._last_id
        if event.retry is not None and event.retry.isascii() and event.retry.isdigit():
            self._pause = min(int(event.retry[:8]) / 1000, _LONGEST_PAUSE)

    async def _resumed(self) -> bool:
        """Go on after the last event, if it had an id."""
        last, self._last_id = self._last_id, ""
        if self._resume is None or not last:
            return False
        await asyncio.sleep(self._pause)
        exchange = await self._resume(last)
        if exchange.status != 200 or media_type(exchange) != EVENTS:
            await exchange.close()
            return False
        self.open(exchange)
        return True
