"""kopf, the doorway: it discovers, lists and watches; its handlers store what came and do no more.

kopf swallows what a handler raises and may miss what was deleted while a watch was broken, so
errors and truth belong elsewhere: to the loop and to the sweep. No finalizer and no annotation is
ever put on anybody's object.

It runs in a thread and an event loop of its own. Where a watch dies for good kopf takes down every
task of its loop that it did not find there, and then may never return: neither is to be our end.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

import kopf

from ostiary_operator.feed import Feed
from ostiary_operator.sources import NAMESPACES, WHOLE, Scope, Source

__all__ = ["Doorway"]

_LAST: Final = 5.0
"""Seconds that kopf gets to end in."""
_TLS: Final = 0.25
"""Seconds in which connections with TLS that were let go are closed."""


class Doorway:
    """Feeds `feed` with every whole object of a scope; `relisted` is called when a watch broke."""

    def __init__(self, feed: Feed, scope: Scope, relisted: Callable[[], None]) -> None:
        self._feed = feed
        self._relisted = relisted
        self._everywhere = "" in scope
        self._scope = scope

    async def run(self) -> None:
        """Watch until something fails for good, and raise that."""
        ours: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = ours.create_future()
        stop = threading.Event()
        watching = self._watch(ours, ended, stop)
        thread = threading.Thread(target=asyncio.run, args=(watching,), name="kopf", daemon=True)
        thread.start()
        try:
            await ended
        finally:
            stop.set()
            await asyncio.to_thread(thread.join, _LAST)

    async def _watch(
        self, ours: asyncio.AbstractEventLoop, ended: asyncio.Future[None], stop: threading.Event
    ) -> None:
        """Run kopf in its own loop, and tell `ended` in ours why it ends by itself."""
        tasks: Collection[asyncio.Task[None]] = ()
        reason: BaseException = RuntimeError("kopf stopped watching")
        try:
            tasks = await self._spawned(ours, stop)
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            reason = next((error for task in done if (error := task.exception())), reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the operator
            reason = error
        if not stop.is_set():
            ours.call_soon_threadsafe(ended.set_exception, reason)
        with contextlib.suppress(Exception):  # it was told above
            await kopf.run_tasks(tasks)
        await asyncio.sleep(_TLS)

    async def _spawned(
        self, ours: asyncio.AbstractEventLoop, stop: threading.Event
    ) -> Collection[asyncio.Task[None]]:
        return await kopf.spawn_tasks(
            registry=self._registry(ours),
            settings=self._settings(),
            standalone=True,
            # Nobody sees it; kopf's own would be made of the user's name, and ours may have none.
            identity="ostiary-operator",  # type: ignore[arg-type]  # a NewType that kopf keeps back
            clusterwide=self._everywhere,
            namespaces=() if self._everywhere else self._scope,
            stop_flag=stop,
        )

    def _registry(self, ours: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        outside = os.environ.get("KUBECONFIG")
        login = kopf.login_with_kubeconfig if outside else kopf.login_with_service_account
        kopf.on.login(registry=registry, id="login")(login)
        for source in self._sources():
            kopf.on.event(*_selector(source), registry=registry, id=source.kind.plural)(
                self._store(source, ours)
            )
        return registry

    def _sources(self) -> tuple[Source, ...]:
        return tuple(source for source in WHOLE if self._everywhere or source is not NAMESPACES)

    def _store(
        self, source: Source, ours: asyncio.AbstractEventLoop
    ) -> Callable[..., Awaitable[None]]:
        async def store(event: Any, **_: Any) -> None:
            ours.call_soon_threadsafe(self._take, source, event["type"], event["object"])

        return store

    def _take(self, source: Source, kind: str | None, body: dict[str, Any]) -> None:
        """Store what came; no kind of event means that it was listed."""
        if kind == "DELETED":
            self._feed.drop(source, body)
            return
        self._feed.put(source, body)
        if kind is None:
            self._relisted()

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
