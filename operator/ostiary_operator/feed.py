"""The feed: what is known of every object, and one `Seen` of it all whenever it is asked for.

Nothing is decided here. Whoever hears of an object puts it in; `changed` is called where that
changed anything that a plan looks at.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ostiary.resources.inputs import ReferenceGrantInput
from ostiary.translate.world import Platform, Rollout, SecretFacts, ServiceFacts, World
from ostiary_operator.api import Listing
from ostiary_operator.facts import (
    ChildFact,
    NamespaceFact,
    Ours,
    RolloutFact,
    child_fact,
    grant_fact,
    namespace_fact,
    our_fact,
    pod_fact,
    rollout_fact,
    service_fact,
)
from ostiary_operator.seen import Child, Pod, Seen
from ostiary_operator.shelf import Key, Shelf
from ostiary_operator.sources import (
    CHILDREN,
    DEPLOYMENTS,
    GRANTS,
    NAMESPACES,
    OURS,
    PODS,
    SERVICES,
    Scope,
    Source,
)

__all__ = ["Feed", "rollouts_of", "world_of"]

_NAME: Final = "kubernetes.io/metadata.name"


class Feed:
    """A shelf for each source."""

    def __init__(self, platform: Platform, scope: Scope, changed: Callable[[], None]) -> None:
        self._platform = platform
        self._scope = scope
        self._changed = changed
        self._ours = {source: Shelf(our_fact) for source in OURS}
        self._namespaces = Shelf(namespace_fact)
        self._services = Shelf(service_fact)
        self._grants = Shelf(grant_fact)
        self._pods = Shelf(pod_fact)
        self._rollouts = Shelf(rollout_fact)
        self._children = {source: _child_shelf(source) for source in CHILDREN}
        self._shelves: Mapping[Source, Shelf[Any]] = {
            **self._ours,
            **self._children,
            NAMESPACES: self._namespaces,
            SERVICES: self._services,
            GRANTS: self._grants,
            PODS: self._pods,
            DEPLOYMENTS: self._rollouts,
        }

    def stand_on(self, platform: Platform) -> None:
        """Take other facts of where Ostiary runs."""
        self._platform = platform
        self._changed()

    def put(self, source: Source, body: Mapping[str, Any]) -> None:
        """Take what an object is now."""
        if self._shelves[source].put(body):
            self._changed()

    def drop(self, source: Source, body: Mapping[str, Any]) -> None:
        """Take that an object has gone."""
        if self._shelves[source].drop(body):
            self._changed()

    def sweep(self, source: Source, namespace: str, listing: Listing) -> None:
        """Let go what is no longer there."""
        if self._shelves[source].sweep(listing, namespace):
            self._changed()

    def behind(self, source: Source, listing: Listing) -> set[Key]:
        """Return the objects of a listing of which nothing, or nothing so new, was heard."""
        return self._shelves[source].behind(listing)

    def missing(self, source: Source, listing: Listing) -> bool:
        """Say whether a listing has an object of which nothing was heard at all."""
        return self._shelves[source].missing(listing)

    def named_secrets(self) -> frozenset[Key]:
        """Return the Secrets that objects of the three kinds refer to."""
        return frozenset(
            (ours.manifest.meta.namespace, name) for ours in self._all() for name in ours.secrets
        )

    def seen(self, secrets: Iterable[SecretFacts]) -> Seen:
        """Return everything at this moment."""
        pods = tuple(self._pods.facts())
        ours = tuple(self._all())
        keys = {f"{item.manifest.kind}/{item.manifest.key}": item for item in ours}
        return Seen(
            world=world_of(
                ours,
                namespaces=self._known_namespaces(),
                services=self._services.facts(),
                grants=self._grants.facts(),
                secrets=secrets,
                platform=self._platform,
            ),
            statuses={key: item.status for key, item in keys.items()},
            uids={key: item.manifest.meta.uid for key, item in keys.items()},
            versions={key: item.version for key, item in keys.items()},
            children={child.key: child for child in self._all_children()},
            pods=pods,
            rollouts=rollouts_of(self._rollouts.facts(), pods),
            paused=frozenset(item.manifest.key for item in ours if item.paused),
        )

    def _all(self) -> Iterable[Ours]:
        return (item for shelf in self._ours.values() for item in shelf.facts())

    def _all_children(self) -> Iterable[Child]:
        return (item.child for shelf in self._children.values() for item in shelf.facts())

    def _known_namespaces(self) -> Iterable[NamespaceFact]:
        """Return all namespaces; where only some are served, no more than their names is known."""
        if "" in self._scope:
            return self._namespaces.facts()
        return (
            NamespaceFact(name=name, labels={_NAME: name}, terminating=False)
            for name in self._scope
        )


def _child_shelf(source: Source) -> Shelf[ChildFact]:
    kind = source.kind
    return Shelf(partial(child_fact, api_version=kind.api_version, kind=kind.kind))


def world_of(
    ours: Iterable[Ours],
    *,
    namespaces: Iterable[NamespaceFact],
    services: Iterable[ServiceFacts],
    grants: Iterable[ReferenceGrantInput],
    secrets: Iterable[SecretFacts],
    platform: Platform,
) -> World:
    """Return the World of these facts.

    What is in a namespace that is being deleted leaves it all at once: the server deletes in no
    order, and a Deny that goes before its Allow would open what it closed.
    """
    namespaces = tuple(namespaces)
    going = {namespace.name for namespace in namespaces if namespace.terminating}
    return World(
        manifests=tuple(
            item.manifest for item in ours if item.manifest.meta.namespace not in going
        ),
        secrets=tuple(secrets),
        namespaces={namespace.name: namespace.labels for namespace in namespaces},
        services=tuple(services),
        grants=tuple(grants),
        services_known=True,
        platform=platform,
    )


def rollouts_of(rollouts: Iterable[RolloutFact], pods: Iterable[Pod]) -> dict[str, Rollout]:
    """Return how each gateway's Deployment is doing; what ails its pods tells more than it does."""
    troubles: dict[str, str] = {}
    for pod in sorted(pods, key=lambda pod: pod.name):
        if pod.trouble and not pod.terminating:
            troubles.setdefault(pod.gateway, pod.trouble)
    return {
        item.gateway: replace(
            item.rollout, message=item.rollout.message or troubles.get(item.gateway, "")
        )
        for item in rollouts
    }
