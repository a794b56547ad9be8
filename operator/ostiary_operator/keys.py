"""The keys of a gateway: made once, read ever after, never overwritten.

Who deletes the Secret while the operator runs gets the same keys back: losing every grant has to be
a choice. Keys from outside (`spec.keys.secretRef`) are only read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.config.keys import KeyDocument
from ostiary.crypto.rings import Rings
from ostiary.crypto.seal import Entropy
from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary_operator.api import Api
from ostiary_operator.apply import NotApplied
from ostiary_operator.failures import ApiFailed, Conflict, NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.owned import Owner
from ostiary_operator.seen import Child, ChildKey
from ostiary_operator.values import text_of

__all__ = ["Keys", "read_keys"]

_KEY: Final = "keys.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A key document as it was read, and the Secret's version then."""

    version: tuple[str, str]
    text: Secret
    rings: Rings


class Keys:
    """The generated keys of one gateway."""

    def __init__(self, api: Api, owner: Owner, entropy: Entropy) -> None:
        self._api = api
        self._owner = owner
        self._entropy = entropy
        self._kept: _Kept | None = None

    async def rings(self, children: Mapping[ChildKey, Child]) -> Rings:
        """Return the gateway's rings, made now where it has none yet; raises NotApplied."""
        kept, owner = self._kept, self._owner
        child = children.get(("Secret", owner.namespace, owner.names.keys))
        if kept is None or child is None or kept.version != (child.uid, child.resource_version):
            try:
                kept = self._kept = await self._read_or_make()
            except ApiFailed as failed:
                raise NotApplied(f"Secret {owner.names.keys}: {failed.explained}") from failed
        return kept.rings

    async def _read_or_make(self) -> _Kept:
        try:
            return await self._read()
        except NotFound:
            text = self._kept.text if self._kept is not None else self._fresh()
        owner = self._owner
        try:
            data = {_KEY: text.reveal().encode()}
            await self._api.create(owner.lasting_secret(owner.names.keys, data))
        except Conflict:
            pass  # somebody was faster: theirs are the keys
        return await self._read()

    async def _read(self) -> _Kept:
        owner, name = self._owner, self._owner.names.keys
        found = await self._api.get(KINDS["Secret"], owner.namespace, name)
        meta = found["metadata"]
        if not owner.is_mine(meta):
            said = f"Secret {name} exists and is not this gateway's; name it in spec.keys.secretRef"
            raise NotApplied(said)
        text = text_of(found).get(_KEY)
        version = (meta["uid"], meta["resourceVersion"])
        return _Kept(version=version, text=text or Secret(""), rings=read_keys(text, name))

    def _fresh(self) -> Secret:
        return Secret(write_json(KeyDocument.generate(self._entropy).reveal()).decode())


def read_keys(text: Secret | None, name: str) -> Rings:
    """Return the rings of a key document; raises NotApplied, without a word of what it holds."""
    if text is None:
        raise NotApplied(f"Secret {name} holds no keys (yet); give it a key document")
    try:
        return validate(KeyDocument, read_json(text.reveal().encode())).rings()
    except Faulty as faulty:
        fault = faulty.faults[0]
        said = f"Secret {name} is no key document: {fault.path}: {fault.message}"
        raise NotApplied(said) from None
    except ValueError:
        raise NotApplied(f"Secret {name} holds a key of the wrong kind") from None
