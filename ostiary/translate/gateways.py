"""Resolving gateways: what each serves, for whom its hosts are, and which is the default one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ostiary.config import document
from ostiary.resources.fleet import Keys
from ostiary.resources.gateway import DevUser, MCPGateway, OidcProvider
from ostiary.resources.listener import Listener, NamespacesFrom
from ostiary.resources.manifest import Manifest
from ostiary.resources.meta import SecretKeyRef
from ostiary.resources.pod_template import pod_template_faults
from ostiary.resources.storage import Storage
from ostiary.translate.certificates import secure
from ostiary.translate.names import DEV_CLIENT, ROTATE_KEYS, Names, is_paused
from ostiary.translate.parsed import Parsed
from ostiary.translate.ports import PRODUCTION, Ports, development_ports, issuer_at
from ostiary.translate.problem import Condition, Problem, Reason, of_faults
from ostiary.translate.references import References, SecretKey
from ostiary.translate.rotate_keys import misasked
from ostiary.translate.world import Platform

__all__ = ["ResolvedGateway", "default_gateway", "resolve_gateways"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedGateway:
    """A gateway with everything around it looked up; `config` is None where it can't be served.

    `local` says that it runs on the machine of whoever wrote it, where loopback is theirs to name;
    `generated` are credentials that the operator itself makes.
    """

    manifest: Manifest
    gateway: MCPGateway | None
    is_default: bool
    local: bool = False
    config: document.Gateway | None = None
    credentials: frozenset[SecretKey] = frozenset()
    generated: frozenset[SecretKey] = frozenset()
    ports: Ports = PRODUCTION
    keys: SecretKey | None = None
    dev_users: tuple[DevUser, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return self.manifest.key

    @property
    def paused(self) -> bool:
        """Say whether its objects and proxies are to be left alone."""
        return is_paused(self.manifest.meta.annotations)

    def admits(self, listener: Listener, namespace: str, labels: Mapping[str, str]) -> bool:
        """Say whether routes of a namespace may use a listener's hosts."""
        allowed = listener.allowed_routes
        if allowed.namespaces is NamespacesFrom.ALL:
            return True
        if allowed.namespaces is NamespacesFrom.SAME:
            return namespace == self.manifest.meta.namespace
        return (allowed.match_labels or {}).items() <= labels.items()


@dataclass(slots=True)
class _Looked:
    """What looking around for one gateway has found so far."""

    references: References
    namespace: str
    credentials: set[SecretKey] = field(default_factory=set)
    generated: set[SecretKey] = field(default_factory=set)
    ports: Ports = PRODUCTION
    problems: list[Problem] = field(default_factory=list)


def resolve_gateways(
    parsed: Iterable[Parsed], references: References, platform: Platform, now: float
) -> dict[str, ResolvedGateway]:
    """Return every gateway by key, oldest first; of several defaults the oldest one is."""
    resolved: dict[str, ResolvedGateway] = {}
    default: str | None = None
    for item in sorted(parsed, key=lambda item: item.manifest.age):
        gateway = _resolve(item, references, platform, now)
        if gateway.is_default and default is not None:
            said = f"the older gateway {default} is the default one; set default: false here"
            conflict = Problem(
                condition=Condition.CONFLICTED,
                reason=Reason.DEFAULT_CONFLICT,
                message=said,
                path="spec.default",
            )
            gateway = replace(gateway, is_default=False, problems=(*gateway.problems, conflict))
        elif gateway.is_default:
            default = gateway.key
        resolved[gateway.key] = gateway
    return resolved


def default_gateway(gateways: Mapping[str, ResolvedGateway]) -> ResolvedGateway | None:
    """Return the gateway of routes that name none."""
    return next((gateway for gateway in gateways.values() if gateway.is_default), None)


def _resolve(
    item: Parsed, references: References, platform: Platform, now: float
) -> ResolvedGateway:
    manifest, gateway = item.manifest, item.resource
    if not isinstance(gateway, MCPGateway):
        # A gateway that became unreadable stays the default one: its routes must not move to
        # another gateway, with another identity provider, because of a typing error.
        asked = isinstance(manifest.spec, dict) and manifest.spec.get("default") is True
        problems = of_faults(item.faults)
        return ResolvedGateway(manifest=manifest, gateway=None, is_default=asked, problems=problems)
    looked = _Looked(references, manifest.meta.namespace)
    provider = _provider(gateway, platform, looked)
    storage = _storage(gateway.spec.storage, looked)
    keys = _keys(gateway.spec.keys, looked)
    secured = secure(gateway, references, now)
    looked.credentials |= secured.credentials
    looked.problems += secured.problems
    looked.problems += of_faults(
        pod_template_faults(gateway.spec.proxy.pod_template, "spec.proxy.podTemplate")
    )
    looked.problems += misasked(manifest.meta.annotations.get(ROTATE_KEYS, ""))
    dev = gateway.spec.identity_provider.dev
    return ResolvedGateway(
        manifest=manifest,
        gateway=gateway,
        is_default=gateway.spec.default,
        local=gateway.spec.loopback and platform.cluster is None,
        config=_config(gateway, provider, storage, secured.tls, platform),
        credentials=frozenset(looked.credentials),
        generated=frozenset(looked.generated),
        ports=looked.ports,
        keys=keys,
        dev_users=dev.users if dev is not None else (),
        problems=tuple(looked.problems),
    )


