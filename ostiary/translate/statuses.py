"""The status of every object, worked out from what was resolved and what proxies report."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ostiary.config.document import OAuth2Auth
from ostiary.decode.model import Model
from ostiary.resources.manifest import Kind
from ostiary.resources.meta import GROUP
from ostiary.resources.status import (
    Ancestor,
    AttachedPolicy,
    GatewayStatus,
    ObjectReference,
    PolicyStatus,
    RouteStatus,
)
from ostiary.translate.attach import Attachments, JudgedPolicy
from ostiary.translate.conditions import Ladder, Said, dated, last_error, programmed
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.parsed import Cache
from ostiary.translate.problem import Condition, Problem, Reason
from ostiary.translate.render import PlannedBundle
from ostiary.translate.routes import ResolvedRoute
from ostiary.translate.world import Observed

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
    now: str
    cache: Cache

    def all(self) -> dict[str, dict[str, Any]]:
        """Return the status of every object by `Kind/namespace/name`, in that order."""
        before = self.observed.statuses
        return {
            key: dated(status, before.get(key, {}), self.now)
            for key, status in sorted(self._each())
        }

    def _each(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the statuses, not dated yet; those of routes and policies are kept."""
        for gateway in self.gateways.values():
            yield f"{Kind.GATEWAY}/{gateway.key}", self._gateway(gateway).plain()
        for route in self.routes.values():
            key, policies = f"{Kind.ROUTE}/{route.key}", self.attachments.deciding[route.key]
            said = self._programmed(route.gateway, Kind.ROUTE, route.key)
            own = self.attachments.by_route.get(route.key, ())
            depends = (route, policies, own, said)
            yield key, self.cache.once((key, *depends), partial(_route, *depends))
        for policy in self.attachments.policies.values():
            key, gateways = f"{Kind.POLICY}/{policy.key}", self.attachments.ancestors[policy.key]
            said = self._policy_programmed(policy, gateways)
            wrong = self.attachments.problems[policy.key]
            yield (
                key,
                self.cache.once(
                    (key, policy, gateways, wrong, said),
                    partial(_policy, policy, gateways, wrong, said),
                ),
            )

    def _programmed(self, gateway: str | None, kind: Kind, key: str) -> Said:
        bundle = self.bundles.get(gateway or "")
        history = bundle.history if bundle is not None else None
        return programmed(f"{kind}/{key}", history, self.observed.proxies.get(gateway or "", ()))

    def _gateway(self, gateway: ResolvedGateway) -> Model:
        ladder = Ladder(manifest=gateway.manifest, problems=gateway.problems)
        ladder.step(Condition.ACCEPTED, Reason.ACCEPTED, "the gateway can be served")
        ladder.step(Condition.RESOLVED_REFS, Reason.RESOLVED, "every reference resolves")
        ladder.say(Condition.PROGRAMMED, self._programmed(gateway.key, Kind.GATEWAY, gateway.key))
        ladder.ready(_STEPS, "the gateway serves")
        conflict = next((p for p in gateway.problems if p.condition is Condition.CONFLICTED), None)
        if conflict is not None:
            said = Said("True", conflict.reason, conflict.message)
            ladder.say(Condition.CONFLICTED, said)
        bundle = self.bundles.get(gateway.key)
        callback = f"{gateway.config.public_url}/login/callback" if gateway.config else None
        return GatewayStatus(
            observed_generation=gateway.manifest.meta.generation,
            conditions=ladder.conditions(),
            last_error=last_error(gateway.problems),
            callback_url=callback,
            attached_routes=len(bundle.config.routes) if bundle else 0,
        )

    def _policy_programmed(self, policy: JudgedPolicy, gateways: tuple[str, ...]) -> Said:
        """Return the worst of what the policy's gateways report."""
        said = [self._programmed(gateway, Kind.POLICY, policy.key) for gateway in gateways]
        nothing = Said("False", Reason.NOT_RENDERED, "there is nothing that a proxy could be given")
        order = ("False", "Unknown", "True")
        return min(said, key=lambda item: order.index(item.status), default=nothing)


def _route(
    route: ResolvedRoute, policies: tuple[JudgedPolicy, ...], own: tuple[str, ...], reached: Said
) -> dict[str, Any]:
    """Return a route's status; `own` are the keys of policies attached to it, not its gateway."""
    ladder = Ladder(manifest=route.manifest, problems=route.problems)
    ladder.step(Condition.ACCEPTED, Reason.ACCEPTED, "the route has its URL")
    ladder.step(Condition.RESOLVED_REFS, Reason.RESOLVED, "every reference resolves")
    ladder.say(Condition.POLICY_ATTACHED, _attached(policies))
    ladder.say(Condition.PROGRAMMED, reached)
    _route_ready(ladder, route, policies)
    oauth2 = isinstance(route.authentication.auth, OAuth2Auth)
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
    policy: JudgedPolicy, gateways: tuple[str, ...], problems: tuple[Problem, ...], reached: Said
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
