"""The one code flow in which we are the client: login, account connect and `ostiary login` take it.

PKCE with S256 always, state always, RFC 9207 as its table says, nothing normalised. What the caller
keeps between `depart` and `redeem` is a `Flight`; binding it to a browser and taking it once is the
caller's.
"""

import base64
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

from ostiary.crypto.base64url import base64url, s256
from ostiary.crypto.seal import Entropy
from ostiary.crypto.secret import Secret
from ostiary_proxy.outbound.answer import token_answer
from ostiary_proxy.outbound.discovery import Metadata, discover, jwks
from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.outbound.http import Fetched, HttpClient
from ostiary_proxy.outbound.provider import (
    AuthStyle,
    Flight,
    FlowFailed,
    Provider,
    TokenAnswer,
    is_secure,
)

__all__ = [
    "AuthStyle", "Flight", "FlowFailed", "Metadata", "Provider", "TokenAnswer", "depart",
    "discover", "is_secure", "jwks", "redeem", "refresh", "revoke",
]  # fmt: skip

_LIMIT: Final = 64 * 1024
_TIMEOUT: Final = 10.0


def depart(
    provider: Provider,
    redirect_uri: str,
    *,
    entropy: Entropy,
    nonce: bool,
    extra: Sequence[tuple[str, str]] = (),
) -> tuple[str, Flight]:
    """Return the URL for the browser and the flight to remember.

    `nonce` asks for one (OpenID). `extra` are further parameters. Raises FlowFailed("insecure")
    where the authorization endpoint is not http or https (rule 126).
    """
    parts = urlsplit(provider.authorization_endpoint)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.fragment:
        raise FlowFailed("insecure", detail="the authorization endpoint is no web address")
    flight = Flight(
        state=_random(entropy),
        nonce=_random(entropy) if nonce else None,
        verifier=_random(entropy),
        redirect_uri=redirect_uri,
        issuer=provider.issuer,
    )
    query = "&".join(
        part for part in (parts.query, urlencode(_asked(provider, flight, extra))) if part
    )
    return urlunsplit(parts._replace(query=query)), flight


def _asked(
    provider: Provider, flight: Flight, extra: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    challenge = s256(flight.verifier)
    asked = [
        ("response_type", "code"),
        ("client_id", provider.client_id),
        ("redirect_uri", flight.redirect_uri),
        ("scope", " ".join(provider.scopes)),
        ("state", flight.state),
        ("nonce", flight.nonce or ""),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("resource", provider.resource or ""),
        *extra,
    ]
    return [(name, value) for name, value in asked if value]


async def redeem(
    provider: Provider, flight: Flight, query: list[tuple[str, str]], http: HttpClient
) -> TokenAnswer:
    """Check the redirect back against the flight and exchange its code.

    `query` is decoded, repeats included.     Raises FlowFailed. Checking an ID token is the
    caller's, with `flight.nonce`.
    """
    code = _checked(provider, flight, query)
    form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", flight.redirect_uri),
        ("code_verifier", flight.verifier),
    ]
    return token_answer(await _post(provider, provider.token_endpoint, form, http), provider.scopes)


def _checked(provider: Provider, flight: Flight, query: list[tuple[str, str]]) -> str:
    """Return the code. Nothing of an answer is believed before state and issuer hold."""
    if any(times > 1 for times in Counter(name for name, _ in query).values()):
        raise FlowFailed("duplicate", detail="a parameter stands twice")
    answer = dict(query)
    if not hmac.compare_digest(answer.get("state", "").encode(), flight.state.encode()):
        raise FlowFailed("state")
    if flight.issuer != provider.issuer or not _issuer_holds(provider, answer.get("iss")):
        raise FlowFailed("issuer")
    if "error" in answer:
        raise FlowFailed("denied", error=answer["error"][:64])
    if not answer.get("code"):
        raise FlowFailed("no-code")
    return answer["code"]


def _issuer_holds(provider: Provider, iss: str | None) -> bool:
    """Apply the four rows of rule 116: what is present is compared, absence fails if promised."""
    return not provider.iss_advertised if iss is None else iss == provider.issuer


async def refresh(provider: Provider, refresh_token: Secret, http: HttpClient) -> TokenAnswer:
    """Exchange a refresh token; raises FlowFailed, error "invalid_grant" where the grant is dead.

    The answer's `refresh` is None where the server did not rotate: go on with the old one.
    """
    form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.reveal())]
    return token_answer(await _post(provider, provider.token_endpoint, form, http), provider.scopes)


async def revoke(provider: Provider, issued: Secret, http: HttpClient, *, hint: str) -> bool:
    """Ask the server to revoke a token (RFC 7009); `hint` is access_token or refresh_token.

    Return whether it did: False where it has no such endpoint or answered otherwise than 200.
    Raises FlowFailed where it can't be reached.
    """
    if provider.revocation_endpoint is None:
        return False
    form = [("token", issued.reveal()), ("token_type_hint", hint)]
    return (await _post(provider, provider.revocation_endpoint, form, http)).status == 200


async def _post(
    provider: Provider, url: str, form: list[tuple[str, str]], http: HttpClient
) -> Fetched:
    if not is_secure(url, allow_loopback=http.allow_loopback):
        raise FlowFailed("insecure", detail="OAuth endpoints need https")
    headers, credentials = _authenticated(provider)
    resource = [("resource", provider.resource)] if provider.resource else []
    request = Outgoing(
        method="POST",
        url=url,
        headers=(
            ("accept", "application/json"),
            ("content-type", "application/x-www-form-urlencoded"),
            *headers.items(),
        ),
        body=urlencode([*form, *credentials, *resource]).encode(),
        named_by=provider.named_by,
        timeout=_TIMEOUT,
    )
    try:
        return await http.fetch(request, _LIMIT)
    except OutboundFailed as failed:
        raise FlowFailed("unreachable", detail=str(failed)) from failed


def _authenticated(provider: Provider) -> tuple[Mapping[str, str], list[tuple[str, str]]]:
    """Return headers and form fields that say who we are (RFC 6749 section 2.3.1)."""
    if provider.client_secret is None:
        return {}, [("client_id", provider.client_id)]
    secret = provider.client_secret.reveal()
    if provider.auth_style == "InParams":
        return {}, [("client_id", provider.client_id), ("client_secret", secret)]
    pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}, []


def _random(entropy: Entropy) -> str:
    return base64url(entropy(32))
