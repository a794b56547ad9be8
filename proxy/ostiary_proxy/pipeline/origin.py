"""Web origins: who may call from a browser, and what its preflight is told (rules 2 and 73)."""

from typing import Final
from urllib.parse import urlsplit

from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Headers, Incoming

__all__ = ["check_origin", "cors", "preflight"]

_LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))
_ALLOWED: Final = (
    "Authorization, Content-Type, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, "
    "Last-Event-ID"
)
_EXPOSED: Final = "WWW-Authenticate, Mcp-Session-Id"


def check_origin(request: Incoming, live: Live) -> str | None:
    """Return the web origin that calls, None for callers that are no browser.

    Raises Refused: an origin that is neither ours nor, in development, on loopback is refused.
    """
    origin = request.header("origin")
    if origin is None or origin in live.origins:
        return origin
    if live.gateway.allow_loopback and _is_loopback(origin):
        return origin
    raise Refused("ForbiddenOrigin")


def _is_loopback(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK
    except ValueError:
        return False


def cors(origin: str | None) -> Headers:
    """Return the headers that let the script at `origin` read an answer; none for other callers."""
    if origin is None:
        return ()
    return (
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", _EXPOSED),
        ("vary", "Origin"),
    )


def preflight(request: Incoming, origin: str | None) -> Answer:
    """Return the answer to OPTIONS, which needs no token; asked tool parameters are echoed."""
    asked = request.header("access-control-request-headers") or ""
    names = [name.strip().lower() for name in asked.split(",")][:64]
    more = sorted({name for name in names if name.startswith("mcp-param-") and _is_token(name)})
    headers = (
        *cors(origin),
        ("access-control-allow-methods", "GET, POST, DELETE"),
        ("access-control-allow-headers", ", ".join((_ALLOWED, *more))),
        ("access-control-max-age", "600"),
    )
    return Answer(status=204, headers=headers if origin is not None else ())


def _is_token(name: str) -> bool:
    return name.isascii() and all(char.isalnum() or char in "-_." for char in name)
