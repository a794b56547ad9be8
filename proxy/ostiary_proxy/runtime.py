"""One configuration, made ready to serve: routes, credentials, the authorization server.

A runtime is built whole from a bundle and never changes. What outlives it (keys, store, log, open
streams) is the `Process`. Its connections live until the last request that borrowed it has ended.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import urlsplit

from ostiary.config.document import Bundle, Config
from ostiary.crypto.rings import Rings
from ostiary.crypto.seal import Entropy
from ostiary_proxy.audit.record import AuditLog
from ostiary_proxy.oauth.access import AccessAuthority
from ostiary_proxy.oauth.context import Context as OAuthContext
from ostiary_proxy.oauth.resource import origin_of
from ostiary_proxy.oauth.server import AuthorizationServer
from ostiary_proxy.outbound.guard import Guard
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.transport import PooledTransport, trust
from ostiary_proxy.pipeline.allowance import Allowance
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.bridge.newer.underway import Underway
from ostiary_proxy.pipeline.bridge.older.state import Older
from ostiary_proxy.pipeline.handle import handle
from ostiary_proxy.pipeline.kept import Kept
from ostiary_proxy.pipeline.live import Live, LiveRoute
from ostiary_proxy.pipeline.mailbox import Mailbox
from ostiary_proxy.pipeline.places import Places
from ostiary_proxy.pipeline.routes import LiveRoutes, live_routes
from ostiary_proxy.pipeline.spoken import Spoken
from ostiary_proxy.pipeline.streams import Streams
from ostiary_proxy.pipeline.upstreams import Upstreams
from ostiary_proxy.store.port import Store
from ostiary_proxy.store.wakes import Wakes
from ostiary_proxy.upstream.connect import Connector
from ostiary_proxy.upstream.context import Context as UpstreamContext
from ostiary_proxy.upstream.credentials import UpstreamCredentials
from ostiary_proxy.wire import Incoming

__all__ = ["Process", "Runtime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What lives as long as the process; `environ` is its environment."""

    rings: Rings
    store: Store
    wakes: Wakes
    log: AuditLog
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
    environ: Mapping[str, str]


class Runtime:
    """A bundle being served.

    `origins` maps a Host header (lower case, default port left out and written) to the configured
    origin; `faults` names what of the bundle is closed because it can't be served, `compiled` its
    policies.
    """

    @classmethod
    async def of(
        cls,
        bundle: Bundle,
        process: Process,
        newest: Callable[[], Live],
        before: "Runtime | None",
    ) -> "Runtime":
        """Return the runtime of `bundle`; raises ValueError where it can't be served at all.

        `newest` returns the Live in force, for streams that outlive this runtime. Policies compile
        in a thread, unless they are those of the runtime `before`: a thousand of them take a while,
        and calls go on meanwhile.
        """
        compiled = {} if before is None else before.compiled
        made = await asyncio.to_thread(live_routes, bundle.config, compiled)
        return cls(bundle, process, newest, made)

    def __init__(
        self,
        bundle: Bundle,
        process: Process,
        newest: Callable[[], Live],
        made: LiveRoutes,
    ) -> None:
        config, gateway = bundle.config, bundle.config.gateway
        guard = Guard.of(
            gateway.upstreams, allow_loopback=gateway.allow_loopback, environ=process.environ
        )
        transport = PooledTransport(guard)
        platform = _platform_transport(bundle, guard) or transport
        self.faults, self.compiled = made.faults, made.compiled
        upstream = _upstream(bundle, process, transport)
        self.bundle = bundle
        self.oauth = _oauth(config, process)
        self.connector = Connector(upstream)
        self._authority = AccessAuthority(self.oauth)
        self.live = _live(
            self.oauth,
            upstream,
            self._authority,
            process=process,
            transport=transport,
            routes=made.routes,
            newest=newest,
            borrowed=self.borrowed,
        )
        self.origins = _origins(config)
        self.trusted_proxies = tuple(ip_network(text) for text in gateway.trusted_proxies)
        self._authorization = AuthorizationServer(
            self.oauth,
            credentials=bundle.credentials,
            connecting=self.connector,
            http=HttpClient(platform, allow_loopback=gateway.allow_loopback),
            patterns={live.route.key: live.policies.patterns() for live in made.routes.values()},
        )
        self._transports = (transport, platform)
        self._borrowers = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def serve(self, request: Incoming) -> Answer:
        """Answer one request: MCP where a route is at its path, else OAuth and pages.

        Raises Refused(UnknownRoute) where nothing is there.
        """
        if self.live.route_at(request.origin, request.path) is None:
            reply = await self._authorization.serve(request)
            if reply is not None:
                return Answer(status=reply.status, headers=reply.headers, body=reply.body)
        return await handle(request, self.live)

    def look_again(self) -> None:
        """Read grants anew, those behind open streams at once: something was revoked somewhere."""
        self._authority.forget()
        self.live.streams.doubt()

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Keep the connections open for as long as a request or its stream runs."""
        self._borrowers += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._borrowers -= 1
            if not self._borrowers:
                self._idle.set()

    async def retire(self) -> None:
        """Close the connections once nobody borrows this runtime any more, or when cancelled."""
        try:
            await self._idle.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections, whoever borrows this runtime."""
        for transport in dict.fromkeys(self._transports):
            await transport.close()


