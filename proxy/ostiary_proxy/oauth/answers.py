"""The shapes of our answers: JSON, redirects, and refusals as OAuth says them."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from ostiary.decode.json_text import write_json
from ostiary_proxy.refused import Refused, link
from ostiary_proxy.wire import Headers, Reply

__all__ = [
    "CORS",
    "as_json",
    "as_oauth_error",
    "oauth_error",
    "preflight",
    "see_other",
    "with_query",
]

_ERRORS: Final[Mapping[str, str]] = {
    "InvalidOAuthRequest": "invalid_request",
    "InvalidClient": "invalid_client",
    "InvalidRedirectUri": "invalid_redirect_uri",
    "InvalidClientMetadata": "invalid_client_metadata",
    "InvalidGrant": "invalid_grant",
    "InvalidTarget": "invalid_target",
    "InvalidScope": "invalid_scope",
    "UnsupportedGrantType": "unsupported_grant_type",
    "UnsupportedResponseType": "unsupported_response_type",
    "AccessDenied": "access_denied",
    "RouteClosed": "temporarily_unavailable",
    "TooManyRequests": "temporarily_unavailable",
    "StoreUnavailable": "temporarily_unavailable",
    "AuditUnavailable": "temporarily_unavailable",
    "LoginUnavailable": "temporarily_unavailable",
}
_NOT_DESCRIPTION: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")

CORS: Final[Headers] = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "WWW-Authenticate"),
)
_NO_STORE: Final[Headers] = (("cache-control", "no-store"), ("pragma", "no-cache"))


def as_json(
    value: Mapping[str, object], *, status: int = 200, headers: Headers = _NO_STORE
) -> Reply:
    """Return a JSON answer that any web origin may read (rule 73) and nobody caches unless told."""
    return Reply(
        status=status,
        headers=(("content-type", "application/json"), *headers, *CORS),
        body=write_json(value),
    )


def oauth_error(refused: Refused) -> str:
    """Return the OAuth error code of a refusal; `server_error` or `invalid_request` by default."""
    default = "server_error" if refused.how.status >= 500 else "invalid_request"
    return _ERRORS.get(refused.code, default)


def describe(refused: Refused) -> str:
    """Return the `error_description`: text and explaining address, in its few characters."""
    return _NOT_DESCRIPTION.sub("'", f"{refused.message} ({link(refused.code)})")


def as_oauth_error(refused: Refused) -> Reply:
    """Return the JSON error of RFC 6749 section 5.2 and RFC 7591 section 3.2.2."""
    headers = _NO_STORE + refused.headers
    if refused.retry_after is not None:
        headers += (("retry-after", str(max(1, round(refused.retry_after + 0.5)))),)
    body = {"error": oauth_error(refused), "error_description": describe(refused)}
    return as_json(body, status=max(400, refused.how.status), headers=headers)


def preflight() -> Reply:
    """Answer a CORS preflight: no credentials, any origin."""
    return Reply(
        status=204,
        headers=(
            *CORS,
            ("access-control-allow-methods", "GET, POST, OPTIONS"),
            ("access-control-allow-headers", "Authorization, Content-Type, MCP-Protocol-Version"),
            ("access-control-max-age", "600"),
        ),
    )


def see_other(location: str, headers: Headers = ()) -> Reply:
    """Send a browser on with 303, so that a POST is never repeated; no referrer goes along."""
    return Reply(
        status=303,
        headers=(("location", location), ("referrer-policy", "no-referrer"), *_NO_STORE, *headers),
    )


def with_query(uri: str, parameters: Mapping[str, str | None]) -> str:
    """Return `uri` with further query parameters; those that are None stay away."""
    parts = urlsplit(uri)
    added = urlencode({name: value for name, value in parameters.items() if value is not None})
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, added)))))
