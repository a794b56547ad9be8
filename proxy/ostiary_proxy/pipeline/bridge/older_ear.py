"""The stream of its own on which a legacy server tells a session what changed, for who listens.

It is open while anybody does. A resource is subscribed to once, however many want to hear of it.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Final

from ostiary_proxy.mcp.bridge.to_legacy import requested
from ostiary_proxy.mcp.envelope import read_message
from ostiary_proxy.mcp.errors import error_body, result_body
from ostiary_proxy.mcp.message import Message, Notification, Request
from ostiary_proxy.outbound.exchange import OutboundFailed
from ostiary_proxy.pipeline.bridge.older_reading import Reading
from ostiary_proxy.pipeline.bridge.older_session import Kept, tell, today
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = ["Ear", "Heard"]

Heard = asyncio.Queue[Notification | None]
"""What one listener has not read yet; None at the end."""
_BACKLOG: Final = 256


class Ear:
    """Hands what `reading` says to each listener; without one the server has no such stream.

    `said` is whose session it is.
    """

    def __init__(self, said: Said, kept: Kept, reading: Reading | None) -> None:
        self.over = False
        self.hears = reading is not None
        self._said = said
        self._kept = kept
        self._listeners: set[Heard] = set()
        self._uris: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        if reading is not None:
            self._task = asyncio.ensure_future(self._hear(reading))

    def listen(self) -> Heard:
        """Return the queue of a new listener."""
        heard: Heard = asyncio.Queue(_BACKLOG + 1)
        self._listeners.add(heard)
        return heard

    async def subscribe(self, said: Said, uri: str) -> bool:
        """Say whether changes of the resource will be told."""
        if not self._uris[uri] and not await self._ask(said, "resources/subscribe", uri):
            return False
        self._uris[uri] += 1
        return True

    async def leave(self, heard: Heard, uris: Sequence[str]) -> None:
        """Take note that a listener went away, who heard of `uris`; the last closes the stream."""
        self._listeners.discard(heard)
        self._uris.subtract(uris)
        if not self._listeners:
            await self._close()
        for uri in uris:
            if not self._uris[uri]:
                with suppress(Refused):
                    await self._ask(today(self._said), "resources/unsubscribe", uri)

    async def _close(self) -> None:
        """Close the stream; who wants to open one waits, for a session has one at a time."""
        async with self._kept.lock:
            if self._listeners or self.over:
                return
            self.over = True
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait((self._task,), timeout=1)

    async def _ask(self, said: Said, method: str, uri: str) -> bool:
        asked = requested(method, {"uri": uri}, self._kept.next_id())
        reading = Reading(await tell(said, self._kept, asked))
        try:
            answer = await reading.answer(asked.id)
        except OutboundFailed:
            return False
        finally:
            await reading.close()
        return answer is not None and answer.error is None

    async def _hear(self, reading: Reading) -> None:
        with ExitStack() as held:
            held.enter_context(self._said.known.routed.received.live.borrowed())
            try:
                while (message := await reading.next()) is not None:
                    await self._take(message)
            except (OutboundFailed, Refused):
                return
            finally:
                self._end()
                await reading.close()

    def _end(self) -> None:
        self.over = True
        for heard in self._listeners:
            heard.put_nowait(None)
        self._listeners.clear()

    async def _take(self, message: Message) -> None:
        if isinstance(message, Notification):
            for heard in tuple(self._listeners):
                self._hand(heard, message)
        elif isinstance(message, Request):
            pong, unknown = result_body(message.id, {}), error_body(message.id, -32601, "Unknown")
            body = pong if message.method == "ping" else unknown
            exchange = await tell(today(self._said), self._kept, read_message(body))
            await exchange.close()

    def _hand(self, heard: Heard, note: Notification) -> None:
        """Hand it over; a listener that does not read is let go, and may listen anew."""
        if heard.qsize() < _BACKLOG:
            heard.put_nowait(note)
        else:
            self._listeners.discard(heard)
            heard.put_nowait(None)
