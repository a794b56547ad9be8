"""Rendering: what was resolved becomes the configuration of each gateway, with a digest a part."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from ostiary.config.document import (
    Backend,
    Closed,
    Config,
    NoAuth,
    Policy,
    PolicyLevel,
    Route,
)
from ostiary.resources.gateway import DevUser
from ostiary.resources.manifest import Kind
from ostiary.translate.attach import Attachments, JudgedPolicy
from ostiary.translate.digest import digest_of
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.names import ROTATE_KEYS
from ostiary.translate.parsed import Cache, identity
from ostiary.translate.problem import Reason
from ostiary.translate.references import References, SecretKey
from ostiary.translate.routes import ResolvedRoute
from ostiary.translate.servers import ResolvedServer
from ostiary.translate.world import History, Reported

__all__ = ["PlannedBundle", "Renderer", "close", "closed_by", "credentials_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBundle:
    """The bundle of one gateway without any secret value; `fill` adds the values.

    `credentials` says which value of which Secret each credential name stands for, `client_ids`
    which one is our client id at a server (by `server_key`). `keys` is where the key document is,
    None where keys are generated; `rotate_keys` asks for these to be replaced. `dev_users` are the
    people of the development identity provider.
    """

    gateway: str
    revision: int
    digest: str
    config: Config
    credentials: Mapping[str, SecretKey]
    client_ids: Mapping[str, SecretKey]
    keys: SecretKey | None
    rotate_keys: str
    dev_users: tuple[DevUser, ...]
    history: History


def closed_by(route: ResolvedRoute, policies: Iterable[JudgedPolicy]) -> Closed | None:
    """Return why a route refuses everything, or None; its own faults come before its policies'."""
    for problem in route.problems:
        message = f"{problem.path}: {problem.message}" if problem.path else problem.message
        return Closed(reason=problem.reason, message=message[:1024])
    for policy in policies:
        if policy.closes:
            said = f"the policy {policy.key} can't be read or compiled; its status says why"
            return Closed(reason=Reason.POLICY_INVALID, message=said)
    return None


def credentials_of(route: Route) -> set[str]:
    """Return the names of the credentials that go to the servers of `route`."""
    names = (
        getattr(server.auth, name, None)
        for server in route.servers
        for name in ("value", "client_secret")
    )
    return {name for name in names if name is not None}


def close(route: Route, closed: Closed) -> Route:
    """Return the route as one that refuses everything and leads nowhere."""
    nowhere = {"upstream": None, "auth": NoAuth(), "backends": None}
    return route.model_copy(update={"closed": closed, **nowhere})


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Renders one World."""

    attachments: Attachments
    references: References
    cache: Cache

    def bundle(
        self,
        gateway: ResolvedGateway,
        routes: Iterable[ResolvedRoute],
        history: History | None,
        reported: Iterable[Reported],
    ) -> PlannedBundle | None:
        """Return the bundle of a gateway; None where its spec can't be read."""
        if gateway.config is None:
            return None
        placed = sorted((route for route in routes if route.place), key=lambda route: route.key)
        rendered = [self._route(route) for route in placed]
        policies = self._policies(gateway.key, placed)
        config = Config(gateway=gateway.config, routes=tuple(rendered), policies=policies)
        used = {name for route in rendered for name in credentials_of(route)}
        servers = [server for route in placed for server in route.servers]
        refs = {ref for server in servers for ref in server.authentication.credentials}
        refs = {ref for ref in refs if ref.credential in used} | set(gateway.credentials)
        open_ = {route.key for route in rendered if route.closed is None}
        now = _history(config, self._gateway_digest(gateway), history, reported)
        return PlannedBundle(
            gateway=gateway.key,
            revision=now.revision,
            digest=now.digest,
            config=config,
            credentials={ref.credential: ref for ref in sorted(refs | gateway.generated)},
            client_ids={
                key: ref
                for route in placed
                if route.key in open_
                for key, ref in _client_ids(route)
            },
            keys=gateway.keys,
            rotate_keys=gateway.manifest.meta.annotations.get(ROTATE_KEYS, ""),
            dev_users=gateway.dev_users,
            history=now,
        )

    def _gateway_digest(self, gateway: ResolvedGateway) -> str:
        assert gateway.config is not None
        versions = self._versions(gateway.credentials)
        return digest_of({"gateway": gateway.config.plain(), "versions": versions})

    def _versions(self, refs: Iterable[SecretKey]) -> dict[str, str]:
        return {ref.credential: self.references.version(ref) for ref in refs}

    def _route(self, route: ResolvedRoute) -> Route:
        policies = self.attachments.deciding[route.key]
        closed = closed_by(route, policies)
        keys = tuple(policy.key for policy in policies if policy.rules)
        refs = {ref for one in route.servers for ref in one.authentication.credentials}
        refs |= {ref for _, ref in _client_ids(route)}
        versions = self._versions(refs)
        depends = (route, closed, keys, tuple(sorted(versions.items())))
        return self.cache.once(
            ("route", *depends), partial(_render_route, route, closed, keys, versions)
        )

    def _policies(self, gateway: str, routes: Iterable[ResolvedRoute]) -> tuple[Policy, ...]:
        levels = dict.fromkeys(self.attachments.by_gateway.get(gateway, ()), PolicyLevel.GATEWAY)
        for route in routes:
            for key in self.attachments.by_route.get(route.key, ()):
                levels.setdefault(key, PolicyLevel.ROUTE)
        return tuple(
            self.cache.once(
                ("policy", *identity(policy.manifest), levels[policy.key]),
                partial(_render_policy, policy, levels[policy.key]),
            )
            for policy in (self.attachments.policies[key] for key in sorted(levels))
            if policy.rules
        )


