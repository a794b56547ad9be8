"""The bundle: everything that one proxy serves.

Everything a proxy needs to serve one gateway, shaped like the kinds that people write.

`Bundle` travels as JSON; `digest` is the SHA-256 of the canonical JSON of `config` with a keyed
hash of each credential, so that equal digests mean equal behaviour. Schema changes raise `SCHEMA`,
as ADR 14 says.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from ostiary.crypto.secret import Secret
from ostiary.decode.model import Model
from ostiary.policy.rule import Mode, Rule

__all__ = [
    "SCHEMA",
    "Backend",
    "Bundle",
    "Certificate",
    "Closed",
    "Config",
    "Gateway",
    "HeaderAuth",
    "IdentityProvider",
    "InternalTokenAuth",
    "NoAuth",
    "OAuth2Auth",
    "Policy",
    "PolicyLevel",
    "Route",
    "Storage",
    "Tls",
    "Tokens",
    "Upstream",
    "UpstreamAuth",
    "UpstreamsRule",
]

SCHEMA: Final = 1
CredentialName = Annotated[
    str, Field(description="Name of an entry of the bundle's `credentials`.")
]


class PolicyLevel(StrEnum):
    """Where a policy is attached."""

    GATEWAY = "Gateway"
    ROUTE = "Route"


class IdentityProvider(Model):
    """The OpenID provider that logs people in.

    `development` is true for the provider that `ostiary dev` runs.
    """

    issuer: str
    client_id: str
    client_secret: CredentialName | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    ca_bundle: CredentialName | None = None
    development: bool = False


class Tokens(Model):
    """Lifetimes in seconds."""

    access_ttl: float = 600
    refresh_ttl: float = 720 * 3600
    internal_ttl: float = 60


class Storage(Model):
    """Where grants, accounts and limits are kept.

    `url` is set where the type is Redis, unless its Secret could not be found.
    """

    type: Literal["SQLite", "Redis"] = "SQLite"
    url: CredentialName | None = None
    ca_bundle: CredentialName | None = None


class Audit(Model):
    """How the audit log is written."""

    arguments: Literal["Redacted", "Full", "Digest"] = "Redacted"
    durability: Literal["Process", "Disk"] = "Process"
    sinks: tuple[Literal["Stdout"], ...] = ()


class UpstreamsRule(Model):
    """Which addresses outside the cluster routes may name.

    In CIDR form: `deny` never, `allow` although private.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Certificate(Model):
    """The certificate of one host (`*.example.com`: all hosts one label below) and its key, PEM.

    They are absent where the Secret could not be found.
    """

    hostname: str
    chain: CredentialName | None = None
    key: CredentialName | None = None


class Tls(Model):
    """That the proxies themselves speak TLS, and with what."""

    certificates: tuple[Certificate, ...] = ()


class Gateway(Model):
    """The gateway itself.

    `allow_loopback` holds exactly where `public_url` is loopback: development.
    """

    namespace: str
    name: str
    public_url: str
    identity_provider: IdentityProvider | None = None
    tokens: Tokens = Tokens()
    storage: Storage = Storage()
    audit: Audit = Audit()
    ceiling: Literal["None", "Required"] = "None"
    upstreams: UpstreamsRule = UpstreamsRule()
    redirect_uris: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    allow_loopback: bool = False
    tls: Tls | None = None


class Upstream(Model):
    """Where a route's requests go.

    `named_by` decides the outbound class of security decision 12.
    """

    url: str
    named_by: Literal["platform", "route"] = "route"


class NoAuth(Model):
    """The upstream gets no credential."""

    type: Literal["None"] = "None"


class InternalTokenAuth(Model):
    """The upstream gets a token of ours per call (security decision 6).

    `audience` is the upstream's URL unless set.
    """

    type: Literal["InternalToken"] = "InternalToken"
    audience: str
    pairwise_subject: bool = False


