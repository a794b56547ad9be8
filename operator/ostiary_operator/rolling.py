"""One gateway's way out: keys, certificates, bundle, objects, and then its proxies.

A step that fails ends the way, but for the objects: a Deployment that a quota refuses must not keep
the pods that run from hearing of a new policy.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ostiary.config.document import SCHEMA
from ostiary.config.older import Older
from ostiary.config.rotation import Stage, stages
from ostiary.crypto.seal import Entropy, SealRing
from ostiary.crypto.secret import Secret
from ostiary.decode.json_text import write_json
from ostiary.translate.names import SHARDS
from ostiary.translate.objects import PlannedObject
from ostiary.translate.render import PlannedBundle
from ostiary.translate.world import History
from ostiary_operator.api import Api
from ostiary_operator.apply import Applier, NotApplied
from ostiary_operator.bundles import Packed, pack_bundle
from ostiary_operator.keys import HeldKeys, Keys, read_keys
from ostiary_operator.owned import Owner
from ostiary_operator.push import Proxies
from ostiary_operator.seen import Child, ChildKey
from ostiary_operator.trust import Trusting
from ostiary_operator.values import SecretValues, Values

__all__ = ["Rolling"]

_ANSWERS: Final = 0.5
"""Seconds that a plan waits for what proxies say; who is slower is heard later."""
_CLIENT_SECRET: Final = "client-secret"  # noqa: S105 - the name of a key


_MadeOf = tuple[History, SecretValues, SealRing, frozenset[int]]
"""What a bundle is packed of: where that is the same, it is."""


class Rolling:
    """Rolls one gateway out, plan after plan; what it remembers ends with the gateway.

    Pods that read an `older` schema of the bundle get it in that one until the last has gone.
    """

    def __init__(
        self,
        api: Api,
        owner: Owner,
        proxies: Proxies,
        values: Values,
        *,
        now: Callable[[], float],
        entropy: Entropy,
        older: Mapping[int, Older],
    ) -> None:
        self._owner = owner
        self._proxies = proxies
        self._values = values
        self._older = older
        self._applier = Applier(api, owner)
        self._keys = Keys(api, owner, now=now, entropy=entropy, known=proxies.know)
        self._trusting = Trusting(api, owner, self._applier, now)
        self._named: tuple[Secret | None, HeldKeys] | None = None
        self.rotations: tuple[Stage, ...] = ()
        self._packed: tuple[_MadeOf, Packed] | None = None

    async def roll_out(
        self,
        planned: PlannedBundle,
        objects: Sequence[PlannedObject] | None,
        children: Mapping[ChildKey, Child],
    ) -> None:
        """Bring the gateway to what is planned; raises NotApplied or TooLarge.

        `objects` are None where it is to be left as it is but for its bundle.
        """
        held = await self._keys_of(planned, children)
        rings, self.rotations = held.rings, stages(held.document)
        trust = await self._trusting.trust(rings.seal, children)
        packed = await self._pack(planned, rings.seal)
        secrets = self._secrets(planned, packed, rings.seal, children)
        for secret in secrets:
            await self._applier.apply(secret, children)
        held_up = [] if objects is None else await self._objects(secrets, objects, children)
        await self._proxies.deliver(packed.parcel, trust, wait=_ANSWERS)
        if held_up:
            raise NotApplied("; ".join(held_up))

    async def _keys_of(
        self, planned: PlannedBundle, children: Mapping[ChildKey, Child]
    ) -> HeldKeys:
        named = planned.keys
        if named is None:
            return await self._keys.held(children, planned.rotate_keys)
        held = await self._values.read([named])
        text = held.get((named.namespace, named.name, named.key))
        if self._named is None or self._named[0] != text:
            self._named = (text, read_keys(text, named.name))
        return self._named[1]

    async def _pack(self, planned: PlannedBundle, seal: SealRing) -> Packed:
        wanted = {*planned.credentials.values(), *planned.client_ids.values()}
        values = await self._values.read(wanted)
        if planned.dev_users:
            generated = (self._owner.namespace, self._owner.names.dev_identity, _CLIENT_SECRET)
            values[generated] = _development_secret(self._owner, seal)
        read = self._proxies.schemas
        made_of = (planned.history, values, seal, read)
        if self._packed is None or self._packed[0] != made_of:
            packed = await asyncio.to_thread(
                pack_bundle, planned, values, seal, read=read, older=self._older
            )
            self._packed = (made_of, packed)
        return self._packed[1]

    def _secrets(
        self,
        planned: PlannedBundle,
        packed: Packed,
        seal: SealRing,
        children: Mapping[ChildKey, Child],
    ) -> list[PlannedObject]:
        """Return the Secrets that pods mount; shards that a larger bundle left are emptied."""
        owner = self._owner
        shards = []
        for schema, filled in packed.shards.items():
            held = dict(enumerate(filled))
            for index in range(len(held), SHARDS):
                if ("Secret", owner.namespace, owner.names.bundle(index, schema)) in children:
                    held[index] = {}
            names = {index: owner.names.bundle(index, schema) for index in held}
            shards += [owner.secret(names[index], data, seal) for index, data in held.items()]
        return [_dev_identity(owner, planned, seal), *shards] if planned.dev_users else shards

    async def _objects(
        self,
        secrets: Sequence[PlannedObject],
        objects: Sequence[PlannedObject],
        children: Mapping[ChildKey, Child],
    ) -> list[str]:
        """Apply what is planned, delete what no longer is, and return what held that up."""
        namespace, names = self._owner.namespace, self._owner.names
        kept = {item.key for item in (*secrets, *objects)}
        kept |= {("Secret", namespace, name) for name in (names.admin, names.admin_ca)}
        kept |= {key for key in children if self._may_be_read(key)}
        steps = [self._applier.apply(item, children) for item in objects]
        held_up = []
        for step in (*steps, self._applier.prune(kept, children)):
            try:
                await step
            except NotApplied as refused:
                held_up.append(str(refused))
        return held_up

    def _may_be_read(self, key: ChildKey) -> bool:
        """Say whether this is a shard of another schema that pods may read.

        An operator that was set back leaves a newer schema alone: it can't write it anew.
        """
        schema = self._owner.schema_of(key)
        return schema is not None and (schema > SCHEMA or schema in self._proxies.schemas)


def _development_secret(owner: Owner, seal: SealRing) -> Secret:
    return Secret(seal.steady_hash("development identity", owner.uid))


def _dev_identity(owner: Owner, planned: PlannedBundle, seal: SealRing) -> PlannedObject:
    """Return the Secret from which the development identity provider knows people and proxy."""
    data = {
        "users.json": write_json([user.reveal() for user in planned.dev_users]),
        _CLIENT_SECRET: _development_secret(owner, seal).reveal().encode(),
    }
    return owner.secret(owner.names.dev_identity, data, seal)
