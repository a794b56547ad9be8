"""kopf, the doorway: it discovers, lists and watches; its handlers store what came and do no more.

kopf swallows what a handler raises and may miss what was deleted while a watch was broken, so
errors and truth belong elsewhere: to the loop and to the sweep. No finalizer and no annotation is
ever put on anybody's object.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from ostiary_operator.feed import Feed
from ostiary_operator.sources import NAMESPACES, WHOLE, Scope, Source

__all__ = ["Doorway"]


class Doorway:
    """Feeds `feed` with every whole object of a scope; `relisted` is called when a watch broke."""

    def __init__(self, feed: Feed, scope: Scope, relisted: Callable[[], None]) -> None:
        self._feed = feed
        self._relisted = relisted
        self._everywhere = "" in scope
        self._scope = scope

    async def run(self, started: Callable[[], None]) -> None:
        """Watch until something fails for good; `started` is called once kopf has its signals.

        It ends by an exception, or by its end: neither is to be survived.
        """
        before = frozenset(asyncio.all_tasks())
        tasks = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=self._settings(),
            standalone=True,
            clusterwide=self._everywhere,
            namespaces=() if self._everywhere else self._scope,
        )
        started()
        await kopf.run_tasks(tasks, ignored=before)
        raise RuntimeError("kopf stopped watching")

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        outside = os.environ.get("KUBECONFIG")
        login = kopf.login_with_kubeconfig if outside else kopf.login_with_service_account
        kopf.on.login(registry=registry, id="login")(login)
        for source in self._sources():
            kopf.on.event(*_selector(source), registry=registry, id=source.kind.plural)(
                self._store(source)
            )
        return registry

    def _sources(self) -> tuple[Source, ...]:
        return tuple(source for source in WHOLE if self._everywhere or source is not NAMESPACES)

    def _store(self, source: Source) -> Callable[..., Awaitable[None]]:
        async def store(event: Any, **_: Any) -> None:
            if event["type"] == "DELETED":
                self._feed.drop(source, event["object"])
                return
            self._feed.put(source, event["object"])
            if event["type"] is None:
                self._relisted()

        return store

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        settings.watching.server_timeout = 300
        settings.watching.connect_timeout = 10
        # Without rights to look at the whole cluster kopf would warn again and again.
        settings.scanning.disabled = not self._everywhere
        for source in self._sources():
            if source.labels:
                settings.watching.label_selectors[_selector(source)] = source.labels
        return settings


def _selector(source: Source) -> tuple[str, str]:
    return (source.kind.api_version, source.kind.plural)
