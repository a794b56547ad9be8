"""Grants as rows: what one person gave one client; listed and revoked here, by CLI, admin and page.

A gid is `<keyed hash of the person>.<random>`, so that a person's grants are found by prefix.
A revoked grant stays as a row until nothing issued under it can be alive.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from ostiary_proxy.audit.record import Kind
from ostiary_proxy.identity import Client, Grant, Person
from ostiary_proxy.oauth import consents
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.kept import Kept, KeptPerson, load, save
from ostiary_proxy.oauth.person import person_key, person_keys
from ostiary_proxy.oauth.refresh import Family
from ostiary_proxy.oauth.trail import note
from ostiary_proxy.store.port import Conflict
from ostiary_proxy.store.walk import walk

__all__ = [
    "GrantRow",
    "cut_off",
    "grant_of",
    "listed",
    "new_gid",
    "of_person",
    "revoke_client",
    "revoke_grant",
    "revoke_person",
    "write",
]

TABLE: Final = "grant"
_CUTS: Final = "not-before"
_KEPT: Final = 86400.0
"""Seconds for which a revoked grant is still listed, longer than any access token lives."""


class GrantRow(Kept):
    """One grant with its refresh family; `revoked` is the reason where it is dead."""

    gid: str
    issuer: str
    person: KeptPerson
    client_id: str
    client_name: str
    resource: str
    route: str
    scopes: tuple[str, ...]
    upstream_scopes: tuple[str, ...] | None
    created: float
    expires: float
    current: str = ""
    salt: str = ""
    previous: str | None = None
    previous_salt: str | None = None
    rotated: float | None = None
    revoked: str | None = None

    @property
    def family(self) -> Family:
        """Return the refresh family."""
        return Family(
            current=self.current,
            salt=self.salt,
            previous=self.previous,
            previous_salt=self.previous_salt,
            rotated=self.rotated,
        )

    def turned(self, family: Family, *, expires: float) -> "GrantRow":
        """Return the row with another state of its family and another end."""
        return self.model_copy(
            update={
                "current": family.current,
                "salt": family.salt,
                "previous": family.previous,
                "previous_salt": family.previous_salt,
                "rotated": family.rotated,
                "expires": expires,
            }
        )

    def grant(self) -> Grant:
        """Return the grant as the pipeline sees it."""
        return Grant(
            gid=self.gid,
            issuer=self.issuer,
            person=self.person.person(),
            client=Client(id=self.client_id, name=self.client_name),
            resource=self.resource,
            route=self.route,
            scopes=self.scopes,
            upstream_scopes=self.upstream_scopes,
            created=self.created,
            expires=self.expires,
        )


def new_gid(context: Context, person: Person) -> str:
    """Return an id for a new grant of `person`."""
    return f"{person_key(context, person.issuer, person.subject)}.{context.random()[:22]}"


async def grant_of(context: Context, gid: str) -> tuple[GrantRow, int] | None:
    """Return the row (dead ones too) and its version, or None."""
    return await load(context.store, TABLE, gid, GrantRow) if len(gid) <= 128 else None


async def write(context: Context, row: GrantRow, *, version: int) -> None:
    """Write a living grant; raises Conflict where it was written since `version` (0: is new)."""
    await save(context.store, TABLE, row.gid, row, expires=row.expires, version=version)


async def cut_off(context: Context, person: Person, issuer: str, client_id: str) -> float:
    """Return the time up to which all of this person or this client is dead (decision 15)."""
    keys = [f"person {k}" for k in person_keys(context, person.issuer, person.subject)]
    cuts = [await context.store.get(_CUTS, key) for key in (*keys, f"client {issuer} {client_id}")]
    return max((float(row.value) for row in cuts if row is not None), default=0.0)


async def of_person(context: Context, issuer: str, subject: str) -> Sequence[GrantRow]:
    """Return the grants of a person, revoked ones included; `issuer` is the identity provider's."""
    return [
        GrantRow.of_row(row)
        for key in person_keys(context, issuer, subject)
        async for row in walk(context.store, TABLE, f"{key}.")
    ]


async def listed(context: Context, *, after: str = "") -> AsyncIterator[GrantRow]:
    """Iterate by gid over the grants of everybody that come after `after`, revoked ones too."""
    async for row in walk(context.store, TABLE, after=after):
        yield GrantRow.of_row(row)


async def revoke_grant(context: Context, gid: str, *, reason: str) -> bool:
    """Revoke one grant, and forget the consents that led to it; say whether it was alive.

    `reason` is a stable word, or who did it. Effective everywhere within 500 ms, for open streams
    within 2 s; mostly at once, because all are woken.
    """
    while (found := await grant_of(context, gid)) is not None:
        row, version = found
        if row.revoked is not None:
            return False
        facts = {"gid": gid, "issuer": row.issuer, "route": row.route, "client_id": row.client_id}
        person = row.person.person()
        await note(context, Kind.ADMIN, "grant-revoked", {**facts, "reason": reason}, person=person)
        dead = row.model_copy(update={"revoked": reason})
        try:
            await _bury(context, dead, version)
        except Conflict:
            continue
        await consents.forget(context, person, row.issuer, row.client_id)
        await context.wakes.publish()
        return True
    return False


async def _bury(context: Context, dead: GrantRow, version: int) -> None:
    expires = context.clock() + _KEPT + context.config.gateway.tokens.access_ttl
    await save(context.store, TABLE, dead.gid, dead, expires=expires, version=version)


async def revoke_person(context: Context, issuer: str, subject: str, *, reason: str) -> int:
    """Cut a person off: logins, codes, refresh and every grant up to now; return how many died."""
    key = person_key(context, issuer, subject)
    await _cut(context, f"person {key}", {"reason": reason}, Person(issuer=issuer, subject=subject))
    rows = await of_person(context, issuer, subject)
    return sum([await revoke_grant(context, row.gid, reason=reason) for row in rows])


async def revoke_client(context: Context, issuer: str, client_id: str, *, reason: str) -> int:
    """Cut a client off at one of our issuers: codes, refresh, every grant; return how many died."""
    facts = {"reason": reason, "issuer": issuer, "client_id": client_id}
    await _cut(context, f"client {issuer} {client_id}", facts, None)
    died = 0
    async for row in listed(context):
        if (row.issuer, row.client_id) == (issuer, client_id):
            died += await revoke_grant(context, row.gid, reason=reason)
    return died


async def _cut(context: Context, key: str, facts: dict[str, str], person: Person | None) -> None:
    now = context.clock()
    await note(context, Kind.ADMIN, "cut-off", dict(facts), person=person)
    expires = now + context.config.gateway.tokens.refresh_ttl + _KEPT
    await context.store.put(_CUTS, key, repr(now).encode(), expires=expires)
    await context.wakes.publish()
