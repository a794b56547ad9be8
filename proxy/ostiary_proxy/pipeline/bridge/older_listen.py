"""subscriptions/listen in front of a legacy server: its session's own stream, and subscriptions."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_legacy import acknowledged, audible, heard, over
from ostiary_proxy.mcp.message import Object, Request
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bridge.older_ear import Ear, Heard, open_ear
from ostiary_proxy.pipeline.bridge.older_opening import session_for
from ostiary_proxy.pipeline.bridge.older_reading import EVENTS
from ostiary_proxy.pipeline.bridge.older_session import Kept
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = ["listen"]

_MOST_URIS: Final = 256


async def listen(said: Said, request: Request) -> Exchange:
    """Return the stream that tells what `request` asks for and the server can tell.

    Raises Refused and NotLegacy.
    """
    wanted = request.params.get("notifications")
    if not isinstance(wanted, dict) or len(_uris(wanted)) > _MOST_URIS:
        raise Refused("InvalidParams", message=f"listen to {_MOST_URIS} resources at most")
    for _ in range(2):
        kept = await session_for(said, request)
        try:
            known = await open_ear(said, kept)
        except BaseException:
            kept.left()
            raise
        if known and kept.ear is not None:
            return await Listening.of(said, request, kept, kept.ear, wanted)
        kept.lose()
        kept.left()
    raise Refused("UpstreamUnavailable", detail="every new session is lost at once")


def _uris(wanted: Object) -> list[str]:
    uris = wanted.get("resourceSubscriptions")
    return list(dict.fromkeys(map(str, uris))) if isinstance(uris, list) else []


class Listening:
    """An `Exchange`: acknowledged first, then what was heard, then that it is over."""

    status = 200
    headers: Mapping[str, str] = {"content-type": EVENTS}
    arrived = False

    @classmethod
    async def of(
        cls, said: Said, request: Request, kept: Kept, ear: Ear, wanted: Object
    ) -> "Listening":
        """Return the stream once the resources are subscribed to."""
        listening = cls(said, request, kept, ear)
        try:
            await listening._subscribe(wanted)
        except BaseException:
            await listening.close()
            raise
        return listening

    def __init__(self, said: Said, request: Request, kept: Kept, ear: Ear) -> None:
        self._said = said
        self._request = request
        self._kept = kept
        self._ear = ear
        self._heard: Heard = ear.listen()
        self._uris: list[str] = []
        self._told: Object = {}
        self._over = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the events."""
        told = self._told
        yield _event(acknowledged(told, self._request.id))
        while (note := await self._heard.get()) is not None:
            message = heard(note, told, self._request.id)
            if message is not None:
                yield _event(message)
        yield _event(over(self._request.id))

    async def body(self, limit: int) -> bytes:
        """Refuse: it has no end."""
        raise OutboundFailed("too-large", f"more than {limit} bytes")

    async def close(self) -> None:
        """Unsubscribe and close."""
        if not self._over:
            self._over = True
            self._said.known.routed.received.live.streams.adopt(self._leave())

    async def _leave(self) -> None:
        try:
            await self._ear.leave(self._heard, self._uris)
        finally:
            self._kept.left()

    async def _subscribe(self, wanted: Object) -> None:
        offer = audible(wanted, self._kept.initialized) if self._ear.hears else {}
        uris = _uris(offer)
        self._uris = [uri for uri in uris if await self._ear.subscribe(self._said, uri)]
        kept: dict[str, Json] = {k: v for k, v in offer.items() if k != "resourceSubscriptions"}
        if self._uris:
            kept["resourceSubscriptions"] = list(self._uris)
        self._told = kept


def _event(message: Object) -> bytes:
    return write_event(Event(data=write_json(message).decode(), type="message"))
