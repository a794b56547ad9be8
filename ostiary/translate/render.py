"""Rendering: what was resolved becomes the configuration of each gateway, with a digest a part."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from ostiary.config.document import Closed, Config, NoAuth, OAuth2Auth, Policy, PolicyLevel, Route
from ostiary.crypto.secret import Secret
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
from ostiary.translate.world import History, Reported

__all__ = ["PlannedBundle", "Renderer", "closed_by", "fill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBundle:
    """The bundle of one gateway without any secret value; `fill` adds the values.

    `credentials` says which value of which Secret each credential name stands for, `client_ids`
    which one is our client id on a route (by key). `keys` is where the key document is, None where
    keys are generated; `rotate_keys` asks for these to be replaced. `dev_users` are the people of
    the development identity provider.
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


def fill(
    planned: PlannedBundle, values: Mapping[tuple[str, str, str], Secret]
) -> tuple[Config, dict[str, Secret]]:
    """Return the complete configuration and its credentials, `values` by (namespace, name, key).

    A route whose value has gone since the plan is closed, so nothing runs without its credential.
    """
    credentials = {
        name: value
        for name, ref in planned.credentials.items()
        if (value := values.get((ref.namespace, ref.name, ref.key))) is not None
    }
    routes = tuple(_filled(route, planned, credentials, values) for route in planned.config.routes)
    return planned.config.model_copy(update={"routes": routes}), credentials


def _filled(
    route: Route,
    planned: PlannedBundle,
    credentials: Mapping[str, Secret],
    values: Mapping[tuple[str, str, str], Secret],
) -> Route:
    needed = _credentials_of(route)
    ref = planned.client_ids.get(route.key)
    client_id = None if ref is None else values.get((ref.namespace, ref.name, ref.key))
    if needed - credentials.keys() or (ref is not None and client_id is None):
        return _close(route, Closed(reason=Reason.SECRET_NOT_FOUND, message="a Secret has gone"))
    if client_id is None or not isinstance(route.auth, OAuth2Auth):
        return route
    auth = route.auth.model_copy(update={"client_id": client_id.reveal().strip()})
    return route.model_copy(update={"auth": auth})


def _credentials_of(route: Route) -> set[str]:
    names = (getattr(route.auth, name, None) for name in ("value", "client_secret"))
    return {name for name in names if name is not None}


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


def _close(route: Route, closed: Closed) -> Route:
    return route.model_copy(update={"closed": closed, "upstream": None, "auth": NoAuth()})


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
        used = {name for route in rendered for name in _credentials_of(route)}
        refs = {ref for route in placed for ref in route.authentication.credentials}
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
                route.key: route.authentication.client_id
                for route in placed
                if route.authentication.client_id is not None and route.key in open_
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
        refs = {*route.authentication.credentials}
        refs |= {route.authentication.client_id} if route.authentication.client_id else set()
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
        upstream=route.upstream,
        auth=route.authentication.auth,
        policies=policies,
        suspended=spec.suspend if spec is not None else False,
    )
    if closed is not None:
        rendered = _close(rendered, closed)
    versions = {name: versions[name] for name in sorted(versions)} if closed is None else {}
    digest = digest_of({"route": rendered.plain(), "versions": versions})
    return rendered.model_copy(update={"digest": digest})


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
