"""The keys of a gateway: made once, read ever after, replaced step by step where that is asked for.

Who deletes the Secret while the operator runs gets the same keys back: losing every grant has to be
a choice. Keys from outside (`spec.keys.secretRef`) are only read.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from ostiary.config.keys import KeyDocument
from ostiary.config.rotation import advance, begin, stages
from ostiary.crypto.rings import Rings
from ostiary.crypto.seal import Entropy
from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary.translate.names import ROTATE_KEYS
from ostiary.translate.rotate_keys import asked_rings
from ostiary_operator.api import Api
from ostiary_operator.apply import NotApplied
from ostiary_operator.failures import ApiFailed, Conflict, NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.owned import Owner
from ostiary_operator.seen import Child, ChildKey
from ostiary_operator.values import text_of

__all__ = ["HeldKeys", "Keys", "read_keys"]

log = structlog.get_logger(__name__)
_KEY: Final = "keys.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKeys:
    """A key document, and the rings that it makes."""

    document: KeyDocument
    rings: Rings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A key document as it was read, the Secret's version then, and what was obeyed last."""

    version: tuple[str, str]
    text: Secret
    held: HeldKeys
    obeyed: str


class Keys:
    """The generated keys of one gateway; `known` says whether every proxy has them by now."""

    def __init__(
        self,
        api: Api,
        owner: Owner,
        *,
        now: Callable[[], float],
        entropy: Entropy,
        known: Callable[[str], bool],
    ) -> None:
        self._api = api
        self._owner = owner
        self._now = now
        self._entropy = entropy
        self._known = known
        self._kept: _Kept | None = None

    async def held(self, children: Mapping[ChildKey, Child], asked: str = "") -> HeldKeys:
        """Return the gateway's keys, made now where it has none yet; raises NotApplied.

        `asked` is what the annotation asks to be replaced.
        """
        kept, owner = self._kept, self._owner
        child = children.get(("Secret", owner.namespace, owner.names.keys))
        try:
            if kept is None or child is None or kept.version != (child.uid, child.resource_version):
                kept = await self._read_or_make()
            self._kept = await self._turned(kept, asked)
        except ApiFailed as failed:
            raise NotApplied(f"Secret {owner.names.keys}: {failed.explained}") from failed
        return self._kept.held

    async def _turned(self, kept: _Kept, asked: str) -> _Kept:
        """Take what is due of a rotation; each step waits until every proxy has the one before."""
        turned, new = kept.held.document, asked not in ("", kept.obeyed)
        if turned.rotating and self._known(kept.held.rings.fingerprint):
            turned = advance(turned, now=self._now())
        if new:
            for ring in asked_rings(asked):
                turned = begin(turned, ring, now=self._now(), entropy=self._entropy)
        if turned == kept.held.document and not new:
            return kept
        owner = self._owner
        body = owner.lasting_secret(owner.names.keys, {_KEY: _written(turned)})
        version = {"resourceVersion": kept.version[1]}
        notes = {"annotations": {ROTATE_KEYS: asked or kept.obeyed}}
        await self._api.apply({**body, "metadata": {**body["metadata"], **version, **notes}})
        under_way = {found.ring: found.stage for found in stages(turned)}
        log.info("keys turned", gateway=owner.key, under_way=under_way)
        return await self._read()

    async def _read_or_make(self) -> _Kept:
        try:
            return await self._read()
        except NotFound:
            text = self._kept.text if self._kept is not None else self._fresh()
        owner = self._owner
        body = owner.lasting_secret(owner.names.keys, {_KEY: text.reveal().encode()})
        if self._kept is not None:
            body["metadata"]["annotations"] = {ROTATE_KEYS: self._kept.obeyed}
        with suppress(Conflict):  # somebody was faster: theirs are the keys
            await self._api.create(body)
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
        return _Kept(
            version=version,
            text=text or Secret(""),
            held=read_keys(text, name),
            obeyed=meta.get("annotations", {}).get(ROTATE_KEYS, ""),
        )

    def _fresh(self) -> Secret:
        return Secret(_written(KeyDocument.generate(self._entropy)).decode())


def _written(document: KeyDocument) -> bytes:
    return write_json(document.reveal())


def read_keys(text: Secret | None, name: str) -> HeldKeys:
    """Return a key document that can be used; raises NotApplied, without a word of its content."""
    if text is None:
        raise NotApplied(f"Secret {name} holds no keys (yet); give it a key document")
    try:
        document = validate(KeyDocument, read_json(text.reveal().encode()))
        return HeldKeys(document=document, rings=document.rings())
    except Faulty as faulty:
        fault = faulty.faults[0]
        said = f"Secret {name} is no key document: {fault.path}: {fault.message}"
        raise NotApplied(said) from None
    except ValueError:
        raise NotApplied(f"Secret {name} holds a key of the wrong kind") from None
