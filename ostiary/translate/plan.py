"""The one entry: the whole World, every time, becomes bundles and statuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary.resources.manifest import Kind
from ostiary.translate.attach import attach
from ostiary.translate.fleet import fleet_of
from ostiary.translate.gateways import ResolvedGateway, resolve_gateways
from ostiary.translate.objects import PlannedObject, planned_objects
from ostiary.translate.parsed import Cache, parse
from ostiary.translate.problem import Problem
from ostiary.translate.references import References
from ostiary.translate.render import PlannedBundle, Renderer
from ostiary.translate.routes import ResolvedRoute, resolve_routes
from ostiary.translate.statuses import Statuses
from ostiary.translate.world import History, Observed, World

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be: bundles and objects by gateway key, statuses and problems by object.

    Objects have the key `Kind/namespace/name`. A gateway that has no entry in `objects` is left as
    it is: somebody paused it, or it can't be rolled out as it is written.

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
    """Return what `world` comes to; `now` is epoch seconds: it dates changes, certificates end.

    Pure: equal arguments give equal plans, whatever the order of the objects. A `cache` that is
    passed again and again saves work and changes nothing.
    """
    cache = cache if cache is not None else Cache()
    cache.start()
    references = References.of(world)
    everything = parse(world.manifests, cache)
    parsed = {kind: [item for item in everything if item.manifest.kind is kind] for kind in Kind}
    gateways = resolve_gateways(parsed[Kind.GATEWAY], references, world.platform, now)
    routes = resolve_routes(parsed[Kind.ROUTE], gateways, references, world, cache)
    attachments = attach(parsed[Kind.POLICY], gateways, routes, cache)
    renderer = Renderer(attachments=attachments, references=references, cache=cache)
    bundles = _bundles(renderer, gateways, routes, observed)
    objects = {
        key: planned_objects(fleet)
        for key, gateway in gateways.items()
        if (fleet := fleet_of(gateway, world.platform, references)) is not None
    }
    statuses = Statuses(
        gateways=gateways,
        routes=routes,
        attachments=attachments,
        bundles=bundles,
        observed=observed,
        cluster=world.platform.cluster,
        now=now,
        cache=cache,
    )
    return Plan(
        bundles=bundles,
        objects=objects,
        statuses=statuses.all(),
        problems={
            **{f"{Kind.GATEWAY}/{key}": gateway.problems for key, gateway in gateways.items()},
            **{f"{Kind.ROUTE}/{key}": route.problems for key, route in routes.items()},
            **{f"{Kind.POLICY}/{key}": found for key, found in attachments.problems.items()},
        },
    )


def _bundles(
    renderer: Renderer,
    gateways: Mapping[str, ResolvedGateway],
    routes: Mapping[str, ResolvedRoute],
    observed: Observed,
) -> dict[str, PlannedBundle]:
    """Return the bundle of each gateway that can be served."""
    bundles = {}
    for key, gateway in sorted(gateways.items()):
        served = [route for route in routes.values() if route.gateway == key]
        history, reported = observed.history.get(key), observed.proxies.get(key, ())
        bundle = renderer.bundle(gateway, served, history, reported)
        if bundle is not None:
            bundles[key] = bundle
    return bundles
