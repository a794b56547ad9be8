"""The loop: whenever something changed, the whole World is planned anew and the plan carried out.

Planning runs in a worker thread. A failure, even a bug, leaves the last state as it stands, says so
and is tried again; it never ends the loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from ostiary.resources.manifest import Kind
from ostiary.translate.parsed import Cache
from ostiary.translate.plan import Plan, plan
from ostiary.translate.world import History, Observed, Reported, Rollout
from ostiary_operator.hands import NotCarriedOut
from ostiary_operator.metrics import Metrics
from ostiary_operator.pace import Pace, backoff
from ostiary_operator.seen import Seen

__all__ = ["Carrying", "Clocks", "Loop"]

log = structlog.get_logger(__name__)
_AT_LATEST: Final = 60.0
"""Seconds after which it is planned without a change: a status that somebody bent is put right."""


class Carrying(Protocol):
    """Who carries plans out."""

    async def recall(self, seen: Seen) -> Mapping[str, History]:
        """Return what was rendered last, by gateway, as the cluster keeps it."""

    def reported(self, seen: Seen) -> Mapping[str, tuple[Reported, ...]]:
        """Return what the proxies that there are said last, by gateway."""

    def rollouts(self, seen: Seen) -> Mapping[str, Rollout]:
        """Return how each gateway is doing, with what we could not apply."""

    async def carry_out(self, seen: Seen, planned: Plan) -> None:
        """Make the cluster and its proxies so; raises NotCarriedOut for what failed of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Wall time dates conditions, monotonic time measures; `jitter` is between 0 and 1."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]
    jitter: Callable[[], float]


class Loop:
    """Plans what `seen` returns and has `hands` carry it out."""

    def __init__(
        self,
        seen: Callable[[], Awaitable[Seen | None]],
        hands: Carrying,
        pace: Pace,
        metrics: Metrics,
        clocks: Clocks,
    ) -> None:
        self._seen = seen
        self._hands = hands
        self._pace = pace
        self._metrics = metrics
        self._clocks = clocks
        self._cache = Cache()
        self._history: Mapping[str, History] | None = None
        self._failures = 0
        self.revisions: Mapping[str, int] | None = None
        """Current revisions by the uid of their gateway; None before the first plan."""
        self.failure: str | None = None
        """Why no plan can be made: a bug, or a cluster that doesn't answer; None where it can."""

    async def run(self) -> None:
        """Plan for ever."""
        while True:
            await self._pace.due(self._pause())
            try:
                if await self._turn():
                    self._failures = 0
                    self._planned("done")
            except NotCarriedOut as failed:
                # Whom something holds up reads it in a status: it is no reason to be unready.
                self._failures += 1
                self._planned("not_carried_out")
                log.warning("some of a plan is to be tried again", error=str(failed))
            except Exception as error:
                self._failures += 1
                self.failure = f"no plan can be made ({type(error).__name__}); the log says more"
                self._metrics.plans.labels("failed").inc()
                log.exception("a plan failed and is tried again", failures=self._failures)

    def _pause(self) -> float:
        return backoff(self._failures, self._clocks.jitter()) if self._failures else _AT_LATEST

    def _planned(self, outcome: str) -> None:
        self.failure = None
        self._pace.done()
        self._metrics.plans.labels(outcome).inc()
        self._metrics.last_success.set(self._clocks.wall())

    async def _turn(self) -> bool:
        """Plan and carry out; say whether there was anything to plan on."""
        seen = await self._seen()
        if seen is None:
            return False
        if self._history is None:
            self._history = await self._hands.recall(seen)
        planned = await self._plan(seen, self._history)
        # A gateway that can't be read for a while goes on where it was.
        self._history = {**self._history, **planned.history}
        self.revisions = {
            seen.uids[f"{Kind.GATEWAY}/{key}"]: bundle.revision
            for key, bundle in planned.bundles.items()
        }
        self._metrics.closed_routes.set(_closed_routes(planned))
        await self._hands.carry_out(seen, planned)
        return True

    async def _plan(self, seen: Seen, history: Mapping[str, History]) -> Plan:
        observed = Observed(
            proxies=self._hands.reported(seen),
            rollouts=self._hands.rollouts(seen),
            history=history,
            statuses=seen.statuses,
        )
        cache, now = self._cache, self._clocks.wall()
        # What a plan that breaks off leaves in its cache is not to be trusted.
        self._cache = Cache()
        with self._metrics.plan_seconds.time():
            planned = await asyncio.to_thread(plan, seen.world, observed, now, cache=cache)
        self._cache = cache
        return planned


def _closed_routes(planned: Plan) -> int:
    return sum(
        route.closed is not None
        for bundle in planned.bundles.values()
        for route in bundle.config.routes
    )
