"""From the bundle to routes with their policies compiled.

Whatever doesn't compile closes its own routes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ostiary.config.document import Closed, Config, Policy, Route
from ostiary.decode.fault import Faulty
from ostiary.policy.check import compile_policy
from ostiary.policy.compiled import CompiledPolicy, PolicySet
from ostiary.policy.rule import Mode
from ostiary_proxy.oauth.resource import path_of
from ostiary_proxy.pipeline.live import LiveRoute

__all__ = ["ClosedFault", "Compiled", "LiveRoutes", "live_routes"]

Compiled = Mapping[str, tuple[Policy, CompiledPolicy]]
"""By key, each policy as it was written and as it was compiled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedFault:
    """An object of the bundle that this proxy can't serve, and why; `key` is `namespace/name`."""

    kind: str
    key: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRoutes:
    """Routes by (origin, raw path), what of the bundle can't be served, and what was compiled."""

    routes: Mapping[tuple[str, str], LiveRoute]
    faults: tuple[ClosedFault, ...]
    compiled: Compiled


def live_routes(config: Config, before: Compiled) -> LiveRoutes:
    """Return what a bundle serves; policies that are as they were `before` are not compiled again.

    A policy was checked when the bundle was made; one that this proxy can't compile all the same
    closes the routes that it is attached to if it enforces, and is left out if it only audits.
    """
    compiled: dict[str, tuple[Policy, CompiledPolicy]] = {}
    faults: dict[str, str] = {}
    for policy in config.policies:
        try:
            compiled[policy.key] = (policy, _compile(policy, before))
        except Faulty as faulty:
            faults[policy.key] = str(faulty)
    broken = {p.key: faults[p.key] for p in config.policies if p.key in faults and _enforces(p)}
    ceiling = config.gateway.ceiling == "Required"
    routes = {}
    for route in config.routes:
        closed = _close(route, broken)
        attached = [compiled[key][1] for key in route.policies if key in compiled]
        routes[route.issuer, path_of(route)] = LiveRoute.of(
            closed, PolicySet.of(attached, ceiling=ceiling)
        )
    closed_faults = tuple(
        ClosedFault(kind="MCPPolicy", key=key, message=message) for key, message in faults.items()
    )
    return LiveRoutes(routes=routes, faults=closed_faults, compiled=compiled)


def _compile(policy: Policy, before: Compiled) -> CompiledPolicy:
    known = before.get(policy.key)
    return known[1] if known is not None and known[0] == policy else compile_policy(policy)


def _enforces(policy: Policy) -> bool:
    return any((rule.mode or policy.mode) is Mode.ENFORCE for rule in policy.rules)


def _close(route: Route, broken: Mapping[str, str]) -> Route:
    """Return the route, closed where a policy of its is missing or broken."""
    reasons = [f"policy {key}: {broken[key]}" for key in route.policies if key in broken]
    if not reasons or route.closed is not None:
        return route
    return route.model_copy(
        update={"closed": Closed(reason="PolicyNotCompiled", message="; ".join(reasons))}
    )
