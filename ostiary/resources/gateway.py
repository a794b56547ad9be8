"""MCPGateway: one proxy fleet, its identity provider and what its operators decide."""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from ostiary.crypto.secret import Secret
from ostiary.decode.model import Duration, Model
from ostiary.resources.address import check_origin, is_loopback, split_url
from ostiary.resources.fleet import Keys, Proxy
from ostiary.resources.listener import Listener
from ostiary.resources.meta import (
    ENCRYPTED,
    LOOPBACK_URL,
    Cidr,
    ObjectMeta,
    ProviderUrl,
    SecretKeyRef,
    exactly_one,
    rules,
)
from ostiary.resources.storage import Storage

__all__ = [
    "MAX_GATEWAY_NAME", "NAME_TOO_LONG", "DevProvider", "DevUser", "MCPGateway", "MCPGatewaySpec",
    "OidcProvider",
]  # fmt: skip

MAX_GATEWAY_NAME: Final = 40
"""Characters of a gateway's name at most, so that each name made of it is a DNS label."""
NAME_TOO_LONG: Final = (
    f"the name of a gateway has at most {MAX_GATEWAY_NAME} characters: "
    "its objects are named after it"
)
_ONE_REPLICA = "SQLite holds one replica: set proxy.replicas to 1, or storage.type to Redis"
_ONE_IS_ENOUGH = (
    "SQLite holds one replica: leave proxy.autoscaling out, or set storage.type to Redis"
)
_NO_DISK = "with Redis no disk outlives a pod: set audit.sinks to [Stdout] and collect its lines"
_ALL_OR_NONE = "give each listener tls, or none: one port speaks TLS or it does not"
_TLS_IS_HTTPS = "with tls write https in publicUrl"
_TLS_COVERS = "with tls a listener must have the host of publicUrl"
_HOST: Final = "(self.publicUrl.substring(8) + ':')"
_ABOVE: Final = "('*' + self.publicUrl.substring(self.publicUrl.indexOf('.')) + ':')"
_HAS_HOST: Final = (
    f"{_HOST}.startsWith(l.hostname + ':') || "
    f"(self.publicUrl.contains('.') && {_ABOVE}.startsWith(l.hostname + ':'))"
)
"""That a listener has the host of publicUrl: CEL's own reading of URLs costs too much in a loop."""
_NO_TLS: Final = "!self.listeners.exists(l, has(l.tls))"


class Claims(Model):
    """Names of ID token claims."""

    groups: str = Field(
        default="groups",
        min_length=1,
        max_length=128,
        description="Claim that holds the person's groups.",
    )


class OidcProvider(Model):
    """An OpenID Connect provider."""

    issuer: ProviderUrl = Field(
        description="Issuer identifier, exactly as the provider's discovery document has it."
    )
    client_id: str = Field(
        min_length=1, max_length=512, description="Our client id at the provider."
    )
    client_secret_ref: SecretKeyRef | None = Field(
        default=None, description="Our client secret; absent for a public client."
    )
    scopes: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...],
        Field(min_length=1, max_length=32),
    ] = Field(default=("openid", "profile", "email"), description="Scopes asked for at login.")
    claims: Claims = Field(default=Claims(), description="Which claims hold what.")
    ca_bundle_ref: SecretKeyRef | None = Field(
        default=None,
        description="PEM certificates that vouch for the provider, instead of the public ones.",
    )


class DevUser(Model):
    """A person at the development identity provider."""

    username: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$",
        description="Login name and subject.",
    )
    password: Secret = Field(
        description="Password, in clear: for development only.",
        json_schema_extra={"minLength": 1, "maxLength": 128},
    )
    email: str | None = Field(
        default=None, min_length=3, max_length=254, description="E-mail; counts as verified."
    )
    groups: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=64)
    ] = Field(default=(), description="Groups of the person.")
    name: str | None = Field(
        default=None, min_length=1, max_length=128, description="Full name shown on pages."
    )

    def reveal(self) -> dict[str, object]:
        """Return the JSON form with the password: for the identity provider's file only."""
        return {**self.plain(), "groups": list(self.groups), "password": self.password.reveal()}


