"""The status of every object, worked out from what was resolved and what proxies report."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ostiary.config.document import OAuth2Auth
from ostiary.resources.manifest import Kind
from ostiary.resources.meta import GROUP
from ostiary.resources.status import (
    Ancestor,
    AttachedPolicy,
    ObjectReference,
    PolicyStatus,
    RouteStatus,
)
from ostiary.translate.attach import Attachments, JudgedPolicy
from ostiary.translate.conditions import (
    WAITING,
    Ladder,
    Said,
    dated,
    last_error,
    programmed,
    timestamp,
)
from ostiary.translate.gateway_status import gateway_status
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.parsed import Cache
from ostiary.translate.problem import Condition, Problem, Reason
from ostiary.translate.render import PlannedBundle
from ostiary.translate.reports import Traffic, traffic, would_deny
from ostiary.translate.routes import ResolvedRoute
from ostiary.translate.world import Cluster, Observed, Reported

__all__ = ["CONTROLLER", "Statuses"]

CONTROLLER: Final = "ostiary.dev/controller"
_STEPS: Final = (Condition.ACCEPTED, Condition.RESOLVED_REFS, Condition.PROGRAMMED)
_SHOWN_BY_GATEWAY: Final = (Condition.ACCEPTED, Condition.PROGRAMMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statuses:
    """Writes the statuses of one plan."""

    gateways: Mapping[str, ResolvedGateway]
    routes: Mapping[str, ResolvedRoute]
    attachments: Attachments
    bundles: Mapping[str, PlannedBundle]
    observed: Observed
    cluster: Cluster | None
    now: float
    cache: Cache

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the status of every object by `Kind/namespace/name`, in that order."""
        before, now = self.observed.statuses, timestamp(self.now)
        each = sorted((*self._gateways(), *self._routes(), *self._policies()))
        return {key: dated(status, before.get(key, {}), now) for key, status in each}

    def _gateways(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the statuses of gateways, not dated yet."""
        for gateway in self.gateways.values():
            yield f"{Kind.GATEWAY}/{gateway.key}", self._gateway(gateway)

    def _routes(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the statuses of routes, kept as long as nothing changes that they depend on."""
        for route in self.routes.values():
            key, policies = f"{Kind.ROUTE}/{route.key}", self.attachments.deciding[route.key]
            said = self._programmed(route.gateway, Kind.ROUTE, route.key)
            showed = traffic(route.server_keys, self._reported(route.gateway))
            own = self.attachments.by_route.get(route.key, ())
            depends = (route, policies, own, said, showed)
            yield key, self.cache.once((key, *depends), partial(_route, *depends))

    def _policies(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the statuses of policies, kept likewise but for what is counted."""
        deciding = self.attachments.deciding.values()
        governed = Counter(policy.key for policies in deciding for policy in policies)
        for policy in self.attachments.policies.values():
            key, gateways = f"{Kind.POLICY}/{policy.key}", self.attachments.ancestors[policy.key]
            said = self._policy_programmed(policy, gateways)
            wrong = self.attachments.problems[policy.key]
            depends = (policy, gateways, wrong, said, governed[policy.key])
            status = self.cache.once((key, *depends), partial(_policy, *depends))
            yield key, {**status, **self._would_deny(key, policy, gateways)}

    def _reported(self, gateway: str | None) -> tuple[Reported, ...]:
        return self.observed.proxies.get(gateway or "", ())

    def _programmed(self, gateway: str | None, kind: Kind, key: str) -> Said:
        bundle = self.bundles.get(gateway or "")
        history = bundle.history if bundle is not None else None
        said = programmed(f"{kind}/{key}", history, self._reported(gateway))
        if said.reason in WAITING and self.gateways[gateway or ""].paused:
            return Said(
                "Unknown", Reason.SUSPENDED, f"the gateway {gateway} is paused: {said.message}"
            )
        return said

    def _gateway(self, gateway: ResolvedGateway) -> Mapping[str, Any]:
        bundle = self.bundles.get(gateway.key)
        return gateway_status(
            gateway,
            reached=self._programmed(gateway.key, Kind.GATEWAY, gateway.key),
            routes=len(bundle.config.routes) if bundle else 0,
            cluster=self.cluster,
            rollout=self.observed.rollouts.get(gateway.key),
        )

    def _would_deny(
        self, key: str, policy: JudgedPolicy, gateways: tuple[str, ...]
    ) -> dict[str, Any]:
        proxies = [proxy for gateway in gateways for proxy in self._reported(gateway)]
        calls = sum(proxy.would.get(policy.key, 0) for proxy in proxies)
        shown = would_deny(self.observed.statuses.get(key, {}), calls, self.now)
        return {} if shown is None else {"wouldDeny": shown}

    def _policy_programmed(self, policy: JudgedPolicy, gateways: tuple[str, ...]) -> Said:
        """Return the worst of what the policy's gateways report."""
        said = [self._programmed(gateway, Kind.POLICY, policy.key) for gateway in gateways]
        nothing = Said("False", Reason.NOT_RENDERED, "there is nothing that a proxy could be given")
        order = ("False", "Unknown", "True")
        return min(said, key=lambda item: order.index(item.status), default=nothing)


def _route(
    route: ResolvedRoute,
    policies: tuple[JudgedPolicy, ...],
    own: tuple[str, ...],
    reached: Said,
    showed: Traffic,
) -> dict[str, Any]:
    """Return a route's status; `own` are the keys of policies attached to it, not its gateway.

    Ready does not follow what requests `showed`: a server that is down is not the route's fault.
    """
    ladder = Ladder(manifest=route.manifest, problems=route.problems)
    ladder.step(Condition.ACCEPTED, Reason.ACCEPTED, "the route has its URL")
    ladder.step(Condition.RESOLVED_REFS, Reason.RESOLVED, "every reference resolves")
    ladder.say(Condition.POLICY_ATTACHED, _attached(policies))
    ladder.say(Condition.PROGRAMMED, reached)
    if showed.reachable is not None:
        ladder.say(Condition.UPSTREAM_REACHABLE, showed.reachable)
    _route_ready(ladder, route, policies)
    oauth2 = any(isinstance(one.authentication.auth, OAuth2Auth) for one in route.servers)
    place = route.place
    return RouteStatus(
        observed_generation=route.manifest.meta.generation,
        conditions=ladder.conditions(),
        last_error=last_error(route.problems),
        url=place.url if place else None,
        upstream_callback_url=f"{place.issuer}/account/callback" if place and oauth2 else None,
        bound_gateway=_gateway_reference(route.gateway) if route.gateway else None,
        attached_policies=tuple(
            AttachedPolicy(
                namespace=policy.manifest.meta.namespace,
                name=policy.manifest.meta.name,
                level="Route" if policy.key in own else "Gateway",
                mode=policy.mode.value,
            )
            for policy in policies[:64]
        ),
        left_out_tools=showed.left_out or None,
    ).plain()


def _route_ready(ladder: Ladder, route: ResolvedRoute, policies: tuple[JudgedPolicy, ...]) -> None:
    ladder.ready(_STEPS, "the route serves")
    if ladder.said[Condition.READY].status == "False":
        return
    if any(policy.closes for policy in policies):
        attached = ladder.said[Condition.POLICY_ATTACHED]
        ladder.say(Condition.READY, Said("False", attached.reason, attached.message))
    elif route.route is not None and route.route.spec.suspend:
        said = Said("False", Reason.SUSPENDED, "spec.suspend is true: every call is refused")
        ladder.say(Condition.READY, said)


def _policy(
    policy: JudgedPolicy,
    gateways: tuple[str, ...],
    problems: tuple[Problem, ...],
    reached: Said,
    routes: int,
) -> dict[str, Any]:
    ladder = Ladder(manifest=policy.manifest, problems=problems)
    ladder.step(Condition.ACCEPTED, Reason.ACCEPTED, "the policy is attached")
    ladder.step(Condition.RESOLVED_REFS, Reason.RESOLVED, "every target exists")
    ladder.say(Condition.PROGRAMMED, reached)
    ladder.ready(_STEPS, "the policy decides")
    conditions = ladder.conditions()
    return PolicyStatus(
        observed_generation=policy.manifest.meta.generation,
        conditions=conditions,
        last_error=last_error(problems),
        governed_routes=routes,
        ancestors=tuple(
            Ancestor(
                ancestor_ref=_gateway_reference(gateway),
                controller_name=CONTROLLER,
                conditions=tuple(c for c in conditions if c.type in _SHOWN_BY_GATEWAY),
            )
            for gateway in gateways[:16]
        ),
    ).plain()


def _attached(policies: tuple[JudgedPolicy, ...]) -> Said:
    closing = [policy.key for policy in policies if policy.closes]
    if closing:
        said = f"the policy {closing[0]} can't be read or compiled: every call is refused"
        return Said("False", Reason.POLICY_INVALID, said)
    if not policies:
        said = "no policy is attached: every call is refused until an MCPPolicy allows something"
        return Said("False", Reason.NO_POLICY, said)
    return Said("True", Reason.ATTACHED, f"{len(policies)} attached")


def _gateway_reference(key: str) -> ObjectReference:
    namespace, _, name = key.partition("/")
    return ObjectReference(group=GROUP, kind=Kind.GATEWAY, namespace=namespace, name=name)
