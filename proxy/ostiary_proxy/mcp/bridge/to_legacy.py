"""What a client of 2026-07-28 says, as it is said in a legacy session.

What a request says of its client there stood in `initialize` before; what it answers to a server
was a message of its own.
"""

from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.eras import META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL
from ostiary_proxy.mcp.message import Id, Notification, Object, Request, Response
from ostiary_proxy.mcp.methods import LEGACY
from ostiary_proxy.mcp.tasks import EXTENSION

__all__ = [
    "INITIALIZED", "LEVELS", "answer_of", "called", "cancelled", "declared", "initialize",
    "log_level", "noticed", "refused", "requested",
]  # fmt: skip

_JSONRPC: Final[dict[str, Json]] = {"jsonrpc": "2.0"}
_OF_THE_PROTOCOL: Final = "io.modelcontextprotocol/"
_RETRIED: Final = frozenset(("_meta", "inputResponses", "requestState"))
_DECLARED: Final = ("elicitation", "sampling", "roots", "experimental", "extensions")
_OURS: Final[dict[str, Json]] = {"name": "ostiary", "version": "0"}
LEVELS: Final = (
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency",
)  # fmt: skip
"""Levels of log messages, from the one that says most."""


def requested(method: str, params: Object, request_id: Id) -> Request:
    """Return a request of ours."""
    whole: Object = {**_JSONRPC, "id": request_id, "method": method, "params": dict(params)}
    return Request(id=request_id, method=method, params=params, whole=whole)


def noticed(method: str, params: Object) -> Notification:
    """Return a notification of ours."""
    whole: Object = {**_JSONRPC, "method": method, "params": dict(params)}
    return Notification(method=method, params=params, whole=whole)


def initialize(request: Request, request_id: Id) -> Request:
    """Return the initialize of a session for clients that declare what `request` does."""
    meta = _meta(request)
    info = meta.get(META_CLIENT_INFO)
    params: Object = {
        "protocolVersion": LEGACY[-1],
        "capabilities": _capabilities(declared(request)),
        "clientInfo": info if isinstance(info, dict) else _OURS,
    }
    return requested("initialize", params, request_id)


INITIALIZED: Final = noticed("notifications/initialized", {})


def declared(request: Request) -> Object:
    """Return the capabilities that a request of 2026-07-28 declares."""
    found = _meta(request).get(META_CAPABILITIES)
    return found if isinstance(found, dict) else {}


def _capabilities(said: Object) -> dict[str, Json]:
    """Leave out what was never declared in a session, and the extension for tasks.

    A session has them without a word of its client.
    """
    kept = {name: said[name] for name in _DECLARED if name in said}
    extensions = kept.get("extensions")
    if isinstance(extensions, dict):
        kept["extensions"] = {
            name: value for name, value in extensions.items() if name != EXTENSION
        }
    return kept


def called(request: Request, request_id: Id) -> Request:
    """Return `request` for a session, under an id of ours that its progress token is too.

    Requests of several clients share the session, so ids of theirs could meet there.
    """
    meta = {
        name: value
        for name, value in _meta(request).items()
        if not name.startswith(_OF_THE_PROTOCOL)
    }
    if "progressToken" in meta:
        meta["progressToken"] = request_id
    params = {name: value for name, value in request.params.items() if name not in _RETRIED}
    return requested(request.method, {**params, "_meta": meta} if meta else params, request_id)


def cancelled(request_id: Id) -> Notification:
    """Return the notification that ends a request of ours."""
    params: Object = {"requestId": request_id, "reason": "the client went away"}
    return noticed("notifications/cancelled", params)


def log_level(request: Request) -> str | None:
    """Return the level from which log messages are asked for, None where none are."""
    level = _meta(request).get(META_LOG_LEVEL)
    return level if isinstance(level, str) and level in LEVELS else None


def answer_of(asked: Request, answer: Object) -> Response:
    """Return the answer to a server's request: what 2026-07-28 brings as an input response."""
    result = {name: value for name, value in answer.items() if name != "resultType"}
    whole: Object = {**_JSONRPC, "id": asked.id, "result": result}
    return Response(id=asked.id, result=result, whole=whole)


def refused(asked: Request, message: str) -> Response:
    """Return the answer to a server's request that can't be asked."""
    error: dict[str, Json] = {"code": -32601, "message": message}
    whole: Object = {**_JSONRPC, "id": asked.id, "error": error}
    return Response(id=asked.id, error=error, whole=whole)


def _meta(request: Request) -> Object:
    meta = request.params.get("_meta")
    return meta if isinstance(meta, dict) else {}
