"""Which keys the Secrets have that objects refer to: names and versions, never a value.

A Secret with the label `ostiary.dev/credential: "true"` is heard of at once; any other is looked at
every ten seconds, so that one that comes later is noticed too.
"""

import asyncio
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, Final

import structlog

from ostiary.translate.certificates import certificate_in
from ostiary.translate.world import SecretFacts
from ostiary_operator.api import Api, Change
from ostiary_operator.failures import ApiFailed, NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.shelf import Key
from ostiary_operator.values import text_of

__all__ = ["KeyNames"]

log = structlog.get_logger(__name__)
_SECRET: Final = KINDS["Secret"]
_PERIOD: Final = 10.0
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read last; no facts where there is no such Secret."""

    version: str
    facts: SecretFacts | None


class KeyNames:
    """Reads named Secrets; `changed` is called where one has to be read again."""

    def __init__(self, api: Api, changed: Callable[[], None]) -> None:
        self._api = api
        self._changed = changed
        self._read: dict[Key, _Read] = {}
        self._stale: set[Key] = set()
        self._limit = asyncio.Semaphore(_AT_ONCE)

    async def of(self, wanted: Set[Key]) -> tuple[SecretFacts, ...]:
        """Return those of the wanted Secrets that exist."""
        for key in self._read.keys() - wanted:
            del self._read[key]
            self._stale.discard(key)
        due = [key for key in wanted if key not in self._read or key in self._stale]
        await asyncio.gather(*(self._get(key) for key in due))
        return tuple(read.facts for read in self._read.values() if read.facts is not None)

    def heard(self, change: Change) -> None:
        """Take what a watch says of a Secret."""
        meta = change.object["metadata"]
        key = (meta["namespace"], meta["name"])
        self._notice(key, "" if change.type == "DELETED" else _version(meta))

    async def run(self) -> None:
        """Look at what is named again and again; never ends."""
        while True:
            await asyncio.sleep(_PERIOD)
            for namespace in {namespace for namespace, _ in self._read}:
                try:
                    await self._look(namespace)
                except ApiFailed as failed:
                    log.warning("can't list Secrets", namespace=namespace, error=str(failed))

    async def _look(self, namespace: str) -> None:
        listing = await self._api.list_metadata(_SECRET, namespace, at="0")
        there = {item["metadata"]["name"]: _version(item["metadata"]) for item in listing.items}
        for key in [key for key in self._read if key[0] == namespace]:
            self._notice(key, there.get(key[1], ""))

    def _notice(self, key: Key, version: str) -> None:
        if key in self._read and self._read[key].version != version:
            self._stale.add(key)
            self._changed()

    async def _get(self, key: Key) -> None:
        async with self._limit:
            try:
                self._read[key] = _facts(await self._api.get(_SECRET, *key))
            except NotFound:
                self._read[key] = _Read("", None)
            except ApiFailed as failed:
                # What was read before stays; what was never read counts as absent until it can be.
                self._read.setdefault(key, _Read("", None))
                log.warning("can't read a Secret", name="/".join(key), error=str(failed))
                return
        self._stale.discard(key)


def _facts(body: dict[str, Any]) -> _Read:
    meta = body["metadata"]
    version = _version(meta)
    keys = dict.fromkeys(body.get("data", {}), version)
    facts = SecretFacts(
        namespace=meta["namespace"],
        name=meta["name"],
        keys=keys,
        certificate=certificate_in(text_of(body)),
    )
    return _Read(version, facts)


def _version(meta: dict[str, Any]) -> str:
    return f"{meta['uid']}/{meta['resourceVersion']}"
