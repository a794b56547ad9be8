"""What a 2026-07-28 stream may tell: what its request asked for, and nothing else (rules 46 to 48).

Streams of older revisions are not held to it: there a session hears everything.
"""

from collections.abc import Mapping
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.eras import META_SUBSCRIPTION, Modern
from ostiary_proxy.mcp.message import Id, Notification, Object
from ostiary_proxy.mcp.methods import LISTEN
from ostiary_proxy.mcp.results import CHANGING
from ostiary_proxy.pipeline.asked import Asked

__all__ = ["Heard"]

_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
_WANTED: Final[Mapping[str, str]] = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
    "notifications/resources/updated": "resourceSubscriptions",
    "notifications/tasks": "taskIds",
}
"""What a listen stream may tell, and the member of its filter that asks for it."""
_FIELD: Final = {kind: f"{kind}ListChanged" for kind in CHANGING}
_NOTHING: Final[dict[str, Json]] = {}


class Heard:
    """Knows what one stream's request asked for; `listens` says whether it is a listen request."""

    __slots__ = ("_acknowledged", "_id", "_lists", "_modern", "_wanted", "listens")

    def __init__(self, asked: Asked) -> None:
        request = asked.request
        self.listens = request is not None and request.method == LISTEN
        self._id: Id | None = request.id if request is not None else None
        self._modern = asked.modern or Modern()
        wanted = request.params.get("notifications") if request is not None else None
        self._wanted = wanted if self.listens and isinstance(wanted, dict) else _NOTHING
        self._lists = tuple(kind for kind in CHANGING if self._wanted.get(_FIELD[kind]) is True)
        self._acknowledged = False

    def admits(self, message: Notification) -> bool:
        """Say whether the stream may tell this; an acknowledgement counts as told."""
        method, params = message.method, message.params
        if not self.listens:
            return self._belongs_to_call(method, params)
        if method == "notifications/cancelled":
            return self._names(params.get("requestId"))
        meta = params.get("_meta")
        if not isinstance(meta, dict) or not self._names(meta.get(META_SUBSCRIPTION)):
            return False
        if method == _ACKNOWLEDGED:
            first, self._acknowledged = not self._acknowledged, True
            return first
        wanted = self._wanted.get(_WANTED.get(method, ""))
        if method == "notifications/tasks":
            wanted = isinstance(wanted, list) and params.get("taskId") in wanted
        return self._acknowledged and bool(wanted)

    def _belongs_to_call(self, method: str, params: Object) -> bool:
        if method == "notifications/progress":
            told = params.get("progressToken")
            return told is not None and told == self._modern.progress
        return method == "notifications/message" and self._modern.log_level

    def _names(self, value: Json) -> bool:
        """Compare strictly: 1 and "1" are two ids."""
        return type(value) is type(self._id) and value == self._id

    @property
    def lists(self) -> tuple[str, ...]:
        """Return the lists of whose changes it wants to hear, once that was acknowledged."""
        return self._lists if self._acknowledged else ()

    def told(self, message: Notification) -> Object:
        """Return the params for the client; only what it asked for is acknowledged to it.

        Of changed lists we tell it ourselves, whether or not the server does.
        """
        kept = message.params.get("notifications")
        if message.method != _ACKNOWLEDGED or not isinstance(kept, dict):
            return message.params
        asked = {name: value for name, value in kept.items() if self._wanted.get(name)}
        asked |= {_FIELD[kind]: True for kind in self._lists}
        return message.params if asked == kept else {**message.params, "notifications": asked}

    def end(self) -> Json:
        """Return the result that ends a listen stream in good order (rule 46)."""
        return {"resultType": "complete", "_meta": {META_SUBSCRIPTION: self._id}}
