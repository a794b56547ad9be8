"""Values of Secrets, read by name and kept for as long as what was seen of the Secret stays.

A value that is not there, may not be read or is no text is missing: whatever needs it closes.
"""

import asyncio
import base64
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from ostiary.crypto.secret import Secret
from ostiary.translate.references import SecretKey
from ostiary.translate.world import SecretFacts
from ostiary_operator.api import Api, Object
from ostiary_operator.apply import NotApplied
from ostiary_operator.failures import ApiFailed, Forbidden, NotFound
from ostiary_operator.kinds import KINDS

__all__ = ["SecretValues", "Values", "bytes_of", "text_of"]

log = structlog.get_logger(__name__)
_AT_ONCE: Final = 20
SecretValues = dict[tuple[str, str, str], Secret]
"""Values by namespace, name and key."""
_Name = tuple[str, str]
_Versions = Mapping[str, str]


class Values:
    """The Secrets of one cluster."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._versions: dict[_Name, _Versions] = {}
        self._kept: dict[_Name, tuple[_Versions, Mapping[str, Secret]]] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def see(self, facts: Iterable[SecretFacts]) -> None:
        """Take note which Secrets stand, at which versions; what was read of others is dropped."""
        self._versions = {(fact.namespace, fact.name): fact.keys for fact in facts}
        gone = self._kept.keys() - self._versions.keys()
        for name in gone:
            del self._kept[name]

    async def read(self, wanted: Iterable[SecretKey]) -> SecretValues:
        """Return the values that there are.

        Raises NotApplied rather than calling a value missing that could not be asked for.
        """
        refs = set(wanted)
        named = sorted({(ref.namespace, ref.name) for ref in refs} & self._versions.keys())
        read = await asyncio.gather(*(self._secret(name) for name in named))
        held = dict(zip(named, read, strict=True))
        return {
            (ref.namespace, ref.name, ref.key): value
            for ref in refs
            if (value := held.get((ref.namespace, ref.name), {}).get(ref.key)) is not None
        }

    async def _secret(self, name: _Name) -> Mapping[str, Secret]:
        kept, versions = self._kept.get(name), self._versions[name]
        if kept is not None and kept[0] == versions:
            return kept[1]
        async with self._gate:
            try:
                found = text_of(await self._api.get(KINDS["Secret"], *name))
            except (NotFound, Forbidden) as failed:
                log.warning("a Secret can't be read", secret="/".join(name), why=str(failed))
                return {}
            except ApiFailed as failed:
                raise NotApplied(f"Secret {name[1]} can't be read: {failed.explained}") from failed
        self._kept[name] = (versions, found)
        return found


def bytes_of(secret: Object) -> dict[str, bytes]:
    """Return what a Secret holds under each key."""
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def text_of(secret: Object) -> dict[str, Secret]:
    """Return what a Secret holds under each key that holds text."""
    texts = {key: _text(value) for key, value in bytes_of(secret).items()}
    return {key: text for key, text in texts.items() if text is not None}


def _text(value: bytes) -> Secret | None:
    try:
        return Secret(value.decode())
    except UnicodeDecodeError:
        return None