class HeaderAuth(Model):
    """The upstream gets a fixed header whose value is a credential."""

    type: Literal["Header"] = "Header"
    name: str
    value: CredentialName
    prefix: str = ""


class OAuth2Auth(Model):
    """The upstream gets the person's own token, from the vault (security decisions 14 and 21).

    `issuer` names the authorization server (for AAD and for RFC 9207); the origin of
    `authorization_endpoint` where unknown.
    """

    type: Literal["OAuth2"] = "OAuth2"
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    client_id: str
    client_secret: CredentialName | None = None
    auth_style: Literal["InHeader", "InParams"] = "InHeader"
    scopes: tuple[str, ...] = ()
    resource: str | None = None
    revocation_endpoint: str | None = None


UpstreamAuth = Annotated[
    NoAuth | InternalTokenAuth | HeaderAuth | OAuth2Auth, Field(discriminator="type")
]


class Closed(Model):
    """Why a route refuses everything: a stable reason and a sentence with the mend."""

    reason: str
    message: str


class Backend(Model):
    """One of several MCP servers behind one URL; clients see its tools as `<name>_<tool>`."""

    name: str
    upstream: Upstream
    auth: UpstreamAuth = NoAuth()


class Route(Model):
    """One MCP server behind one URL, or several (`backends`; then `upstream` is None).

    `url` is the public URL and the RFC 8707 resource; `issuer` its origin. `policies` lists the
    keys (`namespace/name`) of the policies attached at either level. `digest` changes exactly when
    the route's behaviour does. `server` names the one of several that `servers` shows, and stands
    in no bundle.
    """

    namespace: str
    name: str
    display_name: str
    labels: dict[str, str] = Field(default_factory=dict)
    url: str
    issuer: str
    upstream: Upstream | None = None
    auth: UpstreamAuth = NoAuth()
    backends: tuple[Backend, ...] | None = None
    policies: tuple[str, ...] = ()
    suspended: bool = False
    closed: Closed | None = None
    digest: str = ""
    server: str | None = None

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def server_key(self) -> str:
        """Return `namespace/name`, or `namespace/name/server` for one of several servers."""
        return self.key if self.server is None else f"{self.key}/{self.server}"

    @property
    def upstream_scopes(self) -> tuple[str, ...] | None:
        """Return what a consent to the person's accounts has to cover; None where there are none.

        Of one of several servers each scope stands with the server and the issuer that it is for.
        """
        if self.backends is not None:
            each = [scopes for one in self.servers if (scopes := one.upstream_scopes) is not None]
            return tuple(scope for scopes in each for scope in scopes) if each else None
        if not isinstance(self.auth, OAuth2Auth):
            return None
        if self.server is None:
            return self.auth.scopes
        account = f"{self.server} {self.auth.issuer}"
        return (account, *(f"{account} {scope}" for scope in self.auth.scopes))

    @property
    def servers(self) -> tuple["Route", ...]:
        """Return the route once for each server behind it, as if there were no other."""
        if self.backends is None:
            return (self,)
        return tuple(
            self.model_copy(
                update={
                    "server": one.name, "upstream": one.upstream, "auth": one.auth,
                    "backends": None,
                }
            )
            for one in self.backends
        )  # fmt: skip


class Policy(Model):
    """One policy and where it is attached."""

    namespace: str
    name: str
    generation: int
    level: PolicyLevel
    mode: Mode = Mode.ENFORCE
    rules: tuple[Rule, ...] = ()
    digest: str = ""

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"


class Config(Model):
    """What the proxy serves, without any secret."""

    gateway: Gateway
    routes: tuple[Route, ...] = ()
    policies: tuple[Policy, ...] = ()


class Bundle(Model):
    """`config` with the credentials it names; `revision` only ever grows."""

    schema_version: int = Field(alias="schema", ge=SCHEMA, le=SCHEMA)
    revision: int = Field(ge=0)
    digest: str
    config: Config
    credentials: dict[str, Secret] = Field(default_factory=dict)
