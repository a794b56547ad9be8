"""What is said for a call or a stream that goes on: by what is in force then, where it began."""

from contextlib import ExitStack

from ostiary_proxy.mcp.message import Request
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.bridge.newer.speaking import say_modern
from ostiary_proxy.pipeline.bridge.older.session import today
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Headers

__all__ = ["Saying"]


class Saying:
    """Says one request after the other for `said`; connections of the last one stay until `close`.

    A configuration may come in between, with another address, other credentials, a stricter guard.
    """

    def __init__(self, said: Said) -> None:
        self._said = said
        self._held = ExitStack()

    async def say(self, request: Request, *, parameters: Headers = ()) -> Exchange:
        """Return the exchange of `request`; raises Refused as `say_modern` does.

        And where the route leads elsewhere now: what was begun is nothing to another server.
        """
        said = today(self._said)
        if said.known.routed.route.route.upstream != self._said.upstream:
            raise Refused("UpstreamUnavailable", detail="the route leads to another server now")
        with ExitStack() as held:
            held.enter_context(said.known.routed.received.live.borrowed())
            exchange = await say_modern(said, request, parameters=parameters)
            self.close()
            self._held = held.pop_all()
        return exchange

    def close(self) -> None:
        """Let go of the connections."""
        self._held.close()
