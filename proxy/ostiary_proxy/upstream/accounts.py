"""The vault: one sealed row for each person, route, authorization server and client id of ours.

What a row is for is authenticated with it (security decision 14): rows can't be swapped, a route
that is made again keeps its accounts, one of the same name to another origin opens none of them.
"""

from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import urlsplit

from ostiary.config.document import Gateway, OAuth2Auth, Route
from ostiary.crypto.seal import Entropy, SealBroken, SealRing
from ostiary.crypto.secret import Secret
from ostiary.decode.json_text import canonical_json
from ostiary.decode.model import Model, validate
from ostiary.decode.strict_json import read_json
from ostiary_proxy.identity import Person
from ostiary_proxy.outbound.relying_party import TokenAnswer
from ostiary_proxy.store.port import Conflict, Store

__all__ = ["Account", "Accounts", "Held", "Place", "origin"]

_TABLE: Final = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose account it is, and at what; each of several servers behind a route has its own.

    Everything that is sealed with a row but version and key.
    """

    identity_issuer: str
    subject: str
    public_url: str
    route: str
    upstream_origin: str
    upstream_issuer: str
    client_id: str

    @classmethod
    def of(cls, gateway: Gateway, route: Route, auth: OAuth2Auth, person: Person) -> Self:
        """Return the place of `person`'s account behind `route`."""
        return cls(
            identity_issuer=person.issuer,
            subject=person.subject,
            public_url=gateway.public_url,
            route=route.server_key,
            upstream_origin=origin(route.upstream.url) if route.upstream else "",
            upstream_issuer=auth.issuer,
            client_id=auth.client_id,
        )

    @property
    def name(self) -> str:
        """Return what the row is found by: all but the origin and the gateway, which may move."""
        return canonical_json(
            [self.identity_issuer, self.subject, self.route, self.upstream_issuer, self.client_id]
        ).decode()

    def bound(self, kind: str, *, version: int, key: str) -> bytes:
        """Return the AAD of a row; the seal adds the id of its own key."""
        person = (self.identity_issuer, self.subject)
        upstream = (self.upstream_origin, self.upstream_issuer, self.client_id)
        return canonical_json([kind, *person, self.public_url, self.route, *upstream, version, key])


class _AccountJson(Model):
    access: Secret
    refresh: Secret | None
    asked: tuple[str, ...]
    granted: tuple[str, ...]
    obtained: float
    expires: float | None
    dead: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person's tokens at the service. `asked` and `granted` are scopes, times epoch seconds.

    `dead`: the service no longer takes the tokens; the person has to connect again.
    """

    access: Secret
    refresh: Secret | None
    asked: tuple[str, ...]
    granted: tuple[str, ...]
    obtained: float
    expires: float | None
    dead: bool = False

    @classmethod
    def of(cls, answer: TokenAnswer, *, asked: tuple[str, ...], now: float) -> Self:
        """Return the account that a token endpoint's answer gives."""
        return cls(
            access=answer.access,
            refresh=answer.refresh,
            asked=asked,
            granted=answer.scopes,
            obtained=now,
            expires=None if answer.expires_in is None else now + answer.expires_in,
        )

    def renewed(self, answer: TokenAnswer, *, now: float) -> "Account":
        """Return the account after a refresh; a server that doesn't rotate sends no new token."""
        fresh = Account.of(answer, asked=self.asked, now=now)
        return replace(fresh, refresh=answer.refresh or self.refresh)

    def ended(self) -> "Account":
        """Return the account as dead, without its tokens."""
        return replace(self, access=Secret(""), refresh=None, dead=True)

    def to_json(self) -> bytes:
        """Return the form that is sealed, secrets in clear."""
        return canonical_json(
            {
                "access": self.access.reveal(),
                "refresh": self.refresh.reveal() if self.refresh else None,
                "asked": self.asked,
                "granted": self.granted,
                "obtained": self.obtained,
                "expires": self.expires,
                "dead": self.dead,
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Return what `to_json` wrote; raises Faulty."""
        read = validate(_AccountJson, read_json(data))
        return cls(**{name: getattr(read, name) for name in _AccountJson.model_fields})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A row as read: `account` is None where it opens for another place only.

    `version` is for CAS. `outdated`: an older key still stands for it; writing it brings it to the
    newest, so that the older one can go some day.
    """

    account: Account | None
    version: int
    key: str
    outdated: bool = False


class Accounts:
    """Reads and writes rows; every method raises StoreUnavailable."""

    __slots__ = ("_entropy", "_seal", "_store")

    def __init__(self, store: Store, seal: SealRing, entropy: Entropy) -> None:
        self._store = store
        self._seal = seal
        self._entropy = entropy

    async def read(self, place: Place) -> Held:
        """Return the row of `place`; version 0 where there is none."""
        keys = self._seal.keyed_hashes("account", place.name)
        for index, key in enumerate(keys):
            row = await self._store.get(_TABLE, key)
            if row is not None:
                account = self._open(place, row.value, version=row.version, key=key)
                outdated = self._seal.is_outdated(row.value, index)
                return Held(account=account, version=row.version, key=key, outdated=outdated)
        return Held(account=None, version=0, key=keys[0])

    async def write(self, place: Place, account: Account, held: Held) -> Held:
        """Write `account` over the row that was read as `held`; raises Conflict."""
        written = await self._put(place, account, held)
        newest = self._seal.keyed_hash(_TABLE, place.name)
        if not held.outdated or written.key == newest:
            return written
        # Taken away first: a row that somebody disconnects meanwhile must not come back.
        if await self._store.take(_TABLE, written.key) is None:
            raise Conflict
        return await self._put(place, account, Held(account=None, version=0, key=newest))

    async def _put(self, place: Place, account: Account, held: Held) -> Held:
        version = held.version + 1
        aad = place.bound(_TABLE, version=version, key=held.key)
        sealed = self._seal.seal(account.to_json(), aad=aad, entropy=self._entropy)
        written = await self._store.put(
            _TABLE, held.key, sealed, expires=None, version=held.version
        )
        return Held(account=account, version=written, key=held.key)

    async def drop(self, held: Held) -> bool:
        """Delete the row; say whether it was there."""
        return await self._store.delete(_TABLE, held.key)

    def _open(self, place: Place, sealed: bytes, *, version: int, key: str) -> Account | None:
        try:
            aad = place.bound(_TABLE, version=version, key=key)
            return Account.from_json(self._seal.open(sealed, aad=aad))
        except SealBroken:
            return None


def origin(url: str) -> str:
    """Return scheme, host and port of `url`, lower-cased, without a default port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in {None, default} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
