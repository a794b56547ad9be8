"""The one entry: the whole World, every time, becomes bundles and statuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary.resources.manifest import Kind
from ostiary.translate.attach import attach
from ostiary.translate.conditions import timestamp
from ostiary.translate.gateways import resolve_gateways
from ostiary.translate.objects import PlannedObject
from ostiary.translate.parsed import Cache, parse
from ostiary.translate.problem import Problem
from ostiary.translate.references import References
from ostiary.translate.render import PlannedBundle, Renderer
from ostiary.translate.routes import resolve_routes
from ostiary.translate.statuses import Statuses
from ostiary.translate.world import History, Observed, World

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be: bundles and objects by gateway key, statuses and problems by object.

    Objects have the key `Kind/namespace/name`.

    Nothing here holds a secret value but the passwords of development users, which are masked.
    """

    bundles: Mapping[str, PlannedBundle]
    statuses: Mapping[str, Mapping[str, Any]]
    problems: Mapping[str, tuple[Problem, ...]]
    objects: Mapping[str, tuple[PlannedObject, ...]] = field(default_factory=dict)

    @property
    def history(self) -> dict[str, History]:
        """Return what the next plan has to observe of this one."""
        return {key: bundle.history for key, bundle in self.bundles.items()}


def plan(world: World, observed: Observed, now: float, *, cache: Cache | None = None) -> Plan:
    """Return what `world` comes to; `now` is epoch seconds and only dates conditions.

    Pure: equal arguments give equal plans, whatever the order of the objects. A `cache` that is
    passed again and again saves work and changes nothing.
    """
    cache = cache if cache is not None else Cache()
    cache.start()
    references = References.of(world)
    everything = parse(world.manifests, cache)
    parsed = {kind: [item for item in everything if item.manifest.kind is kind] for kind in Kind}
    gateways = resolve_gateways(parsed[Kind.GATEWAY], references, world.platform)
    routes = resolve_routes(parsed[Kind.ROUTE], gateways, references, world, cache)
    attachments = attach(parsed[Kind.POLICY], gateways, routes, cache)
    renderer = Renderer(attachments=attachments, references=references, cache=cache)
    bundles = {}
    for key, gateway in sorted(gateways.items()):
        served = [route for route in routes.values() if route.gateway == key]
        history, reported = observed.history.get(key), observed.proxies.get(key, ())
        bundle = renderer.bundle(gateway, served, history, reported)
        if bundle is not None:
            bundles[key] = bundle
    statuses = Statuses(
        gateways=gateways,
        routes=routes,
        attachments=attachments,
        bundles=bundles,
        observed=observed,
        now=timestamp(now),
        cache=cache,
    )
    problems = {
        **{f"{Kind.GATEWAY}/{key}": gateway.problems for key, gateway in gateways.items()},
        **{f"{Kind.ROUTE}/{key}": route.problems for key, route in routes.items()},
        **{f"{Kind.POLICY}/{key}": found for key, found in attachments.problems.items()},
    }
    return Plan(bundles=bundles, statuses=statuses.all(), problems=problems)
