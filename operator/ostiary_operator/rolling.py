"""One gateway's way out: keys, certificates, bundle, objects, and then its proxies.

A step that fails ends the way, but for the objects: a Deployment that a quota refuses must not keep
the pods that run from hearing of a new policy.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.crypto.rings import Rings
from ostiary.crypto.seal import Entropy, SealRing
from ostiary.crypto.secret import Secret
from ostiary.decode.json_text import write_json
from ostiary.translate.names import SHARDS
from ostiary.translate.objects import PlannedObject
from ostiary.translate.render import PlannedBundle
from ostiary_operator.api import Api
from ostiary_operator.apply import Applier, NotApplied
from ostiary_operator.bundles import Parcel, pack_parcel, shards_of
from ostiary_operator.keys import Keys, read_keys
from ostiary_operator.owned import Owner
from ostiary_operator.push import Proxies
from ostiary_operator.seen import Child, ChildKey, Seen
from ostiary_operator.trust import Trusts
from ostiary_operator.values import SecretValues, Values

__all__ = ["Rolling"]

_ANSWERS: Final = 0.5
"""Seconds that a plan waits for what proxies say; who is slower is heard later."""
_Children = Mapping[ChildKey, Child]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packed:
    """What a parcel was made of, so that the same is not made twice."""

    planned: PlannedBundle
    values: SecretValues
    rings: Rings
    parcel: Parcel


class Rolling:
    """Rolls gateways out, one plan after the other."""

    def __init__(self, api: Api, now: Callable[[], float], entropy: Entropy) -> None:
        self._applier = Applier(api)
        self._keys = Keys(api, entropy)
        self._trusts = Trusts(api, self._applier, now)
        self._values = Values(api)
        self._packed: dict[str, _Packed] = {}
        self._named: dict[str, tuple[Secret | None, Rings]] = {}

    def begin(self, seen: Seen) -> None:
        """Take note of what stands now, before the gateways of a plan are rolled out."""
        self._values.see(seen.world.secrets)

    async def roll_out(
        self,
        owner: Owner,
        planned: PlannedBundle,
        objects: Sequence[PlannedObject] | None,
        children: _Children,
        proxies: Proxies,
    ) -> None:
        """Bring a gateway to what is planned; raises NotApplied or TooLarge.

        `objects` are None where it is to be left as it is but for its bundle.
        """
        rings = await self._rings(owner, planned, children)
        trust = await self._trusts.of(owner, rings.seal, children)
        secrets = [_dev_identity(owner, planned, rings.seal)] if planned.dev_users else []
        parcel = await self._parcel(owner, planned, rings)
        secrets += _bundle(owner, parcel, planned, rings.seal, children)
        for secret in secrets:
            await self._applier.apply(secret, owner, children)
        held_up = await self._objects(owner, secrets, objects, children)
        await proxies.deliver(parcel, trust, wait=_ANSWERS)
        if held_up:
            raise NotApplied("; ".join(held_up))

    async def _rings(self, owner: Owner, planned: PlannedBundle, children: _Children) -> Rings:
        named = planned.keys
        if named is None:
            return await self._keys.of(owner, children)
        held = await self._values.read([named])
        text = held.get((named.namespace, named.name, named.key))
        last = self._named.get(owner.key)
        if last is None or last[0] != text:
            last = self._named[owner.key] = (text, read_keys(text, named.name))
        return last[1]

    async def _parcel(self, owner: Owner, planned: PlannedBundle, rings: Rings) -> Parcel:
        wanted = {*planned.credentials.values(), *planned.client_ids.values()}
        values = await self._values.read(wanted)
        if planned.dev_users:
            secret = _development_secret(owner, rings.seal)
            values[(owner.namespace, owner.names.dev_identity, _CLIENT_SECRET)] = secret
        last = self._packed.get(owner.key)
        made_of = (planned.history, values)
        if last and last.rings is rings and (last.planned.history, last.values) == made_of:
            return last.parcel
        parcel = await asyncio.to_thread(pack_parcel, planned, values, rings.seal)
        packed = _Packed(planned=planned, values=values, rings=rings, parcel=parcel)
        self._packed[owner.key] = packed
        return parcel

    async def _objects(
        self,
        owner: Owner,
        secrets: Sequence[PlannedObject],
        objects: Sequence[PlannedObject] | None,
        children: _Children,
    ) -> list[str]:
        """Apply what is planned, delete what no longer is, and return what held that up."""
        if objects is None:
            return []
        names = owner.names
        kept = {item.key for item in (*secrets, *objects)}
        kept |= {("Secret", owner.namespace, name) for name in (names.admin, names.admin_ca)}
        steps = [self._applier.apply(item, owner, children) for item in objects]
        steps.append(self._applier.prune(kept, owner, children))
        held_up = []
        for step in steps:
            try:
                await step
            except NotApplied as refused:
                held_up.append(str(refused))
        return held_up


_CLIENT_SECRET: Final = "client-secret"  # noqa: S105 - the name of a key


def _development_secret(owner: Owner, seal: SealRing) -> Secret:
    return Secret(seal.keyed_hash("development identity", owner.uid))


def _dev_identity(owner: Owner, planned: PlannedBundle, seal: SealRing) -> PlannedObject:
    """Return the Secret from which the development identity provider knows people and proxy."""
    data = {
        "users.json": write_json([user.reveal() for user in planned.dev_users]),
        _CLIENT_SECRET: _development_secret(owner, seal).reveal().encode(),
    }
    return owner.secret(owner.names.dev_identity, data, seal)


def _bundle(
    owner: Owner, parcel: Parcel, planned: PlannedBundle, seal: SealRing, children: _Children
) -> list[PlannedObject]:
    """Return the Secrets of the bundle; those that a larger one left behind are emptied."""
    shards = shards_of(parcel, planned.history)
    secrets = [
        owner.secret(owner.names.bundle(index), data, seal) for index, data in enumerate(shards)
    ]
    names = [owner.names.bundle(index) for index in range(len(shards), SHARDS)]
    left = [name for name in names if ("Secret", owner.namespace, name) in children]
    return secrets + [owner.secret(name, {}, seal) for name in left]
