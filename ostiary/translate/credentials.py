"""Resolving how the gateway authenticates to a server, credentials by reference only."""

from dataclasses import dataclass, field
from typing import Final

from ostiary.config.document import (
    HeaderAuth,
    InternalTokenAuth,
    NoAuth,
    OAuth2Auth,
    Upstream,
    UpstreamAuth,
)
from ostiary.resources.address import origin_of, split_url
from ostiary.resources.meta import SecretKeyRef
from ostiary.resources.route import Header, Mcp, OAuth2
from ostiary.translate.problem import Problem
from ostiary.translate.references import References, SecretKey
from ostiary.translate.upstreams import Asking

__all__ = ["Authentication", "canonical_audience", "resolve_authentication"]

_GITHUB: Final = ("https://github.com/login/oauth", "authorize", "access_token")


@dataclass(slots=True)
class Authentication:
    """How a server is authenticated to.

    `credentials` are the values it takes; `client_id` is set where our client id is in a Secret and
    has to be filled in before the configuration is complete.
    """

    auth: UpstreamAuth = field(default_factory=NoAuth)
    credentials: set[SecretKey] = field(default_factory=set)
    client_id: SecretKey | None = None
    problems: list[Problem] = field(default_factory=list)


def resolve_authentication(
    mcp: Mcp, upstream: Upstream | None, asking: Asking, references: References
) -> Authentication:
    """Return how `upstream` is authenticated to, with a problem for each reference that fails."""
    union = mcp.auth
    found = _Resolving(references, asking.namespace, Authentication())
    if union.type == "InternalToken":
        details = union.internal_token
        audience = details.audience if details else None
        found.result.auth = InternalTokenAuth(
            audience=audience or (upstream.url if upstream else ""),
            pairwise_subject=details.pairwise_subject if details else False,
        )
    elif union.header is not None:
        found.header(union.header, f"{asking.path}.upstreamAuth.header")
    elif union.oauth2 is not None:
        short = mcp.upstream_oauth2 is not None
        spelled = "upstreamOAuth2" if short else "upstreamAuth.oauth2"
        found.oauth2(union.oauth2, f"{asking.path}.{spelled}")
    return found.result


def canonical_audience(audience: str) -> str:
    """Return the form in which audiences of internal tokens compare between namespaces."""
    try:
        parts = split_url(audience)
    except ValueError:
        return audience.rstrip("/")
    return f"{origin_of(parts)}{parts.path.rstrip('/')}?{parts.query}"


@dataclass(slots=True)
class _Resolving:
    references: References
    namespace: str
    result: Authentication

    def secret(self, ref: SecretKeyRef, path: str) -> SecretKey | None:
        found = self.references.secret(ref, self.namespace, path)
        if isinstance(found, Problem):
            self.result.problems.append(found)
            return None
        return found

    def credential(self, ref: SecretKeyRef | None, path: str) -> str | None:
        found = None if ref is None else self.secret(ref, path)
        if found is None:
            return None
        self.result.credentials.add(found)
        return found.credential

    def header(self, header: Header, path: str) -> None:
        value = self.credential(header.value_ref, f"{path}.valueRef")
        if value is not None:
            self.result.auth = HeaderAuth(name=header.name, value=value, prefix=header.prefix)

    def oauth2(self, oauth2: OAuth2, path: str) -> None:
        secret = self.credential(oauth2.client_secret_ref, f"{path}.clientSecretRef")
        if oauth2.client_id_ref is not None:
            self.result.client_id = self.secret(oauth2.client_id_ref, f"{path}.clientIdRef")
        issuer, authorization, redemption, style = _endpoints(oauth2)
        self.result.auth = OAuth2Auth(
            issuer=issuer,
            authorization_endpoint=authorization,
            token_endpoint=redemption,
            client_id=oauth2.client_id or "",
            client_secret=secret,
            auth_style="InParams" if style == "InParams" else "InHeader",
            scopes=oauth2.scopes,
            resource=oauth2.resource,
            revocation_endpoint=oauth2.endpoint.revocation_url if oauth2.endpoint else None,
        )


def _endpoints(oauth2: OAuth2) -> tuple[str, str, str, str]:
    """Return issuer, authorization endpoint, token endpoint and style."""
    if oauth2.endpoint is None:
        base, authorization, redemption = _GITHUB
        return (
            oauth2.issuer or base,
            f"{base}/{authorization}",
            f"{base}/{redemption}",
            "InParams",
        )
    at = oauth2.endpoint
    issuer = oauth2.issuer or origin_of(split_url(at.auth_url))
    return issuer, at.auth_url, at.token_url, at.auth_style
