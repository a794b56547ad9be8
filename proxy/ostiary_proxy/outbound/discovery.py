"""What an authorization server says of itself (RFC 8414, OpenID).

Believed of its own issuer only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from ostiary.crypto.secret import Secret
from ostiary.decode.strict_json import Json
from ostiary_proxy.outbound.answer import read_object
from ostiary_proxy.outbound.exchange import NamedBy, OutboundFailed, Outgoing
from ostiary_proxy.outbound.http import Fetched, HttpClient
from ostiary_proxy.outbound.provider import AuthStyle, FlowFailed, Provider, is_secure

__all__ = ["Metadata", "discover", "jwks", "userinfo"]

_LIMIT: Final = 256 * 1024
_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The parts of a server's metadata that we use; every endpoint has been found secure."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str | None
    registration_endpoint: str | None
    revocation_endpoint: str | None
    iss_advertised: bool
    auth_methods: tuple[str, ...]
    scopes: tuple[str, ...]
    id_token_algorithms: tuple[str, ...]
    userinfo_endpoint: str | None = None

    @property
    def auth_style(self) -> AuthStyle:
        """Return how the token endpoint wants a secret (rule 121); RFC 8414's default is basic."""
        basic = not self.auth_methods or "client_secret_basic" in self.auth_methods
        return "InHeader" if basic else "InParams"

    def provider(
        self,
        *,
        client_id: str,
        client_secret: Secret | None = None,
        scopes: tuple[str, ...] = (),
        resource: str | None = None,
        named_by: NamedBy = "platform",
    ) -> Provider:
        """Return the server with our registration there."""
        return Provider(
            issuer=self.issuer,
            authorization_endpoint=self.authorization_endpoint,
            token_endpoint=self.token_endpoint,
            jwks_uri=self.jwks_uri,
            revocation_endpoint=self.revocation_endpoint,
            client_id=client_id,
            client_secret=client_secret,
            auth_style=self.auth_style,
            scopes=scopes,
            iss_advertised=self.iss_advertised,
            resource=resource,
            named_by=named_by,
        )


async def discover(
    issuer: str, http: HttpClient, *, openid: bool = True, named_by: NamedBy = "platform"
) -> Metadata:
    """Return the metadata of `issuer`; raises FlowFailed.

    The places are tried in order, OpenID's own first where `openid`, else as rule 111 orders them.
    A document whose `issuer` differs in one character ends the search (rule 111); so does one
    without S256 (rule 112). OpenID discovery doesn't define the PKCE member, and large providers
    omit it: with `openid` only a list without S256 is refused.
    """
    for url in _places(issuer, openid=openid):
        answer = await _get(url, http, named_by)
        if answer.status == 200:
            return _metadata(issuer, read_object(answer.body), http, openid=openid)
        if answer.status >= 500:
            raise FlowFailed("unavailable", detail=f"HTTP {answer.status} at {url}")
    raise FlowFailed("metadata", detail=f"no metadata document of {issuer}")


async def jwks(uri: str, http: HttpClient, *, named_by: NamedBy = "platform") -> Mapping[str, Any]:
    """Return the JWK set at `uri`; raises FlowFailed."""
    answer = await _get(uri, http, named_by)
    if answer.status != 200:
        reason = "unavailable" if answer.status >= 500 else "answer"
        raise FlowFailed(reason, detail=f"HTTP {answer.status} at {uri}")
    keys = read_object(answer.body)
    if not isinstance(keys.get("keys"), list):
        raise FlowFailed("answer", detail="not a JWK set")
    return keys


async def userinfo(
    uri: str, access: Secret, http: HttpClient, *, named_by: NamedBy = "platform"
) -> Mapping[str, Any]:
    """Return the claims at an OpenID userinfo endpoint; raises FlowFailed.

    Comparing `sub` with the ID token's is the caller's (OpenID Connect Core 5.3.2).
    """
    answer = await _get(uri, http, named_by, bearer=access)
    if answer.status != 200:
        reason = "unavailable" if answer.status >= 500 else "answer"
        raise FlowFailed(reason, detail=f"HTTP {answer.status} at {uri}")
    return read_object(answer.body)


def _places(issuer: str, *, openid: bool) -> list[str]:
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    oauth = f"{origin}/.well-known/oauth-authorization-server{path}"
    inserted = f"{origin}/.well-known/openid-configuration{path}"
    appended = f"{origin}{path}/.well-known/openid-configuration"
    order = [appended, oauth, inserted] if openid else [oauth, inserted, appended]
    return list(dict.fromkeys(order))


async def _get(
    url: str, http: HttpClient, named_by: NamedBy, *, bearer: Secret | None = None
) -> Fetched:
    if not is_secure(url, allow_loopback=http.allow_loopback):
        raise FlowFailed("insecure", detail=f"{url} is not https")
    authorization = (("authorization", f"Bearer {bearer.reveal()}"),) if bearer else ()
    request = Outgoing(
        method="GET",
        url=url,
        headers=(("accept", "application/json"), *authorization),
        named_by=named_by,
        timeout=_TIMEOUT,
    )
    try:
        return await http.fetch(request, _LIMIT)
    except OutboundFailed as failed:
        raise FlowFailed("unreachable", detail=f"{url}: {failed}") from failed


def _metadata(
    issuer: str, members: Mapping[str, Json], http: HttpClient, *, openid: bool
) -> Metadata:
    if members.get("issuer") != issuer:
        raise FlowFailed("issuer", detail="the metadata is of another issuer")
    if not _has_s256(members.get("code_challenge_methods_supported"), openid=openid):
        raise FlowFailed("metadata", detail="the server does not offer PKCE with S256")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_required(members, "authorization_endpoint", http),
        token_endpoint=_required(members, "token_endpoint", http),
        jwks_uri=_endpoint(members, "jwks_uri", http),
        registration_endpoint=_endpoint(members, "registration_endpoint", http),
        revocation_endpoint=_endpoint(members, "revocation_endpoint", http),
        iss_advertised=members.get("authorization_response_iss_parameter_supported") is True,
        auth_methods=_names(members.get("token_endpoint_auth_methods_supported")),
        scopes=_names(members.get("scopes_supported")),
        id_token_algorithms=_names(members.get("id_token_signing_alg_values_supported")),
        userinfo_endpoint=_endpoint(members, "userinfo_endpoint", http),
    )


def _has_s256(value: Json, *, openid: bool) -> bool:
    return openid if value is None else "S256" in _names(value)


def _required(members: Mapping[str, Json], name: str, http: HttpClient) -> str:
    found = _endpoint(members, name, http)
    if found is None:
        raise FlowFailed("metadata", detail=f"{name} is missing")
    return found


def _endpoint(members: Mapping[str, Json], name: str, http: HttpClient) -> str | None:
    value = members.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not is_secure(value, allow_loopback=http.allow_loopback):
        raise FlowFailed("insecure", detail=f"{name} is not an https address")
    return value


def _names(value: Json) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
