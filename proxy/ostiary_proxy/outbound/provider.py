"""An authorization server as its client sees it, and what a flow with it gives, as values."""

import json
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from ostiary.crypto.secret import Secret
from ostiary.decode.model import Model, validate
from ostiary.decode.strict_json import read_json
from ostiary_proxy.outbound.exchange import NamedBy

__all__ = [
    "AuthStyle",
    "Flight",
    "FlowFailed",
    "Provider",
    "TokenAnswer",
    "is_loopback",
    "is_secure",
]

AuthStyle = Literal["InHeader", "InParams"]


class FlowFailed(Exception):  # noqa: N818 - a statement
    """A flow with an authorization server did not end well.

    `reason` is a stable word: duplicate, state, issuer, denied, no-code (the redirect back);
    insecure, unreachable, unavailable, refused, answer (an endpoint); metadata (discovery). `error`
    is the OAuth error code that the server gave, where its answer may be believed. `detail` is for
    the audit record; it never holds a secret.
    """

    def __init__(self, reason: str, *, error: str | None = None, detail: str = "") -> None:
        self.reason = reason
        self.error = error
        self.detail = detail
        super().__init__(": ".join(part for part in (reason, error, detail) if part))

    @property
    def transient(self) -> bool:
        """Say whether the same may succeed later: the server was away, it did not say no."""
        return self.reason in {"unreachable", "unavailable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One authorization server and our registration there.

    `iss_advertised`: its metadata promises `iss` in answers (RFC 9207). `resource` goes into every
    request where set (RFC 8707, rule 113). `named_by` is the outbound class of all its endpoints.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    client_id: str
    jwks_uri: str | None = None
    revocation_endpoint: str | None = None
    client_secret: Secret | None = None
    auth_style: AuthStyle = "InHeader"
    scopes: tuple[str, ...] = ()
    iss_advertised: bool = False
    resource: str | None = None
    named_by: NamedBy = "route"


class _FlightJson(Model):
    state: str
    nonce: str | None
    verifier: str
    redirect_uri: str
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """What is remembered between leaving and coming back; `issuer` is the provider's (rule 116).

    `state`, `nonce` and `verifier` are secrets of the flow: store it sealed, or in memory.
    """

    state: str = field(repr=False)
    nonce: str | None = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str
    issuer: str

    def to_json(self) -> str:
        """Return the form that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Flight":
        """Return the flight; raises Faulty where `text` is none."""
        read = validate(_FlightJson, read_json(text.encode()))
        return cls(**read.model_dump())


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """What a token endpoint gave. `expires_in` is in seconds, None where the server did not say.

    `scopes` are those granted: the asked ones where the server did not say (RFC 6749 section 5.1).
    """

    access: Secret
    refresh: Secret | None
    id_token: str | None = field(repr=False)
    expires_in: float | None
    scopes: tuple[str, ...]
    token_type: str


def is_secure(url: str, *, allow_loopback: bool) -> bool:
    """Say whether `url` may carry OAuth (rule 125).

    That is https, or http to loopback where the development switch is on. User names in the URL and
    fragments are refused too.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.fragment:
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and allow_loopback and is_loopback(parts.hostname)


def is_loopback(host: str | None) -> bool:
    """Say whether a host name or address literal stays on this machine."""
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
