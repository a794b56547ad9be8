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

__all__ = ["ClosedFault", "live_routes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedFault:
    """An object of the bundle that this proxy can't serve, and why; `key` is `namespace/name`."""

    kind: str
    key: str
    message: str


def live_routes(
    config: Config,
) -> tuple[dict[tuple[str, str], LiveRoute], tuple[ClosedFault, ...]]:
    """Return the routes by (origin, raw path), and what of the bundle can't be served.

    A policy was checked when the bundle was made; one that this proxy can't compile all the same
    closes the routes that it is attached to if it enforces, and is left out if it only audits.
    """
    compiled: dict[str, CompiledPolicy] = {}
    faults: dict[str, str] = {}
    for policy in config.policies:
        try:
            compiled[policy.key] = compile_policy(policy)
        except Faulty as faulty:
            faults[policy.key] = str(faulty)
    broken = {p.key: faults[p.key] for p in config.policies if p.key in faults and _enforces(p)}
    ceiling = config.gateway.ceiling == "Required"
    routes = {}
    for route in config.routes:
        closed = _close(route, broken)
        attached = [compiled[key] for key in route.policies if key in compiled]
        routes[route.issuer, path_of(route)] = LiveRoute.of(
            closed, PolicySet.of(attached, ceiling=ceiling)
        )
    return routes, tuple(
        ClosedFault(kind="MCPPolicy", key=key, message=message) for key, message in faults.items()
    )


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
