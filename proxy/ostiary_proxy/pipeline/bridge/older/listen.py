"""subscriptions/listen in front of a legacy server: its session's own stream, and subscriptions."""

from collections.abc import AsyncIterator
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.bridge.from_legacy import TASK_TOLD, acknowledged, audible, heard, over
from ostiary_proxy.mcp.message import Notification, Object, Request
from ostiary_proxy.mcp.methods import TASK_ID
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.bridge.older.ear import Ear, Heard, open_ear
from ostiary_proxy.pipeline.bridge.older.events import OurEvents, event_of
from ostiary_proxy.pipeline.bridge.older.opening import session_for
from ostiary_proxy.pipeline.bridge.older.session import Opened, today
from ostiary_proxy.pipeline.bridge.older.subscriptions import subscribe, unsubscribe
from ostiary_proxy.pipeline.bridge.older.tasks import told_of_task
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
        opened = await session_for(said, request)
        try:
            known = await open_ear(said, opened)
        except BaseException:
            opened.left()
            raise
        if known and opened.ear is not None:
            return await Listening.of(said, request, opened, opened.ear, wanted)
        opened.lose()
        opened.left()
    raise Refused("UpstreamUnavailable", detail="every new session is lost at once")


def _uris(wanted: Object) -> list[str]:
    uris = wanted.get("resourceSubscriptions")
    return list(dict.fromkeys(map(str, uris))) if isinstance(uris, list) else []


class Listening(OurEvents):
    """Acknowledged first, then what was heard, then that it is over."""

    @classmethod
    async def of(
        cls, said: Said, request: Request, opened: Opened, ear: Ear, wanted: Object
    ) -> "Listening":
        """Return the stream once the resources are subscribed to."""
        listening = cls(said, request, opened, ear)
        try:
            await listening._subscribe(wanted)
        except BaseException:
            await listening.close()
            raise
        return listening

    def __init__(self, said: Said, request: Request, opened: Opened, ear: Ear) -> None:
        super().__init__(said)
        self._request = request
        self._id = request.id
        self._opened = opened
        self._ear = ear
        self._heard: Heard = ear.listen()
        self._uris: list[str] = []
        self._told: Object = {}

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the events."""
        yield event_of(acknowledged(self._told, self._id))
        while (note := await self._heard.get()) is not None:
            message = await self._message(note)
            if message is not None:
                yield event_of(message)
        yield event_of(over(self._id))

    async def _message(self, note: Notification) -> Object | None:
        """Return what is told of a notification, None where that is nothing."""
        if note.method != TASK_TOLD:
            return heard(note, self._told, self._id)
        tasks, task_id = self._told.get("taskIds"), note.params.get(TASK_ID)
        if not isinstance(tasks, list) or task_id not in tasks:
            return None
        said = today(self.said)
        with said.known.routed.received.live.borrowed():
            return await told_of_task(said, self._request, task_id)

    async def leave(self) -> None:
        """Unsubscribe."""
        self._ear.leave(self._heard)
        try:
            for uri in self._uris:
                await unsubscribe(self._opened, uri)
        finally:
            self._opened.left()

    async def _subscribe(self, wanted: Object) -> None:
        offer = audible(wanted, self._opened.initialized) if self._ear.hears else {}
        for uri in _uris(offer):
            if await subscribe(self.said, self._opened, uri):
                self._uris.append(uri)
        told: dict[str, Json] = {k: v for k, v in offer.items() if k != "resourceSubscriptions"}
        if self._uris:
            told["resourceSubscriptions"] = list(self._uris)
        self._told = told
