"""Who is who.

The person, the client, and the grant that joins them (names as in the architecture document).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ostiary.decode.strict_json import Json

__all__ = ["Client", "Grant", "Person", "Presented"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person is (issuer, subject). `email` is None unless the identity provider verified it.

    `groups` is None where the provider sent no such claim: unknown, which is not the same as none.
    `claims` are the ID token's other claims that policy may read. `auth_time` is epoch seconds of
    the login at the provider; `login_source` the address of the browser at login, as text.
    """

    issuer: str
    subject: str
    email: str | None = None
    name: str | None = None
    groups: frozenset[str] | None = frozenset()
    claims: Mapping[str, Json] = field(default_factory=dict)
    auth_time: float | None = None
    login_source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An MCP client as it registered.

    `host` is the verified host, None for dynamically registered clients.
    """

    id: str
    name: str
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one person gave one client at one issuer for one resource.

    `issuer` is ours (the route's origin), `resource` the route's URL, `route` its `namespace/name`.
    `upstream_scopes` is what was consented for the upstream account, None where the route needs
    none. Times are epoch seconds.
    """

    gid: str
    issuer: str
    person: Person
    client: Client
    resource: str
    route: str
    scopes: tuple[str, ...]
    upstream_scopes: tuple[str, ...] | None
    created: float
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A verified access token: the live grant behind it, its id and its end (epoch seconds)."""

    grant: Grant
    jti: str
    expires: float
