"""What the pipeline works with: prepared once at a reload, never derived per request."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from ostiary.config.document import Gateway, Route
from ostiary.crypto.seal import Entropy, SealRing
from ostiary.policy.compiled import PolicySet
from ostiary.policy.facts import RouteFacts, Subject
from ostiary_proxy.audit.record import AuditLog
from ostiary_proxy.mcp.joined.names import server_of
from ostiary_proxy.outbound.exchange import Transport
from ostiary_proxy.pipeline.allowance import Allowance
from ostiary_proxy.pipeline.bridge.newer.underway import Underway
from ostiary_proxy.pipeline.bridge.older.state import Older
from ostiary_proxy.pipeline.kept import Kept
from ostiary_proxy.pipeline.learned import Learned
from ostiary_proxy.pipeline.mailbox import Mailbox
from ostiary_proxy.pipeline.places import Places
from ostiary_proxy.pipeline.ports import Authority, Credentials
from ostiary_proxy.pipeline.spoken import Spoken
from ostiary_proxy.pipeline.streams import Streams
from ostiary_proxy.pipeline.upstreams import Upstreams
from ostiary_proxy.store.port import Store

__all__ = ["Live", "LiveRoute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRoute:
    """One route with its policies compiled.

    `servers` are those of several, each as the route with it alone; none where there is only one.
    """

    route: Route
    policies: PolicySet
    facts: RouteFacts
    servers: Mapping[str, "LiveRoute"] = field(default_factory=dict)

    @classmethod
    def of(cls, route: Route, policies: PolicySet) -> "LiveRoute":
        """Return `route` with `policies`, those attached to it at either level."""
        facts = RouteFacts(namespace=route.namespace, name=route.name, labels=route.labels)
        alone = {
            one.server: cls(route=one, policies=policies, facts=facts)
            for one in route.servers
            if one.server is not None
        }
        return cls(route=route, policies=policies, facts=facts, servers=alone)

    def toward(self, subject: Subject) -> Route:
        """Return the route with that server alone which `subject` is for, if it is for one."""
        return self.servers.get(server_of(subject), self).route


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Everything a request needs.

    `routes` are found by (origin, raw path). `origins` are the web origins that may call: the
    gateway's own. `clock` returns epoch seconds, `new_id` a decision id, `newest` the `Live` in
    force, for streams that outlive theirs; `borrowed` keeps this one's connections open.
    """

    gateway: Gateway
    routes: Mapping[tuple[str, str], LiveRoute]
    origins: frozenset[str]
    authority: Authority
    credentials: Credentials
    store: Store
    audit: AuditLog
    transport: Transport
    seal: SealRing
    streams: Streams
    upstreams: Upstreams
    spoken: Spoken
    mailbox: Mailbox
    underway: Underway
    older: Older
    kept: Kept
    places: Places
    allowance: Allowance
    clock: Callable[[], float]
    entropy: Entropy
    new_id: Callable[[], str]
    newest: Callable[[], "Live"]
    borrowed: Callable[[], AbstractContextManager[None]]
    learned: Learned = field(default_factory=Learned)

    def route_at(self, origin: str, path: str) -> LiveRoute | None:
        """Return the route at exactly this raw path (decision 3), or None."""
        return self.routes.get((origin, path))
