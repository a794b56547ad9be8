"""The election: one replica acts, by a Lease that it renews; the others look each second.

Taking, renewing and releasing are replacements with the resourceVersion that was read, so that of
two who try at once one is refused.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from ostiary_operator.api import Api
from ostiary_operator.failures import ApiFailed, Conflict, NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.lease import (
    LeaseView,
    claimed,
    may_take,
    new_lease,
    released,
    view,
)

__all__ = ["LEASE", "Election", "Lost"]

log = structlog.get_logger(__name__)
LEASE: Final = "ostiary-operator"
_KIND: Final = KINDS["Lease"]
_LOOK: Final = 1.0
"""Seconds between two looks at another's Lease: what a hand-over takes at most."""
_RENEW: Final = 2.0
_DEADLINE: Final = 10.0
"""Seconds without a renewal after which we stop acting, well before another may start."""


class Lost(Exception):  # noqa: N818 - a statement
    """This replica may no longer act."""


class Election:
    """Stands for `me` in a namespace; `monotonic` measures, `wall` is written for people."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        me: str,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._me = me
        self._monotonic = monotonic
        self._wall = wall
        self._view: LeaseView | None = None
        self._renewed = 0.0

    async def win(self) -> None:
        """Wait until this replica may act."""
        while not await self._try(_DEADLINE):  # noqa: ASYNC110 - nothing tells us of another's Lease
            await asyncio.sleep(_LOOK)
        log.info("this replica acts", identity=self._me)

    async def hold(self) -> None:
        """Renew for ever; raises Lost where another holds it or it can't be renewed in time."""
        while True:
            await asyncio.sleep(_RENEW)
            left = self._renewed + _DEADLINE - self._monotonic()
            if left <= 0:
                raise Lost(f"the Lease was not renewed for {_DEADLINE:.0f} seconds")
            held = await self._try(left)
            if not held and self._view is not None and self._view.holder != self._me:
                raise Lost(f"the Lease is held by {self._view.holder or 'nobody'}")

    async def release(self) -> None:
        """Let another act at once; where that fails, it waits until the Lease has run out."""
        try:
            lease = await self._api.get(_KIND, self._namespace, LEASE)
            if lease.get("spec", {}).get("holderIdentity") == self._me:
                await self._api.replace(released(lease))
        except ApiFailed as failed:
            log.warning("the Lease could not be released", error=str(failed))

    async def _try(self, seconds: float) -> bool:
        """Take or renew within so many seconds; say whether that worked."""
        began = self._monotonic()
        try:
            async with asyncio.timeout(seconds):
                worked = await self._claim()
        except Conflict:
            return False
        except (ApiFailed, TimeoutError) as failed:
            log.warning(
                "the Lease can't be read or written", error=str(failed) or "no answer in time"
            )
            return False
        if worked:
            self._renewed = began
        return worked

    async def _claim(self) -> bool:
        try:
            lease: dict[str, Any] = await self._api.get(_KIND, self._namespace, LEASE)
        except NotFound:
            await self._api.create(new_lease(self._namespace, LEASE, self._me, self._wall()))
            return True
        self._view = view(lease, self._view, self._monotonic())
        if not may_take(self._view, self._me, self._monotonic()):
            return False
        await self._api.replace(claimed(lease, self._me, self._wall()))
        return True
