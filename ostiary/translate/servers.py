"""Resolving the servers behind a route: the one, or each of several, with its credential."""

from collections.abc import Iterable
from dataclasses import dataclass

from ostiary.config.document import InternalTokenAuth, Upstream
from ostiary.resources.route import Backend, BackendRef, Mcp, MCPRoute
from ostiary.translate.credentials import (
    Authentication,
    canonical_audience,
    resolve_authentication,
)
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.problem import Problem
from ostiary.translate.references import References
from ostiary.translate.upstreams import Asking, resolve_upstream

__all__ = ["ResolvedServer", "resolve_servers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedServer:
    """A server with everything around it looked up.

    `name` is None for the only one of a route; `path` is the field that says how it is spoken to;
    `audience` that of its internal tokens, in the form that compares.
    """

    name: str | None
    path: str
    upstream: Upstream | None
    authentication: Authentication
    audience: str | None
    problems: tuple[Problem, ...] = ()

    def key_on(self, route: str) -> str:
        """Return the `server_key` on the route of that key."""
        return route if self.name is None else f"{route}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A server as somebody wrote it, whichever way."""

    target: str | BackendRef
    target_path: str
    mcp: Mcp
    path: str = "spec.mcp"
    name: str | None = None


def resolve_servers(
    route: MCPRoute, gateway: ResolvedGateway, references: References
) -> tuple[ResolvedServer, ...]:
    """Return the servers behind `route`, in the order in which they are written."""
    namespace = route.metadata.namespace
    return tuple(_resolved(one, namespace, gateway, references) for one in _named(route))


def _named(route: MCPRoute) -> Iterable[_Named]:
    spec = route.spec
    if spec.to is not None:
        yield _Named(target=spec.to, target_path="spec.to", mcp=spec.mcp)
    for ref in spec.backend_refs or ():
        yield _Named(target=ref, target_path="spec.backendRefs[0]", mcp=spec.mcp)
    for index, backend in enumerate(spec.backends or ()):
        yield _one_of_several(backend, f"spec.backends[{index}]")


def _one_of_several(backend: Backend, path: str) -> _Named:
    target = backend.to or backend.backend_ref
    assert target is not None  # the model saw to it
    return _Named(
        target=target,
        target_path=f"{path}.to" if backend.to else f"{path}.backendRef",
        mcp=backend.mcp,
        path=f"{path}.mcp",
        name=backend.name,
    )


def _resolved(
    named: _Named, namespace: str, gateway: ResolvedGateway, references: References
) -> ResolvedServer:
    found = resolve_upstream(
        named.target, Asking(namespace=namespace, path=named.target_path), gateway, references
    )
    upstream = found if isinstance(found, Upstream) else None
    authentication = resolve_authentication(
        named.mcp, upstream, Asking(namespace=namespace, path=named.path), references
    )
    unreachable = (found,) if isinstance(found, Problem) else ()
    auth = authentication.auth
    audience = auth.audience if isinstance(auth, InternalTokenAuth) else ""
    return ResolvedServer(
        name=named.name,
        path=named.path,
        upstream=upstream,
        authentication=authentication,
        audience=canonical_audience(audience) if audience else None,
        problems=(*unreachable, *authentication.problems),
    )
