"""What stands behind a route, spoken to in the client's own revision.

Whatever it is, its answer looks like that of one server which speaks that revision.
"""

from ostiary_proxy.mcp.message import Notification
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.bridge.newer.say import say_newer
from ostiary_proxy.pipeline.bridge.older.say import say_in_2026
from ostiary_proxy.pipeline.many.say import say_joined
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.silent import or_silent

__all__ = ["say"]


async def say(said: Said) -> Exchange:
    """Return the exchange once its head is there, never one of status 401 or 403.

    Raises Refused as `forward.send` does.
    """
    if said.version == MODERN and isinstance(said.message, Notification):
        # That it cancels a call, which no server needs to hear: the answer's end says so (rule 28).
        return Whole(202, {}, b"")
    if said.known.routed.route.servers:
        return await or_silent(said, await say_joined(said, _say_to_one))
    return await or_silent(said, await _say_to_one(said))


async def _say_to_one(said: Said) -> Exchange:
    if said.version == MODERN:
        return await say_in_2026(said)
    return await say_newer(said)
