"""Everything that watches, started together; and what it all comes to, when asked."""

import asyncio
from collections.abc import Callable
from functools import partial

from ostiary.translate.world import Platform
from ostiary_operator.api import Api, Change
from ostiary_operator.doorway import Doorway
from ostiary_operator.feed import Feed
from ostiary_operator.follow import follow
from ostiary_operator.key_names import KeyNames
from ostiary_operator.seen import Seen
from ostiary_operator.sources import CHILDREN, CREDENTIALS, Scope, Source
from ostiary_operator.sweep import Sweep

__all__ = ["Watch"]


class Watch:
    """Watches the namespaces of `scope`; `changed` is called where a plan may come out anew."""

    def __init__(
        self,
        api: Api,
        platform: Platform,
        scope: Scope,
        *,
        changed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._scope = scope
        self._feed = Feed(platform, scope, changed)
        self._keys = KeyNames(api, changed)
        self._sweep = Sweep(api, self._feed, scope, clock=clock, complete=changed)
        self._doorway = Doorway(self._feed, scope, self._sweep.soon)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Return what has to be seen before anything can be planned."""
        return self._sweep.waiting

    @property
    def failures(self) -> tuple[str, ...]:
        """Return what could not be listed lately: what is known of it may be out of date."""
        return self._sweep.failures

    def stand_on(self, platform: Platform) -> None:
        """Take other facts of where Ostiary runs."""
        self._feed.stand_on(platform)

    async def seen(self) -> Seen | None:
        """Return everything at this moment; None before each kind was listed."""
        if self.waiting:
            return None
        return self._feed.seen(await self._keys.of(self._feed.named_secrets()))

    async def run(self) -> None:
        """Watch until something fails for good."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._doorway.run())
            tasks.create_task(self._sweep.run())
            tasks.create_task(self._keys.run())
            for namespace in self._scope:
                for source in CHILDREN:
                    heard = partial(self._hear, source)
                    tasks.create_task(follow(self._api, source, namespace, heard))
                tasks.create_task(follow(self._api, CREDENTIALS, namespace, self._keys.heard))

    def _hear(self, source: Source, change: Change) -> None:
        take = self._feed.drop if change.type == "DELETED" else self._feed.put
        take(source, change.object)
