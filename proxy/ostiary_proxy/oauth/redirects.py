"""Redirect URIs: which may be registered, and which equals a registered one (rules 79-82)."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

__all__ = ["CURSOR", "HOSTED", "Kind", "host_of", "kind_of", "matches", "portless"]

CURSOR: Final = "cursor://anysphere.cursor-mcp/oauth/callback"
"""The one custom scheme that is allowed without the gateway naming it (security decision 11)."""

HOSTED: Final = (
    "https://claude.ai/api/mcp/auth_callback",
    "https://claude.com/api/mcp/auth_callback",
    "https://chatgpt.com/connector/oauth/",
    "https://vscode.dev/redirect",
    "https://www.cursor.com/agents/mcp/oauth/callback",
)
"""Callbacks of hosted clients, which register from a few addresses: they have their own rate."""

MAX_LENGTH: Final = 1024
_LOOPBACK: Final = re.compile(
    r"(?P<head>http://(?:localhost|127\.0\.0\.1|\[::1\]))(?::(?P<port>[0-9]{1,5}))?(?P<tail>/.*)?"
)
_PLAIN: Final = re.compile(r"[!-~]+")
_FORBIDDEN: Final = frozenset('"<>\\^`{|}*#')


class Kind(StrEnum):
    """What a redirect URI says about who receives the code."""

    HTTPS = "https"
    LOOPBACK = "loopback"
    CUSTOM = "custom"


def kind_of(uri: str, allowed: Iterable[str] = ()) -> Kind | None:
    """Return the kind of a redirect URI that may be registered, or None for one that may not.

    `allowed` are the gateway's further URIs, compared as they are. Refused are: other schemes
    (`javascript:`, `data:`, http beyond loopback), userinfo, fragments, dot segments, wildcards,
    and anything that parsers read differently.
    """
    if len(uri) > MAX_LENGTH or not _PLAIN.fullmatch(uri) or _FORBIDDEN & set(uri):
        return None
    if uri == CURSOR or uri in tuple(allowed):
        return _kind_of_allowed(uri)
    if _LOOPBACK.fullmatch(uri):
        return Kind.LOOPBACK if _is_clean(uri) else None
    return Kind.HTTPS if uri.startswith("https://") and _is_clean(uri) else None


def _kind_of_allowed(uri: str) -> Kind:
    if _LOOPBACK.fullmatch(uri):
        return Kind.LOOPBACK
    return Kind.HTTPS if uri.startswith("https://") else Kind.CUSTOM


def _is_clean(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or port == 0 or parts.netloc.endswith(":"):
        return False
    path = parts.path.lower().replace("%2e", ".")
    return not any(segment in (".", "..") for segment in path.split("/"))


def matches(registered: str, asked: str) -> bool:
    """Say whether `asked` equals `registered`, but for the port of a loopback URI (rule 80)."""
    if registered == asked:
        return True
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(asked)
    if ours is None or theirs is None or int(theirs["port"] or 80) not in range(1, 65536):
        return False
    return (ours["head"], ours["tail"] or "/") == (theirs["head"], theirs["tail"] or "/")


def portless(uri: str) -> str:
    """Return `uri` without a loopback port: as consent remembers it (security decision 8)."""
    found = _LOOPBACK.fullmatch(uri)
    return uri if found is None else found["head"] + (found["tail"] or "/")


def host_of(uri: str) -> str:
    """Return what the consent page shows as the receiver: a host, or an app's own scheme."""
    parts = urlsplit(uri)
    return (
        parts.hostname
        if parts.scheme in ("http", "https") and parts.hostname
        else parts.scheme + "://"
    )
