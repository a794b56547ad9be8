"""Carrying out plans: the objects of each gateway, its proxies, and every status.

Gateways are independent. One that a quota, a webhook or a name that is taken holds up says so in
its status, and the others go on. A plan that stands already sends nothing.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

import structlog

from ostiary.config.document import SCHEMA
from ostiary.config.older import Older
from ostiary.crypto.seal import Entropy
from ostiary.resources.manifest import Kind
from ostiary.translate.plan import Plan
from ostiary.translate.world import History, Reported, Rollout
from ostiary_operator.api import Api
from ostiary_operator.apply import NotApplied
from ostiary_operator.bundles import HISTORY, TooLarge, read_history
from ostiary_operator.events import Events
from ostiary_operator.failures import NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.owned import Owner
from ostiary_operator.push import AT_ONCE, Proxies
from ostiary_operator.rolling import Rolling
from ostiary_operator.seen import Pod, Seen
from ostiary_operator.statuses import StatusWriter
from ostiary_operator.values import Values, bytes_of

__all__ = ["Hands", "NotCarriedOut"]

log = structlog.get_logger(__name__)
_PATIENCE: Final = 3.0
"""Seconds that statuses may wait for the plan that knows what proxies answered."""


class NotCarriedOut(Exception):  # noqa: N818 - a statement
    """Some of a plan is to be tried again; the message says what."""


class Hands:
    """Acts on one cluster. `changed` is called when the next plan would say something else."""

    def __init__(
        self,
        api: Api,
        *,
        clock: Callable[[], float],
        entropy: Entropy,
        older: Mapping[int, Older],
        changed: Callable[[], None],
    ) -> None:
        self._api = api
        self._changed = changed
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._clock = clock
        self._entropy = entropy
        self._older = older
        self._values = Values(api)
        self._statuses = StatusWriter(api, Events(api, clock, entropy))
        self._proxies: dict[Owner, Proxies] = {}
        self._rollings: dict[Owner, Rolling] = {}
        self._held_up: dict[str, str] = {}
        self._heard = 0
        self._told = 0
        self._waits_since: float | None = None

    async def recall(self, seen: Seen) -> Mapping[str, History]:
        """Return what was rendered last for each gateway, as the cluster keeps it.

        Raises what is to be tried again.
        """
        owners = owners_of(seen)
        found = await asyncio.gather(*(self._history(owner, seen) for owner in owners.values()))
        pairs = zip(owners, found, strict=True)
        return {key: history for key, history in pairs if history is not None}

    def reported(self, seen: Seen) -> Mapping[str, tuple[Reported, ...]]:
        """Return what the proxies of each gateway said last, of the pods that there are now.

        A plan that sees a pod turn ready must know it: nothing may come after to make another.
        """
        self._told = self._heard
        for owner, proxies in self._proxies.items():
            proxies.follow(_pods_of(owner, seen))
        return {owner.key: proxies.reported() for owner, proxies in self._proxies.items()}

    def rollouts(self, seen: Seen) -> Mapping[str, Rollout]:
        """Return how each gateway's fleet is doing; what we could not apply holds it up."""
        none = Rollout(replicas=0, updated=0, ready=0)
        rollouts = dict(seen.rollouts)
        for owner, rolling in self._rollings.items():
            if owner.key in rollouts:
                found = replace(rollouts[owner.key], rotations=rolling.rotations)
                rollouts[owner.key] = found
        for key, why in self._held_up.items():
            rollouts[key] = replace(rollouts.get(key, none), message=why)
        return rollouts

    async def carry_out(self, seen: Seen, planned: Plan) -> None:
        """Bring cluster and proxies to `planned`; raises NotCarriedOut when the rest is done.

        Statuses wait for the next plan where proxies answered meanwhile, or have still to: it
        knows what they said. They are written later, in their own time.
        """
        owners = owners_of(seen)
        await self._follow(seen, owners.values())
        self._values.see(seen.world.secrets)
        acted = [key for key in planned.bundles if key in owners and key not in seen.paused]
        said = await asyncio.gather(*(self._gateway(owners[key], seen, planned) for key in acted))
        self._hold_up({key: why for key, why in zip(acted, said, strict=True) if why})
        settled = all(proxies.settled for proxies in self._proxies.values())
        if (settled and self._told == self._heard) or self._waited_long():
            self._waits_since = None
            self._statuses.offer(seen, planned.statuses)
        if self._held_up:
            raise NotCarriedOut("; ".join(self._held_up.values()))

    async def done(self) -> None:
        """Wait until the statuses of the last plan are written."""
        await self._statuses.done()

    async def close(self) -> None:
        """Leave proxies and statuses alone."""
        self._statuses.close()
        for proxies in self._proxies.values():
            await proxies.close()

    async def _gateway(self, owner: Owner, seen: Seen, planned: Plan) -> str:
        """Roll one gateway out and return what holds it up, '' where nothing does."""
        bundle, objects = planned.bundles[owner.key], planned.objects.get(owner.key)
        try:
            await self._rollings[owner].roll_out(bundle, objects, seen.children)
        except (NotApplied, TooLarge) as known:
            return str(known)
        except Exception as error:
            log.exception("a gateway could not be rolled out", gateway=owner.key)
            return f"an error of the operator: {type(error).__name__}; its log says more"
        return ""

    def _waited_long(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._waits_since is None:
            self._waits_since = now
        return now - self._waits_since >= _PATIENCE

    def _hold_up(self, held_up: dict[str, str]) -> None:
        if held_up != self._held_up:
            log.warning("gateways are held up", gateways=held_up)
            self._held_up = held_up
            self._changed()

    def _hear(self) -> None:
        self._heard += 1
        self._changed()

    async def _follow(self, seen: Seen, owners: Collection[Owner]) -> None:
        """Take note which pods there are of which gateways."""
        for owner in self._proxies.keys() - set(owners):
            del self._rollings[owner]
            await self._proxies.pop(owner).close()
        for owner in owners:
            if owner not in self._proxies:
                self._start(owner)
            self._proxies[owner].follow(_pods_of(owner, seen))

    def _start(self, owner: Owner) -> None:
        proxies = self._proxies[owner] = Proxies(owner, self._gate, self._hear)
        self._rollings[owner] = Rolling(
            self._api,
            owner,
            proxies,
            self._values,
            now=self._clock,
            entropy=self._entropy,
            older=self._older,
        )

    async def _history(self, owner: Owner, seen: Seen) -> History | None:
        """Return the newest in any schema: revisions never go back, up or down the versions."""
        kept = {schema for key in seen.children if (schema := owner.schema_of(key)) is not None}
        names = [owner.names.bundle(0, schema) for schema in sorted(kept | {SCHEMA})]
        found = [await self._history_in(owner, name) for name in names]
        return max(filter(None, found), key=lambda history: history.revision, default=None)

    async def _history_in(self, owner: Owner, name: str) -> History | None:
        try:
            found = await self._api.get(KINDS["Secret"], owner.namespace, name)
        except NotFound:
            return None
        data = bytes_of(found).get(HISTORY)
        return read_history(data) if data and owner.is_mine(found["metadata"]) else None


def owners_of(seen: Seen) -> dict[str, Owner]:
    """Return the gateways that there are."""
    metas = [item.meta for item in seen.world.manifests if item.kind is Kind.GATEWAY]
    owners = [Owner(namespace=m.namespace, name=m.name, uid=m.uid) for m in metas]
    return {owner.key: owner for owner in owners}


def _pods_of(owner: Owner, seen: Seen) -> Iterable[Pod]:
    return (pod for pod in seen.pods if pod.gateway == owner.key)
