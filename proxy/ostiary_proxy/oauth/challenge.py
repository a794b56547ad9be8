"""The WWW-Authenticate challenge of a route (RFC 9728 section 5.1, RFC 6750 section 3)."""

from ostiary.config.document import Route
from ostiary_proxy.oauth.resource import DEFAULT_SCOPE, origin_of, path_of

__all__ = ["challenge", "metadata_url"]


def metadata_url(route: Route) -> str:
    """Return where the metadata of `route` stands: at its exact path (security decision 2)."""
    path = path_of(route)
    suffix = "" if path == "/" else path
    return f"{origin_of(route.url)}/.well-known/oauth-protected-resource{suffix}"


def challenge(route: Route, *, sent: bool) -> str:
    """Return the value of WWW-Authenticate for a 401 of `route`.

    `sent` says whether the request carried a token: only then is there an `error` (rule 59).
    """
    error = 'error="invalid_token", error_description="log in again", ' if sent else ""
    return f'Bearer {error}resource_metadata="{metadata_url(route)}", scope="{DEFAULT_SCOPE}"'
