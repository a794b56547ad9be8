"""What secures the admin ports of a gateway's proxies: kept in two Secrets, renewed in time.

The authority's key is in a Secret of its own, which no pod mounts; the certificate with which the
operator itself calls is never written anywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ostiary.crypto.seal import SealRing
from ostiary.translate.names import server_name
from ostiary_operator.api import Api
from ostiary_operator.apply import Applier, NotApplied
from ostiary_operator.certificates import (
    Certified,
    SecretData,
    is_due,
    operator_pair,
    renew_authority,
    renew_server,
)
from ostiary_operator.failures import ApiFailed, NotFound
from ostiary_operator.kinds import KINDS
from ostiary_operator.owned import Owner
from ostiary_operator.seen import Child, ChildKey
from ostiary_operator.values import text_of

__all__ = ["Trust", "Trusting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How the operator calls the proxies of one gateway: whom it trusts, and what it shows."""

    authorities: str
    pair: Certified


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    authority: SecretData
    admin: SecretData
    trust: Trust


class Trusting:
    """Keeps the trust of one gateway."""

    def __init__(self, api: Api, owner: Owner, applier: Applier, now: Callable[[], float]) -> None:
        self._api = api
        self._owner = owner
        self._applier = applier
        self._now = now
        self._held: _Held | None = None

    async def trust(self, seal: SealRing, children: Mapping[ChildKey, Child]) -> Trust:
        """Return how to call the gateway's proxies; the Secrets stand then. Raises NotApplied."""
        owner, names, now, held = self._owner, self._owner.names, self._now(), self._held
        authority = held.authority if held else await self._stored(names.admin_ca)
        admin = held.admin if held else await self._stored(names.admin)
        authority = renew_authority(authority, f"ostiary gateway {owner.uid}", now)
        admin = renew_server(admin, authority, server_name(owner.uid), now)
        for name, data in ((names.admin_ca, authority), (names.admin, admin)):
            revealed = {key: value.reveal().encode() for key, value in data.items()}
            await self._applier.apply(owner.secret(name, revealed, seal), children)
        if held is None or held.authority is not authority or is_due(held.trust.pair.leaf, now):
            pair = operator_pair(authority, now)
            trust = Trust(authorities=authority["ca.crt"].reveal(), pair=pair)
        else:
            trust = held.trust
        self._held = _Held(authority=authority, admin=admin, trust=trust)
        return trust

    async def _stored(self, name: str) -> SecretData:
        """Return what a Secret of the gateway holds, nothing where it isn't there."""
        try:
            found = await self._api.get(KINDS["Secret"], self._owner.namespace, name)
        except NotFound:
            return {}
        except ApiFailed as failed:
            raise NotApplied(f"Secret {name}: {failed.explained}") from failed
        return text_of(found) if self._owner.is_mine(found["metadata"]) else {}
