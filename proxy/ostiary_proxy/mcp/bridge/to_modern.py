"""From a 2025 revision to 2026-07-28: each request stands for itself and says who asks."""

from collections.abc import Mapping, Sequence
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.rule import ServerRequest
from ostiary_proxy.mcp.bridge.declared import Declared
from ostiary_proxy.mcp.eras import (
    META_CAPABILITIES,
    META_CLIENT_INFO,
    META_LOG_LEVEL,
    META_SUBSCRIPTION,
    META_VERSION,
)
from ostiary_proxy.mcp.inputs import fits
from ostiary_proxy.mcp.message import Id, Object, Request, Response
from ostiary_proxy.mcp.methods import LISTEN, MODERN

__all__ = ["CallEnds", "answer_to_input", "listening", "retried", "standing_alone"]

_OURS: Final = frozenset(
    (META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_SUBSCRIPTION, META_VERSION)
)
_INVALID_PARAMS: Final = -32602
_FOREIGN: Final = frozenset(("_meta", "inputResponses", "requestState", "task"))
"""Params that no legacy client may set: ours, and those that its revision or server ignores."""


class CallEnds(Exception):  # noqa: N818 - a statement
    """The call can't go on: the client did not give what the server asked for.

    `error` is the JSON-RPC error that the call is answered with.
    """

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        self.error: dict[str, Json] = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data
        super().__init__(message)

    def answer(self, request_id: Id) -> Object:
        """Return the answer to the call."""
        return {"jsonrpc": "2.0", "id": request_id, "error": self.error}


def standing_alone(
    method: str, params: Object, declared: Declared, *, request_id: Id, level: str | None = None
) -> Request:
    """Return a request of 2026-07-28: `params` with the `_meta` that each needs (rule 22).

    `level` is the one that the client asked log messages of.
    """
    said = params.get("_meta")
    meta: dict[str, Json] = {
        name: value
        for name, value in (said.items() if isinstance(said, dict) else ())
        if name not in _OURS
    }
    meta[META_VERSION] = MODERN
    meta[META_CAPABILITIES] = {**declared.capabilities}
    if declared.info is not None:
        meta[META_CLIENT_INFO] = {**declared.info}
    if level is not None:
        meta[META_LOG_LEVEL] = level
    kept = {name: value for name, value in params.items() if name not in _FOREIGN}
    return _request(method, {**kept, "_meta": meta}, request_id)


def listening(
    declared: Declared, uris: Sequence[str], tasks: Sequence[str] = (), *, request_id: Id
) -> Request:
    """Return the listen request that stands for a GET stream with subscriptions to `uris`.

    It tells of `tasks` too, for a client that declares the extension.
    """
    wanted: dict[str, Json] = {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourcesListChanged": True,
    }
    if uris:
        wanted["resourceSubscriptions"] = list(uris)
    if tasks:
        wanted["taskIds"] = list(tasks)
    return standing_alone(LISTEN, {"notifications": wanted}, declared, request_id=request_id)


def retried(
    request: Request, answers: Mapping[str, Json], state: Json, *, request_id: Id
) -> Request:
    """Return `request` once more, with what the server asked for (rule 44)."""
    params: dict[str, Json] = {
        name: value
        for name, value in request.params.items()
        if name not in ("inputResponses", "requestState")
    }
    if answers:
        params["inputResponses"] = {**answers}
    if state is not None:
        params["requestState"] = state
    return _request(request.method, params, request_id)


def answer_to_input(
    method: str, kind: ServerRequest | None, response: Response, *, refused: int
) -> Json:
    """Return the client's response to what the server asked for by `method`, for the retry.

    A form that the client failed to show counts as dismissed. Raises CallEnds where the client has
    no answer that fits, or policy refused the question, which has the code `refused`.
    """
    if response.result is not None:
        answer: Json = {n: value for n, value in response.result.items() if n != "_meta"}
        if kind is None or not fits(kind, answer):
            raise CallEnds(_INVALID_PARAMS, f"what the client answers to {method} is no answer")
        return answer
    error = response.error or {}
    code, message = error.get("code"), str(error.get("message"))
    assert isinstance(code, int)  # the envelope ladder saw to it
    if method == "elicitation/create" and code != refused:
        return {"action": "cancel"}
    raise CallEnds(code, f"the server asked for {method}: {message}", error.get("data"))


def _request(method: str, params: Object, request_id: Id) -> Request:
    whole: dict[str, Json] = {
        "jsonrpc": "2.0",
        "id": request_id,
        "method": method,
        "params": {**params},
    }
    return Request(id=request_id, method=method, params=params, whole=whole)
