"""MCPRoute: one MCP server, or several, behind one URL."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from ostiary.decode.model import Model
from ostiary.resources.address import check_path, check_url, split_url
from ostiary.resources.meta import (
    DnsLabel,
    ObjectMeta,
    ProviderUrl,
    SecretKeyRef,
    ShownName,
    exactly_one,
    rules,
)

__all__ = [
    "Backend", "BackendRef", "GatewayRef", "MCPRoute", "MCPRouteSpec", "Mcp", "OAuth2",
    "UpstreamAuth",
]  # fmt: skip

Scope = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!#-\[\]-~]+$")]


class GatewayRef(Model):
    """A gateway."""

    name: DnsLabel = Field(description="Name of the MCPGateway.")
    namespace: DnsLabel | None = Field(
        default=None, description="Its namespace; absent: the route's own."
    )


class BackendRef(Model):
    """A Service in the cluster."""

    name: DnsLabel = Field(description="Name of the Service.")
    namespace: DnsLabel | None = Field(
        default=None,
        description="Its namespace; another than the route's own needs a ReferenceGrant there.",
    )
    port: int = Field(ge=1, le=65535, description="Port of the Service.")
    path: Annotated[str, Field(max_length=512), AfterValidator(check_path)] = Field(
        default="/mcp", description="Path of the MCP endpoint."
    )


class Endpoint(Model):
    """The URLs of an authorization server."""

    auth_url: ProviderUrl = Field(description="Where the person's browser goes to agree.")
    token_url: ProviderUrl = Field(description="Where codes and refresh tokens are redeemed.")
    revocation_url: ProviderUrl | None = Field(
        default=None,
        description="Where tokens are revoked (RFC 7009) when an account is taken back; "
        "absent: they are only forgotten here.",
    )
    auth_style: Literal["InHeader", "InParams"] = Field(
        default="InHeader",
        description="How our client id and secret are sent: Basic authentication, or in the form.",
    )


class OAuth2(Model):
    """The person's own token of the service behind the server, kept sealed in the vault."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.clientId) != has(self.clientIdRef)", "set clientId or clientIdRef"),
            ("has(self.endpoint) != has(self.provider)", "set endpoint, or provider: GitHub"),
        )
    )

    client_id: str | None = Field(
        default=None, min_length=1, max_length=512, description="Our client id at the service."
    )
    client_id_ref: SecretKeyRef | None = Field(
        default=None, description="Our client id, out of a Secret."
    )
    client_secret_ref: SecretKeyRef | None = Field(
        default=None, description="Our client secret; absent for a public client."
    )
    scopes: Annotated[tuple[Scope, ...], Field(max_length=64)] = Field(
        default=(), description="Scopes asked for at the service."
    )
    endpoint: Endpoint | None = Field(
        default=None, description="The service's authorization server."
    )
    provider: Literal["GitHub"] | None = Field(
        default=None, description="A service whose endpoint is known, instead of `endpoint`."
    )
    issuer: ProviderUrl | None = Field(
        default=None,
        description="The authorization server's issuer identifier; absent: the origin of authUrl.",
    )
    resource: ProviderUrl | None = Field(
        default=None, description="RFC 8707 resource sent to the authorization server."
    )

    @model_validator(mode="after")
    def _ones(self) -> Self:
        exactly_one(self, ("clientId", "clientIdRef"))
        if (self.endpoint is None) == (self.provider is None):
            raise ValueError(
                "exactly one of endpoint, provider is needed: "
                "write endpoint {authUrl, tokenUrl}, or provider: GitHub"
            )
        return self


class InternalToken(Model):
    """A short token of ours, minted for each call."""

    audience: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")] | None = (
        Field(default=None, description="Audience; absent: the upstream's URL.")
    )
    pairwise_subject: bool = Field(
        default=False, description="Give each upstream another name for the same person."
    )


_OWN_HEADERS = frozenset(
    {
        "accept", "accept-encoding", "connection", "content-encoding", "content-length",
        "content-type", "cookie", "host", "keep-alive", "last-event-id", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_NAME = "self.name.lowerAscii()"


class Header(Model):
    """A fixed header whose value comes out of a Secret."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"!({_NAME} in {sorted(_OWN_HEADERS)} || {_NAME}.startsWith('mcp-'))",
                "the gateway sets this header itself; choose another",
            )
        )
    )

    name: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        description="Name of the header, such as Authorization or X-Api-Key.",
    )
    value_ref: SecretKeyRef = Field(description="Its value.")
    prefix: str = Field(
        default="",
        max_length=64,
        pattern=r"^[ -~]*$",
        description="Text before the value, such as 'Bearer ' with its space.",
    )

    @model_validator(mode="after")
    def _ours(self) -> Self:
        lowered = self.name.lower()
        if lowered in _OWN_HEADERS or lowered.startswith("mcp-"):
            raise ValueError(f"{self.name} is set by the gateway; choose another header")
        return self


_MEMBERS = {"InternalToken": "internalToken", "Header": "header", "OAuth2": "oauth2"}


class UpstreamAuth(Model):
    """How the gateway authenticates to the server: `type`, and the member of that name."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.internalToken) || self.type == 'InternalToken'",
                "internalToken is for type InternalToken",
            ),
            (
                "has(self.header) == (self.type == 'Header')",
                "set header if and only if type is Header",
            ),
            (
                "has(self.oauth2) == (self.type == 'OAuth2')",
                "set oauth2 if and only if type is OAuth2",
            ),
        )
    )

    type: Literal["None", "InternalToken", "Header", "OAuth2"] = Field(
        description="None: no credential. InternalToken: a token of ours per call. "
        "Header: a fixed header. OAuth2: the person's own token."
    )
    internal_token: InternalToken | None = Field(
        default=None, description="Details of type InternalToken; may be absent."
    )
    header: Header | None = Field(default=None, description="Details of type Header.")
    oauth2: OAuth2 | None = Field(default=None, description="Details of type OAuth2.")

    @model_validator(mode="after")
    def _iff(self) -> Self:
        given = {"internalToken": self.internal_token, "header": self.header, "oauth2": self.oauth2}
        wanted = _MEMBERS.get(self.type)
        for name, value in given.items():
            if value is not None and name != wanted:
                raise ValueError(f"{name} does not go with type {self.type}; remove it")
        if wanted in ("header", "oauth2") and given[wanted] is None:
            raise ValueError(f"type {self.type} needs {wanted}")
        return self


class Mcp(Model):
    """How the server is spoken to; `mcp: {}` is enough."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!(has(self.upstreamOAuth2) && has(self.upstreamAuth))",
                "upstreamOAuth2 is the short spelling of upstreamAuth: set one of them",
            )
        )
    )

    upstream_oauth2: OAuth2 | None = Field(
        default=None,
        alias="upstreamOAuth2",
        description="Short for upstreamAuth {type: OAuth2, oauth2: …}.",
    )
    upstream_auth: UpstreamAuth | None = Field(
        default=None, description="How the gateway authenticates to the server; absent: not at all."
    )

    @model_validator(mode="after")
    def _one_spelling(self) -> Self:
        if self.upstream_oauth2 is not None and self.upstream_auth is not None:
            raise ValueError(
                "upstreamOAuth2 is the short spelling of upstreamAuth: set one of them"
            )
        return self

    @property
    def auth(self) -> UpstreamAuth:
        """Return the union, whichever way it was spelled."""
        if self.upstream_oauth2 is not None:
            return UpstreamAuth(type="OAuth2", oauth2=self.upstream_oauth2)
        return self.upstream_auth or UpstreamAuth(type="None")


ServerUrl = Annotated[str, Field(min_length=8, max_length=1024), AfterValidator(check_url)]


class Backend(Model):
    """One of several MCP servers behind one URL."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.to) != has(self.backendRef)", "set exactly one of to, backendRef")
        )
    )

    name: str = Field(
        min_length=1,
        max_length=20,
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        description="Its name: clients see its tools and prompts as <name>_<tool>, "
        "its resources as <name>+<uri>.",
    )
    to: ServerUrl | None = Field(
        default=None,
        description="URL of the MCP server. A name inside the cluster is read as a backendRef.",
    )
    backend_ref: BackendRef | None = Field(
        default=None, description="The Service that is the MCP server."
    )
    mcp: Mcp = Field(default=Mcp(), description="How this server is spoken to.")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        exactly_one(self, ("to", "backendRef"))
        return self


def _check_from(text: str) -> str:
    parts = split_url(text)
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("from is a host, or a host and a path: remove what follows")
    check_path(parts.path)
    return text


_NO_CREDENTIAL = "(!has(self.mcp.upstreamOAuth2) && !has(self.mcp.upstreamAuth))"
_EACH_ITS_OWN = "with backends each has its own credential: set mcp at the backend instead"


class MCPRouteSpec(Model):
    """What the app team wants."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.to), has(self.backendRefs), has(self.backends)].exists_one(it, it)",
                "set exactly one of to, backendRefs, backends",
            ),
            (
                f"!has(self.backends) || !has(self.mcp) || {_NO_CREDENTIAL}",
                _EACH_ITS_OWN,
            ),
        )
    )

    gateway_ref: GatewayRef | None = Field(
        default=None, description="The gateway; absent: the default one."
    )
    from_: (
        Annotated[str, Field(min_length=8, max_length=600), AfterValidator(_check_from)] | None
    ) = Field(
        default=None,
        alias="from",
        json_schema_extra={"pattern": r"^https?://[^?#\s\\]+$"},
        description="Public URL: a host, or a host and an exact path. "
        "Absent: <name>-<namespace> under the listener's wildcard.",
    )
    to: ServerUrl | None = Field(
        default=None,
        description="URL of the MCP server. A name inside the cluster is read as a backendRef.",
    )
    backend_refs: Annotated[tuple[BackendRef, ...], Field(min_length=1, max_length=1)] | None = (
        Field(default=None, description="The Service that is the MCP server.")
    )
    backends: Annotated[tuple[Backend, ...], Field(min_length=1, max_length=8)] | None = Field(
        default=None,
        description="Several MCP servers behind this one URL.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    )
    name: ShownName | None = Field(
        default=None, description="Name shown to people; absent: metadata.name."
    )
    suspend: bool = Field(
        default=False, description="Refuse everything for now; grants and accounts are kept."
    )
    mcp: Mcp = Field(default=Mcp(), description="How the server is spoken to.")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        exactly_one(self, ("to", "backendRefs", "backends"))
        return self

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        if self.backends is None:
            return self
        names = [backend.name for backend in self.backends]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two backends are called {twice}; give each its own name")
        if self.mcp.upstream_oauth2 is not None or self.mcp.upstream_auth is not None:
            raise ValueError(_EACH_ITS_OWN)
        return self


class MCPRoute(Model):
    """A route as it was read."""

    metadata: ObjectMeta
    spec: MCPRouteSpec
