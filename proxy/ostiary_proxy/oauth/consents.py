"""Remembered consent: exactly what one person was shown and approved (security decision 8)."""

import hashlib
from dataclasses import dataclass
from typing import Final

from ostiary.config.document import OAuth2Auth, Route
from ostiary.decode.json_text import canonical_json
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth.clients import ClientRow
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.kept import Kept, save
from ostiary_proxy.oauth.person import person_key, person_keys
from ostiary_proxy.oauth.redirects import Kind, kind_of, portless
from ostiary_proxy.store.walk import walk

__all__ = ["Subject", "forget", "remember", "remembered"]

TABLE: Final = "consent"
_LIFE: Final = 90 * 86400.0


class ConsentRow(Kept):
    """That a person approved; `issuer` and `client_id` are for listing and forgetting."""

    issuer: str
    client_id: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """All that a consent covers; the digest changes with any part of it."""

    client: ClientRow
    redirect_uri: str
    route: Route
    scopes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Return the digest of what is approved."""
        auth, scopes = self.route.auth, sorted(self.route.upstream_scopes or ())
        upstream = [auth.issuer, scopes] if isinstance(auth, OAuth2Auth) else scopes or None
        parts = [
            self.client.issuer,
            self.client.client_id,
            self.client.digest,
            portless(self.redirect_uri),
            self.route.url,
            self.route.key,
            sorted(self.scopes),
            upstream,
        ]
        return hashlib.sha256(canonical_json(parts)).hexdigest()


async def remembered(context: Context, person: Person, subject: Subject) -> bool:
    """Say whether `person` approved exactly this, for a receiver that nobody else can pose as.

    Loopback and custom schemes can be answered by any program on the machine: they are never
    approved silently.
    """
    if kind_of(subject.redirect_uri, context.config.gateway.redirect_uris) is not Kind.HTTPS:
        return False
    keys = person_keys(context, person.issuer, person.subject)
    rows = [await context.store.get(TABLE, f"{key}.{subject.digest}") for key in keys]
    return any(row is not None for row in rows)


async def remember(context: Context, person: Person, subject: Subject) -> None:
    """Write down that `person` approved this."""
    now = context.clock()
    row = ConsentRow(issuer=subject.client.issuer, client_id=subject.client.client_id, created=now)
    key = f"{person_key(context, person.issuer, person.subject)}.{subject.digest}"
    await save(context.store, TABLE, key, row, expires=now + _LIFE)


async def forget(context: Context, person: Person, issuer: str, client_id: str) -> None:
    """Forget every consent of `person` for a client at one of our issuers."""
    for prefix in person_keys(context, person.issuer, person.subject):
        async for row in walk(context.store, TABLE, f"{prefix}."):
            consent = ConsentRow.of_row(row)
            if (consent.issuer, consent.client_id) == (issuer, client_id):
                await context.store.delete(TABLE, row.key)
