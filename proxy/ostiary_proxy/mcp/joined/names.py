"""Names of what one of several servers offers: readable, never met twice, leading back to it.

A server's own name holds none of `_`, `+`, `:` and `/` (the kind's pattern sees to it), so the
first of them ends it.
"""

import re
from typing import Final

from ostiary.policy.facts import Kind, Subject
from ostiary_proxy.mcp.message import Id

__all__ = [
    "fits", "joined_id", "joined_name", "joined_uri", "server_of", "split_id", "split_name",
    "split_uri",
]  # fmt: skip

_FITS: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Names of tools that models and their clients take."""
_PAGE: Final = "ui://"
"""How URIs of pages of MCP Apps begin; clients take no other for one."""


def joined_name(server: str, name: str) -> str:
    """Return the name of a tool or prompt for clients."""
    return f"{server}_{name}"


def split_name(name: str) -> tuple[str, str]:
    """Return the server and its own name of what clients call `name`."""
    server, _, own = name.partition("_")
    return server, own


def joined_uri(server: str, uri: str) -> str:
    """Return the URI, or the template of URIs, of a resource for clients."""
    if uri.startswith(_PAGE):
        return f"{_PAGE}{server}/{uri.removeprefix(_PAGE)}"
    return f"{server}+{uri}"


def split_uri(uri: str) -> tuple[str, str]:
    """Return the server and its own URI of what clients call `uri`."""
    if uri.startswith(_PAGE):
        server, slash, page = uri.removeprefix(_PAGE).partition("/")
        return (server, _PAGE + page) if slash else ("", "")
    server, _, own = uri.partition("+")
    return server, own


def joined_id(server: str, own: Id) -> str:
    """Return the id (or progress token) under which clients see a request of the server's."""
    return f"{server}:{'s' if isinstance(own, str) else 'i'}{own}"


def split_id(joined: object) -> tuple[str, Id] | None:
    """Return the server and its own id, or None for what is no id of `joined_id`."""
    server, colon, own = joined.partition(":") if isinstance(joined, str) else ("", "", "")
    if not colon or not own:
        return None
    if own[0] == "s":
        return server, own[1:]
    return (server, int(own[1:])) if re.fullmatch(r"i(0|-?[1-9][0-9]{0,15})", own) else None


def server_of(subject: Subject) -> str:
    """Return the server that a subject's name leads to."""
    split = split_uri if subject.kind is Kind.RESOURCE else split_name
    return split(subject.name)[0]


def fits(name: str) -> bool:
    """Say whether clients can use a tool of this name."""
    return _FITS.fullmatch(name) is not None
