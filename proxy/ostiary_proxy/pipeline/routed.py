"""Step 2: the route at exactly this origin and raw path (decision 3)."""

from dataclasses import dataclass

from ostiary_proxy.pipeline.live import LiveRoute
from ostiary_proxy.pipeline.received import Received
from ostiary_proxy.refused import Refused

__all__ = ["Routed", "find_route"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A request for a route that is served, openly or closed."""

    received: Received
    route: LiveRoute


def find_route(received: Received) -> Routed:
    """Return the route; raises Refused("UnknownRoute")."""
    request = received.request
    route = received.live.route_at(request.origin, request.path)
    if route is None:
        raise Refused("UnknownRoute")
    received.seen.route = route.route.key
    return Routed(received=received, route=route)
