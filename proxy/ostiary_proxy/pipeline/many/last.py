"""What one of several servers said last: its part of an answer while it is away for a moment.

Kept is it as with a route's only server: where the server says how long for, and for whom. Nothing
is kept of a server that uses people's accounts, for which of them answered is not known here.
"""

from typing import Final

from ostiary.config.document import OAuth2Auth
from ostiary_proxy.mcp.message import Request
from ostiary_proxy.pipeline.kept import Keeping
from ostiary_proxy.pipeline.many.heard import Heard, hear
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused

__all__ = ["AWAY", "keeping_of", "last"]

AWAY: Final = frozenset(("UpstreamTimeout", "UpstreamUnavailable"))
"""Codes of refusals that say that a server is not there."""
_MAX_RESULT: Final = 2 * 1024 * 1024
"""More than is kept of any."""


def keeping_of(said: Said, server: str) -> Keeping:
    """Return what may be kept of the answer to what is said now."""
    assert isinstance(said.message, Request)
    known = said.known
    kept, route = known.routed.received.live.kept, known.routed.route.servers[server].route
    if isinstance(route.auth, OAuth2Auth):
        return Keeping(kept=kept, route=route)
    whom = (known.presented.grant.gid,)
    return Keeping.of(kept, route, said.message, said.version, whom=whom)


async def last(said: Said, server: str, why: Refused) -> Heard | None:
    """Return what stands in for a server that is missing, if it is away and anything does."""
    recalled = keeping_of(said, server).last() if why.code in AWAY else None
    if recalled is None:
        return None
    assert isinstance(said.message, Request)
    return await hear(recalled, said.message.id, said.version, _MAX_RESULT)