class DevProvider(Model):
    """The development identity provider that `ostiary dev` runs."""

    users: Annotated[tuple[DevUser, ...], Field(min_length=1, max_length=100)] = Field(
        description="Who can log in.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["username"],
        },
    )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [user.username for user in self.users]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the username {twice[0]} stands twice")
        return self


class IdentityProvider(Model):
    """Who logs people in; exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra=rules(("has(self.oidc) != has(self.dev)", "set exactly one of oidc, dev"))
    )

    oidc: OidcProvider | None = Field(default=None, description="Any OpenID Connect provider.")
    dev: DevProvider | None = Field(
        default=None,
        description="The development identity provider; only where publicUrl is loopback.",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, ("oidc", "dev"))
        return self


_LIFETIMES: Final = {
    "accessTtl": (60, 3600),
    "refreshTtl": (3600, 8760 * 3600),
    "internalTtl": (5, 60),
}
"""The least and most seconds of each kind of token."""


def _within(name: str, least: int, most: int) -> tuple[str, str]:
    value = f"duration(self.{name})"
    rule = f"duration('{least}s') <= {value} && {value} <= duration('{most}s')"
    return rule, f"{name} must be between {least} and {most} seconds"


class Tokens(Model):
    """Lifetimes of tokens, as durations such as 10m."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(_within(name, least, most) for name, (least, most) in _LIFETIMES.items())
        )
    )

    access_ttl: Duration = Field(
        default=Duration("10m"), description="Access tokens for clients; 1m to 1h."
    )
    refresh_ttl: Duration = Field(
        default=Duration("720h"), description="Refresh tokens of one grant; 1h to 8760h."
    )
    internal_ttl: Duration = Field(
        default=Duration("60s"), description="Tokens for upstreams, minted per call; 5s to 60s."
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        lifetimes = (self.access_ttl, self.refresh_ttl, self.internal_ttl)
        for value, (name, (least, most)) in zip(lifetimes, _LIFETIMES.items(), strict=True):
            if not least <= value.seconds <= most:
                raise ValueError(f"{name} must be between {least} and {most} seconds")
        return self


class Audit(Model):
    """How the audit log is written."""

    arguments: Literal["Redacted", "Full", "Digest"] = Field(
        default="Redacted",
        description="How arguments are recorded: secret-like values masked, in full, as digests.",
    )
    durability: Literal["Process", "Disk"] = Field(
        default="Process",
        description="When a record counts as written: handed to the kernel, or on disk.",
    )
    sinks: Annotated[tuple[Literal["Stdout"], ...], Field(max_length=1)] = Field(
        default=(),
        description="Where records and checkpoints are written too. Stdout: the pod's own log.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class Authorization(Model):
    """What policy must say before anything is allowed."""

    ceiling: Literal["None", "Required"] = Field(
        default="None",
        description="Required: gateway and route must both allow; None: one of them is enough.",
    )


class Upstreams(Model):
    """Addresses outside the cluster that routes may name, beyond public ones."""

    allow: Annotated[tuple[Cidr, ...], Field(max_length=64)] = Field(
        default=(), description="Private networks that routes may name."
    )
    deny: Annotated[tuple[Cidr, ...], Field(max_length=64)] = Field(
        default=(), description="Networks that nothing may name."
    )


class Clients(Model):
    """What MCP clients may do when they register."""

    redirect_uris: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=512)], ...], Field(max_length=32)
    ] = Field(
        default=(),
        description="Redirect URIs allowed besides https and loopback ones, compared exactly.",
    )


class MCPGatewaySpec(Model):
    """What the platform team wants."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"!has(self.identityProvider.dev) || self.publicUrl.matches('{LOOPBACK_URL}$')",
                "identityProvider.dev is for a publicUrl on loopback only",
            ),
            (
                "self.storage.type != 'SQLite' || self.proxy.replicas == 1",
                _ONE_REPLICA,
            ),
            ("self.storage.type != 'Redis' || 'Stdout' in self.audit.sinks", _NO_DISK),
            ("self.storage.type != 'SQLite' || !has(self.proxy.autoscaling)", _ONE_IS_ENOUGH),
            (f"{_NO_TLS} || self.listeners.all(l, has(l.tls))", _ALL_OR_NONE),
            (f"{_NO_TLS} || self.publicUrl.startsWith('https://')", _TLS_IS_HTTPS),
            (f"{_NO_TLS} || self.listeners.exists(l, {_HAS_HOST})", _TLS_COVERS),
        )
    )

    default: bool = Field(
        default=False, description="Routes without gatewayRef bind here; of two, the oldest wins."
    )
    public_url: Annotated[
        str, Field(min_length=8, max_length=300), AfterValidator(check_origin)
    ] = Field(
        description="Origin where people log in and the identity provider calls back; fixed.",
        json_schema_extra={
            "pattern": r"^https?://[^/?#@\sA-Z]+$",
            **rules(
                ENCRYPTED,
                ("!self.matches('^(https:.*:443|http:.*:80)$')", "leave the scheme's own port out"),
                (
                    "self == oldSelf",
                    "publicUrl can't be changed: stored accounts are sealed for it",
                ),
            ),
        },
    )
    listeners: Annotated[tuple[Listener, ...], Field(max_length=32)] = Field(
        default=(),
        description="Hosts of routes, and who may use them; absent: publicUrl's, this namespace.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    identity_provider: IdentityProvider = Field(description="Who logs people in.")
    proxy: Proxy = Field(default=Proxy(), description="The proxy's Deployment.")
    storage: Storage = Field(
        default=Storage(), description="Where grants, accounts and limits are kept."
    )
    keys: Keys | None = Field(
        default=None, description="Keys from outside; absent: generated once and kept."
    )
    tokens: Tokens = Field(default=Tokens(), description="Lifetimes of tokens.")
    audit: Audit = Field(default=Audit(), description="How the audit log is written.")
    authorization: Authorization = Field(
        default=Authorization(), description="What policy must say before anything is allowed."
    )
    upstreams: Upstreams = Field(
        default=Upstreams(), description="Addresses outside the cluster that routes may name."
    )
    clients: Clients = Field(
        default=Clients(), description="What MCP clients may do when they register."
    )
    trusted_proxies: Annotated[tuple[Cidr, ...], Field(max_length=32)] = Field(
        default=(),
        description="Networks of load balancers whose X-Forwarded-For is believed.",
    )

    @property
    def loopback(self) -> bool:
        """Say whether the gateway serves this machine only: development."""
        return is_loopback(split_url(self.public_url).hostname)

    @property
    def tls(self) -> bool:
        """Say whether the proxies themselves speak TLS on their public port."""
        return any(listener.tls for listener in self.listeners)

    @model_validator(mode="after")
    def _secured(self) -> Self:
        if not self.tls:
            return self
        parts = split_url(self.public_url)
        if not all(listener.tls for listener in self.listeners):
            raise ValueError(_ALL_OR_NONE)
        if parts.scheme != "https":
            raise ValueError(_TLS_IS_HTTPS)
        if not any(listener.covers(parts.hostname or "") for listener in self.listeners):
            raise ValueError(_TLS_COVERS)
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.identity_provider.dev is not None and not self.loopback:
            raise ValueError("identityProvider.dev is for a publicUrl on loopback only")
        if self.storage.type == "SQLite" and self.proxy.replicas != 1:
            raise ValueError(_ONE_REPLICA)
        if self.storage.type == "SQLite" and self.proxy.autoscaling is not None:
            raise ValueError(_ONE_IS_ENOUGH)
        if self.storage.type == "Redis" and "Stdout" not in self.audit.sinks:
            raise ValueError(_NO_DISK)
        names = [listener.name for listener in self.listeners]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the listener {twice[0]} stands twice")
        return self


class MCPGateway(Model):
    """A gateway as it was read."""

    metadata: ObjectMeta
    spec: MCPGatewaySpec
