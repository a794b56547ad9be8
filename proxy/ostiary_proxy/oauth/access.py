"""Access tokens: minted here, and known again here on every request (security decisions 3, 4, 15).

Only the result of checking a signature is cached, by SHA-256 of the token, for as long as this
object lives, which is as long as its keys. The state of a grant is read again after 500 ms.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ostiary.config.document import Route
from ostiary.crypto.jose import TokenInvalid
from ostiary_proxy.identity import Grant, Presented
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.grants import GrantRow, cut_off, grant_of
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["AccessAuthority", "Issued", "mint"]

MAX_AGE: Final = 0.5
"""Seconds for which the state of a grant is believed without asking the Store."""
_MANY: Final = 10_000
_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A fresh access token, its id and its life in seconds."""

    text: str
    jti: str
    seconds: int


def mint(context: Context, row: GrantRow) -> Issued:
    """Return a new access token under a grant: who, for what, until when; no e-mail, no groups."""
    now = context.clock()
    seconds = max(1, int(min(context.config.gateway.tokens.access_ttl, row.expires - now)))
    jti = context.random()[:22]
    claims = {
        "iss": row.issuer,
        "sub": row.person.subject,
        "aud": row.resource,
        "client_id": row.client_id,
        "scope": " ".join(row.scopes),
        "gid": row.gid,
        "jti": jti,
        "iat": int(now),
        "exp": int(now) + seconds,
    }
    return Issued(text=context.rings.access.sign(claims), jti=jti, seconds=seconds)


@dataclass(slots=True)
class _Verified:
    """A token whose signature, type, issuer and audience hold; `presented` while its grant does."""

    route: tuple[str, str, str]
    gid: str
    client_id: str
    subject: str
    jti: str
    expires: float
    presented: Presented | None = None


@dataclass(frozen=True, slots=True)
class _State:
    grant: Grant | None
    read: float


class AccessAuthority:
    """The pipeline's `Authority`; made anew with each Runtime, so that it never outlives a key."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._verified: dict[bytes, _Verified] = {}
        self._states: dict[str, _State] = {}

    async def present(self, token: str, route: Route, now: float) -> Presented:
        """Return the live grant behind `token` on `route`.

        Raises Refused: InvalidToken (any defect, another audience, a revoked grant),
        StoreUnavailable.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        verified = self._verified.get(digest)
        if verified is None or verified.route != (route.issuer, route.url, route.key):
            verified = self._verify(digest, token, route, now)
        if now >= verified.expires:
            raise Refused("InvalidToken", detail="expired")
        grant = await self.living(verified.gid, now)
        if verified.presented is None or verified.presented.grant is not grant:
            verified.presented = _join(verified, grant, route)
        return verified.presented

    async def living(self, gid: str, now: float) -> Grant:
        """Return the grant as it is; raises Refused: InvalidToken (it ended), StoreUnavailable."""
        state = self._states.get(gid)
        if state is None or not 0 <= now - state.read < MAX_AGE:
            state = await self._read(gid, now)
        if state.grant is None:
            raise Refused("InvalidToken", detail="the grant is revoked or ended")
        return state.grant

    def forget(self) -> None:
        """Read every grant anew when it is next asked for: one of them was revoked."""
        self._states.clear()

    def _verify(self, digest: bytes, token: str, route: Route, now: float) -> _Verified:
        if len(token) > _LONGEST:
            raise Refused("InvalidToken", detail="longer than any of ours")
        ring = self._context.rings.access
        try:
            claims = ring.verify(token, iss=route.issuer, aud=route.url, now=now)
        except TokenInvalid as invalid:
            raise Refused("InvalidToken", detail=invalid.reason) from None
        verified = _read_claims(claims, (route.issuer, route.url, route.key))
        _bound(self._verified)
        self._verified[digest] = verified
        return verified

    async def _read(self, gid: str, now: float) -> _State:
        try:
            grant = await self._live(gid, now)
        except StoreUnavailable as away:
            raise Refused("StoreUnavailable", detail=str(away)) from away
        known = self._states.get(gid)
        same = known is not None and known.grant == grant
        state = _State(known.grant if known is not None and same else grant, now)
        _bound(self._states)
        self._states[gid] = state
        return state

    async def _live(self, gid: str, now: float) -> Grant | None:
        found = await grant_of(self._context, gid)
        if found is None or found[0].revoked is not None or found[0].expires <= now:
            return None
        grant = found[0].grant()
        cut = await cut_off(self._context, grant.person, grant.issuer, grant.client.id)
        return grant if grant.created > cut else None


def _read_claims(claims: Mapping[str, Any], route: tuple[str, str, str]) -> _Verified:
    texts = [claims.get(name) for name in ("gid", "client_id", "sub", "jti")]
    if not all(isinstance(text, str) for text in texts):
        raise Refused("InvalidToken", detail="claims")
    gid, client_id, subject, jti = texts
    return _Verified(
        route=route,
        gid=str(gid),
        client_id=str(client_id),
        subject=str(subject),
        jti=str(jti),
        expires=claims["exp"],
    )


def _join(verified: _Verified, grant: Grant, route: Route) -> Presented:
    """Compare what the token says with the grant itself and with the route it is used on."""
    said = (verified.client_id, verified.subject, route.issuer, route.url, route.key)
    given = (grant.client.id, grant.person.subject, grant.issuer, grant.resource, grant.route)
    if said != given:
        raise Refused("InvalidToken", detail="the token does not fit its grant")
    return Presented(grant=grant, jti=verified.jti, expires=verified.expires)


def _bound(cache: dict[Any, Any]) -> None:
    """Forget the oldest entry of a full cache; it holds tokens of ours only."""
    if len(cache) >= _MANY:
        del cache[next(iter(cache))]
