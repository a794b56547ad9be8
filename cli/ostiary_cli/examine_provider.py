"""Asks an OAuth provider whether it and our registration there are as configured.

Nothing is changed there: the probes use a code that nobody issued and a login that nobody finishes.
"""

import os
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from ostiary.config.document import Gateway, IdentityProvider, OAuth2Auth
from ostiary.crypto.secret import Secret
from ostiary_cli.finding import Finding, bad, good, odd, unreachable
from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.outbound.http import Fetched, HttpClient
from ostiary_proxy.outbound.relying_party import (
    Flight,
    FlowFailed,
    Provider,
    depart,
    discover,
    jwks,
    redeem,
)

__all__ = ["examine_account_provider", "examine_provider"]

_LIMIT: Final = 1 << 20
_SKEW: Final = 5.0
"""Seconds that tokens tolerate between two clocks."""


async def examine_provider(
    gateway: Gateway,
    identity: IdentityProvider,
    client_secret: Secret | None,
    http: HttpClient,
    clock: Callable[[], float],
) -> list[Finding]:
    """Return what there is to say about the gateway's identity provider."""
    subject = f"gateway {gateway.namespace}/{gateway.name}"
    try:
        metadata = await discover(identity.issuer, http)
    except FlowFailed as failed:
        return [_undiscovered(subject, identity.issuer, failed)]
    found = [good(subject, f"the identity provider {identity.issuer} describes itself")]
    found.append(await _keys(subject, metadata.jwks_uri, http))
    found.append(await _clock(subject, identity.issuer, http, clock))
    provider = metadata.provider(
        client_id=identity.client_id, client_secret=client_secret, scopes=identity.scopes
    )
    callback = f"{gateway.public_url}/login/callback"
    found.append(await _redirect(subject, provider, callback, http, openid=True))
    found.append(await _secret(subject, provider, callback, http))
    return found


async def examine_account_provider(
    subject: str, auth: OAuth2Auth, client_secret: Secret | None, callback: str, http: HttpClient
) -> list[Finding]:
    """Return what there is to say about the authorization server behind a route."""
    provider = Provider(
        issuer=auth.issuer,
        authorization_endpoint=auth.authorization_endpoint,
        token_endpoint=auth.token_endpoint,
        client_id=auth.client_id,
        client_secret=client_secret,
        auth_style=auth.auth_style,
        scopes=auth.scopes,
        resource=auth.resource,
    )
    return [
        await _redirect(subject, provider, callback, http, openid=False),
        await _secret(subject, provider, callback, http),
    ]


def _undiscovered(subject: str, issuer: str, failed: FlowFailed) -> Finding:
    mends = {
        "issuer": "write the issuer exactly as the provider's own document has it",
        "metadata": "check that the issuer's URL is the one of its discovery document",
        "insecure": "the provider's addresses must be https",
        "unreachable": "start it, or check the issuer's host, port and certificate",
    }
    mend = mends.get(failed.reason, "try again later")
    return bad(subject, f"the identity provider {issuer} can't be used ({failed})", mend)


async def _keys(subject: str, uri: str | None, http: HttpClient) -> Finding:
    if uri is None:
        return bad(subject, "the identity provider names no keys", "use one with a jwks_uri")
    try:
        count = len((await jwks(uri, http))["keys"])
    except FlowFailed as failed:
        return bad(subject, f"{uri} gives no keys ({failed})", "check the provider's jwks_uri")
    return good(subject, f"the identity provider publishes {count} key{'s' if count > 1 else ''}")


async def _clock(
    subject: str, issuer: str, http: HttpClient, clock: Callable[[], float]
) -> Finding:
    place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = await _get(place, http)
        theirs = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (OutboundFailed, ValueError):
        return odd(subject, "the identity provider does not say what time it is")
    skew = clock() - theirs
    if abs(skew) > _SKEW:
        way = "ahead of" if skew > 0 else "behind"
        said = f"this clock is {abs(skew):.0f} s {way} the identity provider's"
        return bad(subject, said, "set both by NTP: ID tokens are refused otherwise")
    return good(subject, "this clock and the identity provider's agree")


async def _redirect(
    subject: str, provider: Provider, callback: str, http: HttpClient, *, openid: bool
) -> Finding:
    """Begin a login as a browser would; providers refuse an unknown redirect URI at once."""
    away, _ = depart(provider, callback, entropy=os.urandom, nonce=openid)
    try:
        answer = await _get(away, http, named_by=provider.named_by)
    except OutboundFailed as failed:
        return unreachable(subject, provider.authorization_endpoint, failed)
    target = answer.headers.get("location", "")
    back = target.partition("?")[0] == callback
    error = dict(parse_qsl(urlsplit(target).query)).get("error") if back else None
    if error not in {None, "login_required", "interaction_required", "consent_required"}:
        said = f"the provider refuses our login request ({error})"
        return bad(subject, said, "check scopes and grant types of our client there")
    if answer.status >= 400 or b"redirect_uri" in answer.body:
        said = f"the provider refuses to begin a login (HTTP {answer.status})"
        mend = f"register {callback} for the client {provider.client_id} there, exactly so"
        return bad(subject, said, mend)
    return good(subject, f"the provider takes {callback} for the client {provider.client_id}")


async def _secret(subject: str, provider: Provider, callback: str, http: HttpClient) -> Finding:
    """Redeem a code that nobody issued: whoever knows the client complains of the code only."""
    if provider.client_secret is None:
        return odd(subject, f"the client {provider.client_id} has no secret")
    flight = Flight(
        state="s", nonce=None, verifier="v" * 43, redirect_uri=callback, issuer=provider.issuer
    )
    query = [("code", "ostiary-doctor"), ("state", "s"), ("iss", provider.issuer)]
    try:
        await redeem(provider, flight, query, http)
    except FlowFailed as failed:
        return _judged(subject, provider, failed)
    return odd(subject, f"{provider.token_endpoint} takes codes that nobody issued")


def _judged(subject: str, provider: Provider, failed: FlowFailed) -> Finding:
    if failed.error in {"invalid_grant", "bad_verification_code"}:
        return good(subject, f"the provider knows the client {provider.client_id} and its secret")
    if failed.error in {"invalid_client", "unauthorized_client", "incorrect_client_credentials"}:
        said = f"the provider refuses the client {provider.client_id} ({failed.error})"
        return bad(subject, said, "check client id and secret; some secrets expire")
    if failed.reason == "unreachable":
        said = f"{provider.token_endpoint} can't be reached ({failed.detail})"
        return bad(subject, said, "check host, port and certificate")
    return odd(subject, f"{provider.token_endpoint} answers a probe with: {failed}")


async def _get(url: str, http: HttpClient, *, named_by: str = "platform") -> Fetched:
    request = Outgoing(
        method="GET",
        url=url,
        headers=(("accept", "text/html, application/json"),),
        named_by="route" if named_by == "route" else "platform",
        timeout=10.0,
    )
    return await http.fetch(request, _LIMIT)
