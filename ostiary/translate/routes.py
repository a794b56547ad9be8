"""Resolving routes, oldest first: each has a URL of its own or none, and is closed on any fault."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ostiary.config.document import InternalTokenAuth, Upstream
from ostiary.resources.manifest import Manifest
from ostiary.resources.route import MCPRoute
from ostiary.translate.binding import Bound, Place, bind
from ostiary.translate.credentials import (
    Authentication,
    canonical_audience,
    resolve_authentication,
)
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.parsed import Parsed
from ostiary.translate.problem import Condition, Problem, Reason, of_faults
from ostiary.translate.references import References
from ostiary.translate.upstreams import resolve_upstream

__all__ = ["ResolvedRoute", "resolve_routes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRoute:
    """A route with everything around it looked up."""

    manifest: Manifest
    route: MCPRoute | None
    gateway: str | None
    place: Place | None
    upstream: Upstream | None
    authentication: Authentication
    problems: tuple[Problem, ...]

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return self.manifest.key


def resolve_routes(
    parsed: Iterable[Parsed],
    gateways: Mapping[str, ResolvedGateway],
    references: References,
    namespaces: Mapping[str, Mapping[str, str]],
) -> dict[str, ResolvedRoute]:
    """Return every route by key, oldest first."""
    resolved: dict[str, ResolvedRoute] = {}
    places: dict[tuple[str, str], str] = {}
    audiences: dict[str, ResolvedRoute] = {}
    for item in sorted(parsed, key=lambda item: item.manifest.age):
        bound = bind(item, gateways, namespaces)
        if bound.place is not None:
            taken = places.setdefault((bound.place.issuer, bound.place.path), item.manifest.key)
            bound = bound if taken == item.manifest.key else _taken(bound, taken)
        route = _resolve(item, bound, gateways, references)
        resolved[route.key] = _alone_in_audience(route, audiences)
    return resolved


def _taken(bound: Bound, owner: str) -> Bound:
    """Return the newer route without a URL: the address is the older one's."""
    assert bound.place is not None
    said = f"the older route {owner} has the URL {bound.place.url}; choose another in spec.from"
    problem = Problem(
        condition=Condition.ACCEPTED, reason=Reason.URL_CONFLICT, message=said, path="spec.from"
    )
    return replace(bound, place=None, problems=(*bound.problems, problem))


def _resolve(
    item: Parsed,
    bound: Bound,
    gateways: Mapping[str, ResolvedGateway],
    references: References,
) -> ResolvedRoute:
    route = item.resource if isinstance(item.resource, MCPRoute) else None
    gateway = gateways.get(bound.gateway) if bound.gateway is not None else None
    problems = [*of_faults(item.faults), *bound.problems]
    upstream: Upstream | None = None
    authentication = Authentication()
    if route is not None and gateway is not None and gateway.config is not None:
        found = resolve_upstream(route, gateway, references)
        upstream = found if isinstance(found, Upstream) else None
        authentication = resolve_authentication(route, upstream, references)
        problems += [found] if isinstance(found, Problem) else []
        problems += authentication.problems
    return ResolvedRoute(
        manifest=item.manifest,
        route=route,
        gateway=bound.gateway,
        place=bound.place,
        upstream=upstream,
        authentication=authentication,
        problems=tuple(problems),
    )


def _alone_in_audience(route: ResolvedRoute, audiences: dict[str, ResolvedRoute]) -> ResolvedRoute:
    """Close the newer of two routes whose internal tokens one server would take for each other's.

    Within one namespace that is the owner's business (security decision 1).
    """
    auth = route.authentication.auth
    if not isinstance(auth, InternalTokenAuth) or not auth.audience:
        return route
    owner = audiences.setdefault(canonical_audience(auth.audience), route)
    if owner.manifest.meta.namespace == route.manifest.meta.namespace:
        return route
    said = (
        "an older route of another namespace has this audience of internal tokens; "
        "set another in spec.mcp.upstreamAuth.internalToken.audience"
    )
    problem = Problem(
        condition=Condition.RESOLVED_REFS,
        reason=Reason.AUDIENCE_CONFLICT,
        message=said,
        path="spec.mcp.upstreamAuth.internalToken.audience",
    )
    return replace(route, problems=(*route.problems, problem))
