"""Writing statuses: those that differ from what stands, each onto the very object it is about."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from ostiary.resources.manifest import API_VERSION
from ostiary_operator.api import Api, Object
from ostiary_operator.events import Events
from ostiary_operator.failures import ApiFailed, Conflict, NotFound
from ostiary_operator.kinds import KINDS
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


class StatusWriter:
    """The statuses of all objects."""

    def __init__(self, api: Api, events: Events) -> None:
        self._api = api
        self._events = events
        self._written: dict[str, _Written] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._away = False

    async def write(self, seen: Seen, statuses: Mapping[str, _Status]) -> tuple[str, ...]:
        """Write what differs; return what could not be written, in words."""
        due = [key for key, status in statuses.items() if self._is_due(key, status, seen)]
        self._away = False
        said = await asyncio.gather(*(self._write(key, statuses[key], seen) for key in due))
        self._written = {key: self._written[key] for key in self._written.keys() & statuses.keys()}
        return tuple(filter(None, said))

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

    async def _write(self, key: str, status: _Status, seen: Seen) -> str:
        async with self._gate:
            if self._away:
                return ""  # a thousand deadlines one after the other would hold up everything
            try:
                meta = await self._apply(key, status, seen)
            except NotFound:
                return ""
            except ApiFailed as failed:
                self._away |= failed.status == 0  # no answer at all
                log.warning("a status can't be written", object=key, why=str(failed))
                return f"status of {key}: {failed.explained}"
            if meta is None:
                return ""
            self._written[key] = _Written(
                uid=seen.uids[key],
                status=status,
                version=meta["resourceVersion"],
                seen_version=seen.versions.get(key, ""),
            )
            await self._events.tell(key, meta, status, seen.statuses.get(key, {}))
        return ""

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
