"""An exchange whose body is here: read already, or made by us."""

from collections.abc import AsyncIterator, Mapping

from ostiary_proxy.outbound.exchange import OutboundFailed

__all__ = ["Whole"]


class Whole:
    """An `Exchange` of bytes; header names are lower case."""

    arrived = True

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body, one piece."""
        if self._body:
            yield self._body

    async def body(self, limit: int) -> bytes:
        """Return the whole body; raises OutboundFailed("too-large") beyond `limit` bytes."""
        if len(self._body) > limit:
            raise OutboundFailed("too-large", f"more than {limit} bytes")
        return self._body

    async def close(self) -> None:
        """Do nothing: nothing is open."""