def _keys(keys: Keys | None, looked: _Looked) -> SecretKey | None:
    """Return where the keys are, or will be: nobody may take generated ones meanwhile."""
    if keys is None:
        return None
    ref = keys.secret_ref
    found = looked.references.secret(ref, looked.namespace, "spec.keys.secretRef")
    if isinstance(found, Problem):
        looked.problems.append(found)
    return SecretKey(looked.namespace, ref.name, ref.key)


def _config(
    gateway: MCPGateway,
    provider: document.IdentityProvider | None,
    storage: document.Storage,
    tls: document.Tls | None,
    platform: Platform,
) -> document.Gateway:
    spec, meta = gateway.spec, gateway.metadata
    public_url = platform.public_urls.get(f"{meta.namespace}/{meta.name}", spec.public_url)
    return document.Gateway(
        namespace=meta.namespace,
        name=meta.name,
        public_url=public_url,
        identity_provider=provider,
        tokens=document.Tokens(
            access_ttl=spec.tokens.access_ttl.seconds,
            refresh_ttl=spec.tokens.refresh_ttl.seconds,
            internal_ttl=spec.tokens.internal_ttl.seconds,
        ),
        storage=storage,
        audit=document.Audit(
            arguments=spec.audit.arguments,
            durability=spec.audit.durability,
            sinks=spec.audit.sinks,
        ),
        ceiling=spec.authorization.ceiling,
        upstreams=document.UpstreamsRule(allow=spec.upstreams.allow, deny=spec.upstreams.deny),
        redirect_uris=spec.clients.redirect_uris,
        trusted_proxies=spec.trusted_proxies,
        allow_loopback=spec.loopback,
        tls=tls if public_url.startswith("https://") else None,
    )


def _provider(
    gateway: MCPGateway, platform: Platform, looked: _Looked
) -> document.IdentityProvider | None:
    """Return the provider; None (nobody can log in) where a reference does not resolve."""
    oidc = gateway.spec.identity_provider.oidc
    if oidc is not None:
        return _oidc(oidc, looked)
    if platform.cluster is not None:
        return _beside_the_proxy(gateway, looked)
    if platform.dev_identity is None:
        said = "the development identity provider runs with `ostiary dev` only; use oidc here"
        looked.problems.append(_development_only(said))
        return None
    return document.IdentityProvider(
        issuer=platform.dev_identity.issuer,
        client_id=platform.dev_identity.client_id,
        development=True,
    )


def _beside_the_proxy(gateway: MCPGateway, looked: _Looked) -> document.IdentityProvider | None:
    """Return the development identity provider in the proxy's own pod."""
    try:
        looked.ports = development_ports(gateway.spec.public_url)
    except ValueError as error:
        looked.problems.append(_development_only(str(error), "spec.publicUrl"))
        return None
    names = Names(gateway.metadata.name)
    secret = SecretKey(looked.namespace, names.dev_identity, "client-secret")
    looked.generated.add(secret)
    return document.IdentityProvider(
        issuer=f"http://{issuer_at(gateway.spec.public_url)}",
        client_id=DEV_CLIENT,
        client_secret=secret.credential,
        development=True,
    )


def _development_only(message: str, path: str = "spec.identityProvider.dev") -> Problem:
    return Problem(
        condition=Condition.ACCEPTED,
        reason=Reason.DEVELOPMENT_ONLY,
        message=message,
        path=path,
    )


def _oidc(oidc: OidcProvider, looked: _Looked) -> document.IdentityProvider | None:
    refs = {"clientSecretRef": oidc.client_secret_ref, "caBundleRef": oidc.ca_bundle_ref}
    found = _credentials(refs, "spec.identityProvider.oidc", looked)
    if found is None:
        return None
    return document.IdentityProvider(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        client_secret=found.get("clientSecretRef"),
        scopes=oidc.scopes,
        groups_claim=oidc.claims.groups,
        ca_bundle=found.get("caBundleRef"),
    )


def _storage(storage: Storage, looked: _Looked) -> document.Storage:
    """Return the storage; one without its URL, which no proxy takes, where a reference fails."""
    refs = {"urlSecretRef": storage.url_secret_ref, "caBundleRef": storage.ca_bundle_ref}
    found = _credentials(refs, "spec.storage", looked) or {}
    return document.Storage(
        type=storage.type, url=found.get("urlSecretRef"), ca_bundle=found.get("caBundleRef")
    )


def _credentials(
    refs: Mapping[str, SecretKeyRef | None], path: str, looked: _Looked
) -> dict[str, str] | None:
    """Return the names of the credentials that `refs` name, or None where one of them fails."""
    found = {
        name: looked.references.secret(ref, looked.namespace, f"{path}.{name}")
        for name, ref in refs.items()
        if ref is not None
    }
    problems = [item for item in found.values() if isinstance(item, Problem)]
    looked.problems.extend(problems)
    if problems:
        return None
    keys = {name: item for name, item in found.items() if isinstance(item, SecretKey)}
    looked.credentials.update(keys.values())
    return {name: key.credential for name, key in keys.items()}
