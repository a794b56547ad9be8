"""One HTTP exchange as values and a protocol; the client behind it is exchangeable."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from ostiary_proxy.wire import Headers

__all__ = ["Exchange", "NamedBy", "OutboundFailed", "Outgoing", "Transport"]

NamedBy = Literal["platform", "route", "stranger"]
"""Who named the address: decides what it may resolve to (security decision 12)."""


class OutboundFailed(Exception):  # noqa: N818 - a statement
    """No answer came.

    `reason` is a stable word: forbidden-address, dns, connect, tls, timeout, protocol, too-large,
    closed.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request that leaves.

    `timeout` bounds the time to the answer's head, in seconds; streams have no end of time.
    """

    method: str
    url: str
    headers: Headers
    body: bytes = b""
    named_by: NamedBy = "route"
    timeout: float = 60.0


class Exchange(Protocol):
    """An answer whose head has arrived; header names are lower case.

    No redirect is followed, no body decompressed. `arrived` says whether the body is here as a
    whole, so that reading it waits for nothing.
    """

    status: int
    headers: Mapping[str, str]

    @property
    def arrived(self) -> bool: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it arrives; raises OutboundFailed where it breaks off."""

    async def body(self, limit: int) -> bytes:
        """Return the whole body; raises OutboundFailed("too-large") beyond `limit` bytes."""

    async def close(self) -> None:
        """End the exchange.

        A body not read to its end closes the connection, which upstream sees.
        """


class Transport(Protocol):
    """Sends requests. Raises OutboundFailed."""

    async def send(self, request: Outgoing) -> Exchange:
        """Send `request` and return once the answer's head is there."""
