"""The gateway's identity provider: discovered once an hour, its keys once more when they rotate."""

from collections.abc import Mapping
from typing import Any, Final

from ostiary.config.document import IdentityProvider
from ostiary.crypto.jose import TokenInvalid, verify_foreign
from ostiary.crypto.secret import Secret
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth.claims import ALGORITHMS, person_of
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.outbound.discovery import userinfo
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.relying_party import (
    Flight,
    FlowFailed,
    Metadata,
    Provider,
    depart,
    discover,
    jwks,
    redeem,
)
from ostiary_proxy.refused import Refused

__all__ = ["LoginProvider"]

_FRESH: Final = 3600.0
"""Seconds for which metadata and keys are believed."""
_AGAIN: Final = 30.0
"""Seconds between two fetches of the keys that unknown keys may cause."""


class LoginProvider:
    """Logs people in at the provider that the gateway names; keeps its metadata and keys."""

    def __init__(
        self, context: Context, http: HttpClient, credentials: Mapping[str, Secret]
    ) -> None:
        self._context = context
        self._http = http
        self._credentials = credentials
        self._metadata: Metadata | None = None
        self._metadata_at = 0.0
        self._keys: Mapping[str, Any] | None = None
        self._keys_at = 0.0

    async def depart(self, redirect_uri: str) -> tuple[str, Flight]:
        """Return the provider's URL for the browser and the flight to remember; raises Refused."""
        try:
            provider = await self._provider()
            return depart(provider, redirect_uri, entropy=self._context.entropy, nonce=True)
        except FlowFailed as failed:
            raise _unavailable(failed) from failed

    async def person(self, flight: Flight, query: list[tuple[str, str]], source: str) -> Person:
        """Return who came back with `query`; raises Refused (LoginFailed, LoginUnavailable)."""
        try:
            provider = await self._provider()
            answer = await redeem(provider, flight, query, self._http)
            if answer.id_token is None:
                raise TokenInvalid("missing")
            configured = self._configured()
            claims = await self._completed(await self._verify(answer.id_token), answer.access)
            return person_of(
                claims,
                client_id=configured.client_id,
                nonce=flight.nonce,
                groups_claim=configured.groups_claim,
                source=source,
            )
        except TokenInvalid as invalid:
            raise Refused("LoginFailed", detail=f"id token: {invalid.reason}") from None
        except FlowFailed as failed:
            raise _failed(failed) from failed

    def _configured(self) -> IdentityProvider:
        gateway = self._context.config.gateway
        provider = gateway.identity_provider
        if provider is None:
            raise Refused("LoginUnavailable", message="this gateway has no identity provider")
        if provider.development and not gateway.allow_loopback:
            raise Refused("LoginUnavailable", detail="development provider on a public gateway")
        return provider

    async def _provider(self) -> Provider:
        configured = self._configured()
        secret = configured.client_secret
        metadata = await self._discovered(configured.issuer)
        return metadata.provider(
            client_id=configured.client_id,
            client_secret=None if secret is None else self._credentials[secret],
            scopes=configured.scopes,
        )

    async def _discovered(self, issuer: str) -> Metadata:
        now = self._context.clock()
        if self._metadata is None or not 0 <= now - self._metadata_at < _FRESH:
            self._metadata = await discover(issuer, self._http)
            self._metadata_at = now
        return self._metadata

    async def _verify(self, id_token: str) -> Mapping[str, Any]:
        """Verify an ID token; keys are fetched again, now and then, where the known ones fail."""
        metadata = await self._discovered(self._configured().issuer)
        keys = await self._known_keys(metadata, older_than=_FRESH)
        try:
            return self._verify_with(keys, id_token, metadata)
        except TokenInvalid as invalid:
            again = await self._known_keys(metadata, older_than=_AGAIN)
            if invalid.reason not in ("malformed", "signature", "keys") or again is keys:
                raise
            return self._verify_with(again, id_token, metadata)

    def _verify_with(
        self, keys: Mapping[str, Any], id_token: str, metadata: Metadata
    ) -> Mapping[str, Any]:
        offered = metadata.id_token_algorithms or ("RS256",)
        return verify_foreign(
            id_token,
            keys,
            algorithms=[name for name in ALGORITHMS if name in offered],
            iss=metadata.issuer,
            aud=self._configured().client_id,
            now=self._context.clock(),
        )

    async def _completed(self, claims: Mapping[str, Any], access: Secret) -> Mapping[str, Any]:
        """Ask userinfo for what the ID token leaves out; what the ID token says stands."""
        metadata = await self._discovered(self._configured().issuer)
        wanted = {"email", self._configured().groups_claim}
        if metadata.userinfo_endpoint is None or wanted <= claims.keys():
            return claims
        more = await userinfo(metadata.userinfo_endpoint, access, self._http)
        if more.get("sub") != claims.get("sub"):
            raise TokenInvalid("userinfo")
        if "email" in claims:  # whether it is verified is said beside it, nowhere else
            more = {name: value for name, value in more.items() if name != "email_verified"}
        return {**more, **claims}

    async def _known_keys(self, metadata: Metadata, *, older_than: float) -> Mapping[str, Any]:
        now = self._context.clock()
        if self._keys is None or not 0 <= now - self._keys_at < older_than:
            if metadata.jwks_uri is None:
                raise FlowFailed("metadata", detail="the provider names no keys")
            self._keys = await jwks(metadata.jwks_uri, self._http)
            self._keys_at = now
        return self._keys


def _unavailable(failed: FlowFailed) -> Refused:
    return Refused("LoginUnavailable", detail=str(failed))


def _failed(failed: FlowFailed) -> Refused:
    if failed.transient or failed.reason in ("metadata", "insecure"):
        return _unavailable(failed)
    if failed.reason == "denied":
        return Refused("LoginFailed", message="the login was cancelled", detail=str(failed))
    return Refused("LoginFailed", detail=str(failed))
