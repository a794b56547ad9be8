"""What we say of ourselves: RFC 9728, RFC 8414 and OpenID documents, each at its exact place."""

from collections.abc import Mapping
from typing import Final

from ostiary.config.document import Route
from ostiary_proxy.oauth.resource import DEFAULT_SCOPE, Site

__all__ = ["AUTH_METHODS", "JWKS", "authorization_server", "openid", "protected_resource"]

JWKS: Final = "/.well-known/jwks.json"
AUTH_METHODS: Final = ("none", "client_secret_basic", "client_secret_post")
_RESOURCE: Final = "/.well-known/oauth-protected-resource"


def protected_resource(site: Site, path: str) -> Mapping[str, object] | None:
    """Return the RFC 9728 document at raw `path`, or None.

    It stands at the route's exact path. The root has one only where the root is a route or the
    origin has no other: clients take a parent resource, and would bind to the wrong one.
    """
    suffix = path.removeprefix(_RESOURCE)
    route = site.route_at(suffix)
    if route is None and suffix in ("", "/") and len(site.routes) == 1:
        route = site.routes[0]
    return None if route is None else _resource(route)


def _resource(route: Route) -> Mapping[str, object]:
    return {
        "resource": route.url,
        "resource_name": route.display_name,
        "authorization_servers": [route.issuer],
        "scopes_supported": [DEFAULT_SCOPE],
        "bearer_methods_supported": ["header"],
    }


def authorization_server(issuer: str) -> Mapping[str, object]:
    """Return the RFC 8414 document of `issuer`; it claims nothing that is not served."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "registration_endpoint": f"{issuer}/register",
        "revocation_endpoint": f"{issuer}/revoke",
        "scopes_supported": [DEFAULT_SCOPE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def openid(issuer: str) -> Mapping[str, object]:
    """Return the OpenID document, for clients that look for no other; we issue no ID tokens."""
    return {
        **authorization_server(issuer),
        "jwks_uri": f"{issuer}{JWKS}",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }
