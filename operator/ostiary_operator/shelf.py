"""The objects of one kind, each by the fact that is read of it.

Events may come late, twice or not at all: an older one than what is known changes nothing, and a
listing says what no event said.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import structlog

from ostiary.decode.fault import Faulty
from ostiary_operator.api import Listing

__all__ = ["Key", "Shelf"]

log = structlog.get_logger(__name__)
T = TypeVar("T")
Key = tuple[str, str]
"""Namespace ('' for a kind without) and name."""

_REMEMBERED: Final = 10_000
"""How many objects that have gone are remembered, so that a late event brings none back."""


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    uid: str
    version: int
    fact: T | None


class Shelf(Generic[T]):
    """`read` makes the fact of a body: None where the object does not count; Faulty is one."""

    def __init__(self, read: Callable[[Mapping[str, Any]], T | None]) -> None:
        self._read = read
        self._held: dict[Key, _Held[T]] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()

    def facts(self) -> Iterator[T]:
        """Yield the facts of all objects that count."""
        return (held.fact for held in self._held.values() if held.fact is not None)

    def put(self, body: Mapping[str, Any]) -> bool:
        """Take what an object is now; say whether a fact changed."""
        key, uid, version = _identity(body)
        held = self._held.get(key)
        if version <= self._gone.get(uid, -1):
            return False
        if held is not None and version <= held.version:
            return False
        fact = self._fact(body)
        self._held[key] = _Held(uid, version, fact)
        return fact != (None if held is None else held.fact)

    def drop(self, body: Mapping[str, Any]) -> bool:
        """Take that an object has gone; say whether a fact changed."""
        key, uid, version = _identity(body)
        self._bury(uid, version)
        held = self._held.get(key)
        return held is not None and held.uid == uid and self._leave(key)

    def sweep(self, listing: Listing, namespace: str) -> bool:
        """Let go what a listing of a namespace ('' for all) no longer has; say if facts changed.

        An object that is newer than the listing stays.
        """
        at = int(listing.resource_version)
        there = {key: uid for key, uid, _ in map(_identity, listing.items)}
        gone = [
            (key, held.uid)
            for key, held in self._held.items()
            if namespace in ("", key[0]) and held.version <= at and there.get(key) != held.uid
        ]
        changed = False
        for key, uid in gone:
            self._bury(uid, at)
            changed |= self._leave(key)
        return changed

    def behind(self, listing: Listing) -> set[Key]:
        """Return what a listing has that is newer here than what is known, or not known."""
        return {
            key
            for key, uid, version in map(_identity, listing.items)
            if version > self._gone.get(uid, -1)
            and (key not in self._held or self._held[key].version < version)
        }

    def missing(self, listing: Listing) -> bool:
        """Say whether a listing has an object of which nothing is known."""
        return any(key not in self._held for key in self.behind(listing))

    def _fact(self, body: Mapping[str, Any]) -> T | None:
        try:
            return self._read(body)
        except Faulty as faulty:
            name = "/".join(filter(None, _identity(body)[0]))
            log.error("an object can't be read and is left out", name=name, error=str(faulty))
            return None

    def _leave(self, key: Key) -> bool:
        return self._held.pop(key).fact is not None

    def _bury(self, uid: str, version: int) -> None:
        self._gone[uid] = max(version, self._gone.pop(uid, 0))
        if len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)


def _identity(body: Mapping[str, Any]) -> tuple[Key, str, int]:
    meta = body["metadata"]
    # resourceVersions of a kind compare as numbers: what the storage does, and since 1.35 a promise
    return (meta.get("namespace", ""), meta["name"]), meta["uid"], int(meta["resourceVersion"])
