"""Bringing objects to what was planned, and sending nothing where they are so already.

An object is left alone while it is as it was after our own last apply. What somebody changed,
deleted or stripped of its digest is applied again; what nobody planned any more is deleted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from ostiary.translate.objects import PlannedObject
from ostiary_operator.api import Api
from ostiary_operator.facts import spec_mark
from ostiary_operator.failures import ApiFailed, Conflict, NotFound
from ostiary_operator.handover import hand_over, leaves_count
from ostiary_operator.kinds import KINDS
from ostiary_operator.owned import Owner
from ostiary_operator.seen import Child, ChildKey

__all__ = ["Applier", "NotApplied"]

log = structlog.get_logger(__name__)
_LASTING: Final = frozenset({"PersistentVolumeClaim"})
_Mark = tuple[str, str]
"""uid of an object, and what moves with each change of it that is not its status."""


class NotApplied(Exception):  # noqa: N818 - a statement
    """An object could not be brought to what was planned; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """What an object was like before and after our last apply."""

    digest: str
    before: _Mark | None
    after: _Mark


class Applier:
    """Applies the objects of one gateway."""

    def __init__(self, api: Api, owner: Owner) -> None:
        self._api = api
        self._owner = owner
        self._applied: dict[ChildKey, _Applied] = {}

    async def apply(self, planned: PlannedObject, children: Mapping[ChildKey, Child]) -> None:
        """Apply an object unless it stands; raises NotApplied, also where it is somebody else's."""
        child = children.get(planned.key)
        if self._stands(planned, child):
            return
        try:
            if child is None:
                await self._refuse_foreign(planned.key)
            if leaves_count(planned):
                await hand_over(self._api, planned)
            meta = await self._api.apply(planned.body)
        except ApiFailed as failed:
            kind, _, name = planned.key
            raise NotApplied(f"{kind} {name}: {failed.explained}") from failed
        before = None if child is None else (child.uid, child.mark)
        after = (meta["uid"], spec_mark(planned.key[0], meta))
        applied = _Applied(digest=planned.digest, before=before, after=after)
        self._applied[planned.key] = applied

    def _stands(self, planned: PlannedObject, child: Child | None) -> bool:
        applied = self._applied.get(planned.key)
        if child is None or applied is None or applied.digest != planned.digest:
            return False
        mark = (child.uid, child.mark)
        if mark == applied.after:
            return child.digest == planned.digest
        # What was seen may be older than what we did: then it is still what we found.
        return mark == applied.before

    async def _refuse_foreign(self, key: ChildKey) -> None:
        """Raise NotApplied where an object of this name exists that is not the gateway's."""
        kind, namespace, name = key
        try:
            meta = await self._api.get_metadata(KINDS[kind], namespace, name)
        except NotFound:
            return
        if not self._owner.is_mine(meta):
            raise NotApplied(f"{kind} {name} exists and is not this gateway's; delete or rename it")

    async def prune(self, keep: Iterable[ChildKey], children: Mapping[ChildKey, Child]) -> None:
        """Delete the gateway's objects that are not to be kept; volumes and keys always are."""
        owner = self._owner
        kept = {*keep, ("Secret", owner.namespace, owner.names.keys)}
        for child in children.values():
            ours = (child.namespace, child.gateway_uid) == (owner.namespace, owner.uid)
            if ours and child.key not in kept and child.kind not in _LASTING:
                await self._delete(child)

    async def _delete(self, child: Child) -> None:
        try:
            await self._api.delete(KINDS[child.kind], child.namespace, child.name, uid=child.uid)
        except (NotFound, Conflict):
            return  # gone already, or another one that will be seen
        except ApiFailed as failed:
            said = f"{child.kind} {child.name} can't be deleted: {failed.explained}"
            raise NotApplied(said) from failed
        log.info("deleted", kind=child.kind, namespace=child.namespace, name=child.name)
