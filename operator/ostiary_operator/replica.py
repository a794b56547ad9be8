"""One replica: it stands by until it wins the election, and then watches, plans and acts.

A replica that stands by watches nothing: it is ready to take over, and starts from a listing then.
The webhook is served by both.
"""

import asyncio
import os
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import structlog

from ostiary.config.older import OLDER
from ostiary.translate.world import Platform
from ostiary_operator.apart import Apart
from ostiary_operator.api import Api
from ostiary_operator.default_gateway import make_once
from ostiary_operator.election import Election
from ostiary_operator.hands import Hands
from ostiary_operator.loop import Clocks, Loop
from ostiary_operator.masked import masked
from ostiary_operator.metrics import Metrics
from ostiary_operator.pace import Pace
from ostiary_operator.proxy_image import ProxyImage
from ostiary_operator.settings import Settings
from ostiary_operator.watch import Watch
from ostiary_operator.webhook import Webhook

__all__ = ["Replica"]

log = structlog.get_logger(__name__)
_CLOCKS: Final = Clocks(
    wall=time.time,  # noqa: TID251 - the edge has the clock
    monotonic=time.monotonic,
    jitter=random.SystemRandom().random,
)


class Replica:
    """Joins the parts of one process; what its port tells of them is here too.

    The election goes by `lease`, which was connected `apart`: neither connections nor a loop that a
    thousand objects keep busy may cost us the Lease.
    """

    def __init__(
        self, settings: Settings, api: Api, metrics: Metrics, *, apart: Apart, lease: Api
    ) -> None:
        self._settings = settings
        self._api = api
        self._metrics = metrics
        self._apart = apart
        self._pace = Pace(_CLOCKS.monotonic)
        self._election = Election(
            lease,
            settings.namespace,
            settings.identity,
            monotonic=_CLOCKS.monotonic,
            wall=_CLOCKS.wall,
        )
        self._watch = Watch(
            api,
            Platform(cluster=settings.cluster),
            settings.scope,
            changed=self._pace.ring,
            clock=_CLOCKS.monotonic,
        )
        self._hands = Hands(
            api,
            clock=_CLOCKS.wall,
            entropy=os.urandom,
            older=OLDER,
            changed=self._pace.ring,
        )
        self._loop = Loop(self._watch.seen, self._hands, self._pace, metrics, _CLOCKS)
        self._webhook = self._standing_webhook()
        self._proxy_image = self._template()
        self._acting: tuple[asyncio.Task[None], ...] = ()
        metrics.watch(
            {
                "queue_age_seconds": ("Age of the oldest change not acted on", self._age),
                "unlisted": ("Kinds that can't be listed", lambda: len(self._watch.failures)),
            }
        )

    async def run(self) -> None:
        """Stand for election, then act until that fails for good; never ends well."""
        async with asyncio.TaskGroup() as tasks:
            if self._webhook is not None:
                tasks.create_task(self._webhook.run())
            await self._apart.run(self._election.win())
            self._metrics.leader.set(1)
            if self._proxy_image is not None:
                await self._proxy_image.look()
                tasks.create_task(self._proxy_image.run())
            tasks.create_task(self._watch.run())
            self._acting = (
                tasks.create_task(self._apart.run(self._election.hold())),
                tasks.create_task(self._loop.run()),
            )
            if self._settings.default_gateway is not None:
                gateway = dict(self._settings.default_gateway)
                tasks.create_task(make_once(self._api, self._settings.namespace, gateway))

    async def rest(self) -> None:
        """Stop acting and let another replica act at once."""
        for task in self._acting:
            task.cancel()
        await asyncio.gather(*self._acting, return_exceptions=True)
        await self._hands.close()
        await self._apart.run(self._election.release())

    def acts(self) -> bool:
        """Say whether this replica is the one that acts."""
        return bool(self._acting)

    def unready(self) -> str | None:
        """Return why the operator isn't ready; one that stands by is."""
        if not self.acts():
            return None
        return "\n".join(self._watch.waiting) or self._loop.failure

    def revisions(self) -> Mapping[str, int] | None:
        """Return current revisions by uid of their gateway; None where another replica acts."""
        return self._loop.revisions

    async def world(self) -> dict[str, Any]:
        """Return what is known, masked."""
        seen = await self._watch.seen()
        waiting = {"waiting": self._watch.waiting, "failures": self._watch.failures}
        return waiting if seen is None else {**waiting, **masked(seen)}

    def _standing_webhook(self) -> Webhook | None:
        port, namespace = self._settings.webhook_port, self._settings.namespace
        if port is None:
            return None
        return Webhook(
            self._api,
            namespace,
            port,
            acts=self.acts,
            now=_CLOCKS.wall,
            count=lambda verdict: self._metrics.reviews.labels(verdict).inc(),
        )

    def _template(self) -> ProxyImage | None:
        name, namespace = self._settings.proxy_template, self._settings.namespace
        return None if name is None else ProxyImage(self._api, namespace, name, self._roll_out)

    def _roll_out(self, image: str) -> None:
        """Have proxies be of this image from now on."""
        self._watch.stand_on(Platform(cluster=replace(self._settings.cluster, image=image)))

    def _age(self) -> float:
        return self._pace.age
