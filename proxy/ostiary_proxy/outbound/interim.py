"""Heads before the head of an answer (1xx): a few are passed over, then the server is given up.

aiohttp passes over any number of them, as fast as they come; without end they would take all its
time from everybody else.
"""

from typing import Final

import aiohttp
from aiohttp.connector import Connection

__all__ = ["Response"]

_MOST: Final = 16
_UPGRADE: Final = 101


class Response(aiohttp.ClientResponse):
    """A response to which at most `_MOST` heads lead, and after which no other one stands."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the head; raises ClientResponseError where there is none or more than one."""
        heads = connection.protocol
        assert heads is not None  # the request was just sent there
        for _ in range(_MOST + 1):
            head = await heads.read()
            if head[0].code >= 200 or head[0].code == _UPGRADE:
                break
        else:
            raise self._odd("interim heads without end")
        if len(heads):
            raise self._odd("more than one answer")
        heads.feed_data(head)  # where aiohttp looks for it
        return await super().start(connection)

    def _odd(self, what: str) -> aiohttp.ClientResponseError:
        return aiohttp.ClientResponseError(self.request_info, self.history, message=what)
