"""What a decision is made on.

A fact is known or it is `UNKNOWN`; nothing is defaulted (trust rule 8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from ostiary.decode.strict_json import Json

__all__ = [
    "DEFERRED",
    "UNKNOWN",
    "Caller",
    "Deferred",
    "Facts",
    "Kind",
    "RouteFacts",
    "Subject",
    "Unknown",
]


class Unknown(Enum):
    """The type of `UNKNOWN`: the fact is missing."""

    UNKNOWN = "unknown"


class Deferred(Enum):
    """The type of `DEFERRED`.

    The fact will be known when the item is called, not while a list is filtered.
    """

    DEFERRED = "deferred"


UNKNOWN: Final = Unknown.UNKNOWN
DEFERRED: Final = Deferred.DEFERRED


class Kind(StrEnum):
    """What a message is about (policy.md 1)."""

    TOOL = "tool"
    PROMPT = "prompt"
    RESOURCE = "resource"
    SERVER = "server"
    HOUSEKEEPING = "housekeeping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The subject of one message.

    `method` is the MCP method. `name` is the tool or prompt name, the resource URI, or, for a
    server request, one of `ServerRequest`; empty for housekeeping. `arguments` are the call's
    arguments, DEFERRED while a list is filtered, UNKNOWN where the message has none to read.
    """

    kind: Kind
    method: str
    name: str = ""
    arguments: Mapping[str, Json] | Deferred | Unknown = UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the person as the identity provider told us, and the client as we registered it.

    A person is (issuer, subject). `email` is None unless verified, `groups` where the provider sent
    no such claim. `client_host` is None unless verified.
    `login_source` is the address of the person's browser at login; `auth_time` is epoch seconds.
    """

    issuer: str
    subject: str
    client_id: str
    email: str | None = None
    groups: frozenset[str] | None = frozenset()
    claims: Mapping[str, Json] = field(default_factory=dict)
    client_host: str | None = None
    auth_time: float | None = None
    login_source: IPv4Address | IPv6Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFacts:
    """The route as policy sees it."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a verdict may depend on. `now` is epoch seconds; `source` the caller's address."""

    subject: Subject
    caller: Caller
    route: RouteFacts
    now: float
    source: IPv4Address | IPv6Address | Unknown = UNKNOWN