def _render_route(
    route: ResolvedRoute,
    closed: Closed | None,
    policies: tuple[str, ...],
    versions: Mapping[str, str],
) -> Route:
    assert route.place is not None
    meta = route.manifest.meta
    spec = route.route.spec if route.route is not None else None
    rendered = Route(
        namespace=meta.namespace,
        name=meta.name,
        display_name=(spec.name if spec is not None else None) or meta.name,
        labels=meta.labels,
        url=route.place.url,
        issuer=route.place.issuer,
        policies=policies,
        suspended=spec.suspend if spec is not None else False,
    )
    rendered = _leading_to(rendered, route.servers)
    if closed is not None:
        rendered = close(rendered, closed)
    versions = {name: versions[name] for name in sorted(versions)} if closed is None else {}
    digest = digest_of({"route": rendered.plain(), "versions": versions})
    return rendered.model_copy(update={"digest": digest})


def _leading_to(rendered: Route, servers: tuple[ResolvedServer, ...]) -> Route:
    """Return the route with where it leads to, unless some server can't be reached at all."""
    if not servers or any(server.upstream is None for server in servers):
        return rendered
    if servers[0].name is None:
        only = {"upstream": servers[0].upstream, "auth": servers[0].authentication.auth}
        return rendered.model_copy(update=only)
    backends = tuple(
        Backend(name=one.name, upstream=one.upstream, auth=one.authentication.auth)
        for one in servers
        if one.name is not None and one.upstream is not None
    )
    return rendered.model_copy(update={"backends": backends})


def _client_ids(route: ResolvedRoute) -> Iterable[tuple[str, SecretKey]]:
    """Yield our client ids that stand in Secrets, by `server_key`."""
    for server in route.servers:
        if server.authentication.client_id is not None:
            yield server.key_on(route.key), server.authentication.client_id


def _render_policy(policy: JudgedPolicy, level: PolicyLevel) -> Policy:
    meta = policy.manifest.meta
    rendered = Policy(
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        level=level,
        mode=policy.mode,
        rules=policy.rules,
    )
    plain = rendered.plain()
    del plain["generation"]  # a generation that changes no rule changes no behaviour
    return rendered.model_copy(update={"digest": digest_of(plain)})


def _history(
    config: Config, gateway_digest: str, last: History | None, reported: Iterable[Reported]
) -> History:
    """Return revision and digests: the revision grows exactly where the digest changes."""
    parts = {
        f"{Kind.GATEWAY}/{config.gateway.namespace}/{config.gateway.name}": gateway_digest,
        **{f"{Kind.ROUTE}/{route.key}": route.digest for route in config.routes},
        **{f"{Kind.POLICY}/{policy.key}": policy.digest for policy in config.policies},
    }
    generations = {policy.key: policy.generation for policy in config.policies}
    digest = digest_of({"parts": parts, "generations": generations})
    highest = max([last.revision if last else 0, *(item.revision for item in reported)])
    if last is not None and last.digest == digest and last.revision == highest:
        return last
    # What a proxy that is ahead of us serves is unknown: everything has to be served anew.
    before = last.since if last is not None and last.revision == highest else {}
    since = {
        key: before[key] if before.get(key, ("",))[0] == part else (part, highest + 1)
        for key, part in parts.items()
    }
    return History(revision=highest + 1, digest=digest, since=since)