def _oauth(config: Config, process: Process) -> OAuthContext:
    return OAuthContext(
        config=config,
        rings=process.rings,
        store=process.store,
        wakes=process.wakes,
        log=process.log,
        clock=process.clock,
        entropy=process.entropy,
        new_id=process.new_id,
    )


def _upstream(bundle: Bundle, process: Process, transport: PooledTransport) -> UpstreamContext:
    allow_loopback = bundle.config.gateway.allow_loopback
    return UpstreamContext(
        config=bundle.config,
        credentials=bundle.credentials,
        rings=process.rings,
        store=process.store,
        log=process.log,
        http=HttpClient(transport, allow_loopback=allow_loopback),
        clock=process.clock,
        entropy=process.entropy,
        new_id=process.new_id,
    )


def _live(
    oauth: OAuthContext,
    upstream: UpstreamContext,
    authority: AccessAuthority,
    *,
    process: Process,
    transport: PooledTransport,
    routes: Mapping[tuple[str, str], LiveRoute],
    newest: Callable[[], Live],
    borrowed: Callable[[], AbstractContextManager[None]],
) -> Live:
    return Live(
        gateway=oauth.config.gateway,
        routes=routes,
        origins=frozenset(route.route.issuer for route in routes.values()),
        authority=authority,
        credentials=UpstreamCredentials(upstream),
        store=process.store,
        audit=process.log,
        transport=transport,
        seal=process.rings.seal,
        streams=process.streams,
        upstreams=process.upstreams,
        spoken=process.spoken,
        mailbox=process.mailbox,
        underway=process.underway,
        older=process.older,
        kept=process.kept,
        places=process.places,
        allowance=process.allowance,
        clock=process.clock,
        entropy=process.entropy,
        new_id=process.new_id,
        newest=newest,
        borrowed=borrowed,
    )


def _platform_transport(bundle: Bundle, guard: Guard) -> PooledTransport | None:
    """Return a transport of its own where the identity provider has its own CA."""
    provider = bundle.config.gateway.identity_provider
    if provider is None or provider.ca_bundle is None:
        return None
    return PooledTransport(guard, tls=trust(bundle.credentials[provider.ca_bundle].reveal()))


def _origins(config: Config) -> dict[str, str]:
    """Return every Host header that names an origin of this gateway, with that origin."""
    urls = {config.gateway.public_url, *(route.issuer for route in config.routes)}
    origins: dict[str, str] = {}
    for url in urls:
        parts = urlsplit(url)
        origin = origin_of(url).lower()
        origins[parts.netloc.lower()] = origin
        if parts.port is None:
            origins[f"{parts.netloc.lower()}:{443 if parts.scheme == 'https' else 80}"] = origin
    return origins
