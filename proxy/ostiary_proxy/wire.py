"""HTTP as values, so that edges are exchangeable.

What came in and what goes out, without any framework.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import parse_qsl

__all__ = ["Address", "Headers", "Incoming", "Reply", "address_of"]

Address = IPv4Address | IPv6Address
Headers = tuple[tuple[str, str], ...]
"""Header fields in order; names are lower case."""


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address:
    """Return the address that `text` is; raises ValueError.

    Remembered: reading one takes longer than most checks of a request, and few callers make most.
    """
    return ip_address(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One request as an edge received it.

    `origin` is the configured origin that the request was matched to (never a raw Host header).
    `path` and `query` are raw, still percent-encoded. `read(limit)` returns the whole body once and
    raises Refused("TooLarge") beyond `limit` bytes. `source` is the caller's address after trusted
    proxy hops.
    """

    method: str
    origin: str
    path: str
    query: str
    headers: Headers
    source: Address
    read: Callable[[int], Awaitable[bytes]]

    def header(self, name: str) -> str | None:
        """Return the first value of a header (lower-case name), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def repeated(self, name: str) -> bool:
        """Say whether a header stands more than once."""
        return sum(key == name for key, _ in self.headers) > 1

    def parameters(self) -> list[tuple[str, str]]:
        """Return the decoded query parameters in order, repeats and empty ones included."""
        return parse_qsl(self.query, keep_blank_values=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One whole answer: everything but streams."""

    status: int
    headers: Headers = ()
    body: bytes = b""
