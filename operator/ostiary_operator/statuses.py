"""Writing statuses: those that differ from what stands, each onto the very object it is about."""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from ostiary.resources.manifest import API_VERSION
from ostiary_operator.api import Api, Object
from ostiary_operator.events import Events
from ostiary_operator.failures import ApiFailed, Conflict, NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.pace import backoff
from ostiary_operator.seen import Seen

__all__ = ["StatusWriter"]

log = structlog.get_logger(__name__)
_AT_ONCE: Final = 50
_ATTEMPTS: Final = 3
_Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What we wrote last, at which version it then stood, and what was seen there before."""

    uid: str
    status: _Status
    version: str
    seen_version: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Offer:
    seen: Seen
    statuses: Mapping[str, _Status]


class StatusWriter:
    """Writes in its own time: a thousand statuses must not keep a new policy from its proxies."""

    def __init__(self, api: Api, events: Events) -> None:
        self._api = api
        self._events = events
        self._written: dict[str, _Written] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._offered: _Offer | None = None
        self._task: asyncio.Task[None] | None = None

    def offer(self, seen: Seen, statuses: Mapping[str, _Status]) -> None:
        """Have these written from now on; what is left of an earlier offer is dropped."""
        self._offered = _Offer(seen=seen, statuses=statuses)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def done(self) -> None:
        """Wait until what was offered is written."""
        if self._task is not None:
            await self._task

    def close(self) -> None:
        """Write nothing any more."""
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        """Write the newest offer until all of it is written."""
        failures = 0
        while True:
            offer = self._offered
            assert offer is not None
            complete = await self._pass(offer)
            if offer is not self._offered:
                continue
            if complete:
                return
            await asyncio.sleep(backoff(failures, random.random()))  # noqa: S311 - spreads load
            failures += 1

    async def _pass(self, offer: _Offer) -> bool:
        """Write what differs in an offer, as long as there is no newer; say whether all worked."""
        due = [
            key for key, status in offer.statuses.items() if self._is_due(key, status, offer.seen)
        ]
        try:
            worked = await asyncio.gather(*(self._write(key, offer) for key in due))
        except Exception:
            log.exception("statuses could not be written")
            return False
        known = self._written.keys() & offer.statuses.keys()
        self._written = {key: self._written[key] for key in known}
        return all(worked)

    def _is_due(self, key: str, status: _Status, seen: Seen) -> bool:
        if key not in seen.uids:
            return False
        last = self._last(key, seen)
        return status != (seen.statuses.get(key) if last is None else last.status)

    def _last(self, key: str, seen: Seen) -> _Written | None:
        """Return what we wrote last where what was seen is older than that."""
        last = self._written.get(key)
        stood = (seen.uids[key], seen.versions.get(key))
        return last if last is not None and (last.uid, last.seen_version) == stood else None

    async def _write(self, key: str, offer: _Offer) -> bool:
        seen, status = offer.seen, offer.statuses[key]
        async with self._gate:
            if offer is not self._offered:
                return True
            try:
                meta = await self._apply(key, status, seen)
            except NotFound:
                return True
            except ApiFailed as failed:
                log.warning("a status can't be written", object=key, why=failed.explained)
                return False
            if meta is None:
                return True
            self._written[key] = _Written(
                uid=seen.uids[key],
                status=status,
                version=meta["resourceVersion"],
                seen_version=seen.versions.get(key, ""),
            )
            await self._events.tell(key, meta, status, seen.statuses.get(key, {}))
        return True

    async def _apply(self, key: str, status: _Status, seen: Seen) -> Object | None:
        """Apply a status to the very object that was seen; None where another has its name now."""
        kind, namespace, name = key.split("/")
        meta = {"namespace": namespace, "name": name}
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "status": status}
        last = self._last(key, seen)
        version = last.version if last is not None else seen.versions.get(key)
        for _ in range(_ATTEMPTS):
            if version is not None:
                meta["resourceVersion"] = version
                with contextlib.suppress(Conflict):
                    return await self._api.apply(body, part="status")
            # Somebody changed the object since it was seen, or made it again.
            now = await self._api.get_metadata(KINDS[kind], namespace, name)
            if now["uid"] != seen.uids[key]:
                return None
            version = now["resourceVersion"]
        raise Conflict("it changes faster than its status can be written")
