"""Requests of a legacy client that the gateway answers itself, for a server that has no such ones.

What they set is kept for the session: calls carry the log level, the GET stream the subscriptions.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from ostiary_proxy.mcp.bridge.to_legacy import LEVELS
from ostiary_proxy.mcp.errors import error_body, result_body
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.pipeline.bridge.newer.bridged import Bridged
from ostiary_proxy.pipeline.bridge.newer.remembered import Remembered, change
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session

__all__ = ["answer_here"]

_MOST_URIS: Final = 256
_LONGEST_URI: Final = 2048
_UNKNOWN: Final = -32601
_INVALID: Final = -32602


async def answer_here(said: Said, session: Session, bridged: Bridged, asked: Request) -> bytes:
    """Return the answer to `asked`; raises StoreUnavailable and Refused("TooMuchKept")."""
    if asked.method == "ping":
        return result_body(asked.id, {})
    answer = _ANSWERS.get(asked.method)
    if answer is None:
        text = f"{asked.method[:64]} can't be bridged to this server, which speaks 2026-07-28"
        return error_body(asked.id, _UNKNOWN, text)
    fault = await answer(said, session, bridged, asked)
    if fault is None:
        return result_body(asked.id, {})
    code, text = fault
    return error_body(asked.id, code, text)


_Fault = tuple[int, str] | None


async def _set_level(said: Said, session: Session, bridged: Bridged, asked: Request) -> _Fault:
    level = asked.params.get("level")
    if not bridged.logs:
        return _UNKNOWN, "this server does not send log messages"
    if not isinstance(level, str) or level not in LEVELS:
        return _INVALID, f"params.level must be one of {', '.join(LEVELS)}"
    await _keep(said, session, lambda now: replace(now, level=level))
    return None


async def _subscribe(said: Said, session: Session, bridged: Bridged, asked: Request) -> _Fault:
    uri = str(asked.params.get("uri"))
    if not bridged.subscribes:
        return _UNKNOWN, "this server does not tell of changed resources"
    if len(uri) > _LONGEST_URI:
        return _INVALID, f"params.uri is longer than {_LONGEST_URI} characters"
    kept = await _keep(said, session, lambda now: _with(now, uri))
    if uri not in kept.uris:
        return _INVALID, f"a session may subscribe to {_MOST_URIS} resources; unsubscribe some"
    return None


async def _unsubscribe(said: Said, session: Session, bridged: Bridged, asked: Request) -> _Fault:
    uri = asked.params.get("uri")
    if not bridged.subscribes:
        return _UNKNOWN, "this server does not tell of changed resources"
    await _keep(
        said, session, lambda now: replace(now, uris=tuple(u for u in now.uris if u != uri))
    )
    return None


def _with(now: Remembered, uri: str) -> Remembered:
    if uri in now.uris or len(now.uris) >= _MOST_URIS:
        return now
    return replace(now, uris=(*now.uris, uri))


async def _keep(
    said: Said, session: Session, how: Callable[[Remembered], Remembered]
) -> Remembered:
    live = said.known.routed.received.live
    room = live.allowance.of(said.known.presented.grant.person)
    kept = await change(live.store, session, how, room=room)
    live.underway.keep(session, kept)
    return kept


_Answer = Callable[[Said, Session, Bridged, Request], Awaitable[_Fault]]
_ANSWERS: Final[Mapping[str, _Answer]] = {
    "logging/setLevel": _set_level,
    "resources/subscribe": _subscribe,
    "resources/unsubscribe": _unsubscribe,
}
