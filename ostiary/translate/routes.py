"""Resolving routes, oldest first: each has a URL of its own or none, and is closed on any fault."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from ostiary.resources.manifest import Manifest
from ostiary.resources.route import MCPRoute
from ostiary.translate.binding import Place, bind
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.parsed import Cache, Parsed, identity
from ostiary.translate.problem import Condition, Problem, Reason, of_faults
from ostiary.translate.references import References
from ostiary.translate.servers import ResolvedServer, resolve_servers
from ostiary.translate.world import World

__all__ = ["ResolvedRoute", "resolve_routes"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResolvedRoute:
    """A route with everything around it looked up.

    Compared by identity: the cache hands out the same one as long as nothing around it changes.
    """

    manifest: Manifest
    route: MCPRoute | None
    gateway: str | None
    place: Place | None
    servers: tuple[ResolvedServer, ...]
    problems: tuple[Problem, ...]

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return self.manifest.key

    @property
    def server_keys(self) -> tuple[str, ...]:
        """Return the `server_key` of each server."""
        return tuple(server.key_on(self.key) for server in self.servers)


def resolve_routes(
    parsed: Iterable[Parsed],
    gateways: Mapping[str, ResolvedGateway],
    references: References,
    world: World,
    cache: Cache,
) -> dict[str, ResolvedRoute]:
    """Return every route by key, oldest first."""
    resolved: dict[str, ResolvedRoute] = {}
    places: dict[tuple[str, str], str] = {}
    audiences: dict[str, ResolvedRoute] = {}
    around = cache.generation(
        (
            references,
            dict(world.namespaces),
            world.platform,
            [identity(gateway.manifest) for gateway in gateways.values()],
        )
    )
    for item in sorted(parsed, key=lambda item: item.manifest.age):
        route = cache.once(
            ("resolved", *identity(item.manifest), around),
            partial(_resolve, item, gateways, references, world.namespaces),
        )
        if route.place is not None:
            taken = places.setdefault((route.place.issuer, route.place.path), route.key)
            route = route if taken == route.key else _without_url(route, taken)
        resolved[route.key] = _alone_in_audience(route, audiences)
    return resolved


def _without_url(route: ResolvedRoute, owner: str) -> ResolvedRoute:
    """Return the newer route without a URL: the address is the older one's."""
    assert route.place is not None
    said = f"the older route {owner} has the URL {route.place.url}; choose another in spec.from"
    problem = Problem(
        condition=Condition.ACCEPTED, reason=Reason.URL_CONFLICT, message=said, path="spec.from"
    )
    return replace(route, place=None, problems=(problem, *route.problems))


def _resolve(
    item: Parsed,
    gateways: Mapping[str, ResolvedGateway],
    references: References,
    namespaces: Mapping[str, Mapping[str, str]],
) -> ResolvedRoute:
    bound = bind(item, gateways, namespaces)
    route = item.resource if isinstance(item.resource, MCPRoute) else None
    gateway = gateways.get(bound.gateway) if bound.gateway is not None else None
    problems = [*of_faults(item.faults), *bound.problems]
    servers: tuple[ResolvedServer, ...] = ()
    if route is not None and gateway is not None and gateway.config is not None:
        servers = resolve_servers(route, gateway, references)
        problems += [problem for server in servers for problem in server.problems]
    return ResolvedRoute(
        manifest=item.manifest,
        route=route,
        gateway=bound.gateway,
        place=bound.place,
        servers=servers,
        problems=tuple(problems),
    )


def _alone_in_audience(route: ResolvedRoute, audiences: dict[str, ResolvedRoute]) -> ResolvedRoute:
    """Close the newer of two routes whose internal tokens one server would take for each other's.

    Within one namespace that is the owner's business (security decision 1).
    """
    for server in route.servers:
        if server.audience is None:
            continue
        owner = audiences.setdefault(server.audience, route)
        if owner.manifest.meta.namespace != route.manifest.meta.namespace:
            return _without_audience(route, f"{server.path}.upstreamAuth.internalToken.audience")
    return route


def _without_audience(route: ResolvedRoute, path: str) -> ResolvedRoute:
    said = (
        "an older route of another namespace has this audience of internal tokens; "
        f"set another in {path}"
    )
    problem = Problem(
        condition=Condition.RESOLVED_REFS,
        reason=Reason.AUDIENCE_CONFLICT,
        message=said,
        path=path,
    )
    return replace(route, problems=(*route.problems, problem))
