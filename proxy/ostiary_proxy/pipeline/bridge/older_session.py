"""Sessions with legacy servers, kept by us for clients that have none.

One for each person, client, grant, route and set of declared capabilities; nobody else's requests
ever go into it. It is known to this replica alone: another one opens its own.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ostiary.decode.json_text import canonical_json, write_json
from ostiary_proxy.identity import Person
from ostiary_proxy.mcp.bridge.from_legacy import offered
from ostiary_proxy.mcp.bridge.to_legacy import INITIALIZED, LEVELS, declared, initialize, requested
from ostiary_proxy.mcp.message import Message, Object, Request
from ostiary_proxy.mcp.methods import LEGACY
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bearer import Bearer, rejudge
from ostiary_proxy.pipeline.bridge.older_reading import Reading
from ostiary_proxy.pipeline.live import Live, LiveRoute
from ostiary_proxy.pipeline.native import say_natively
from ostiary_proxy.pipeline.routed import Routed
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.pipeline.spoken import Era
from ostiary_proxy.refused import Refused

if TYPE_CHECKING:  # it says things in the session
    from ostiary_proxy.pipeline.bridge.older_ear import Ear

__all__ = [
    "Kept", "NotLegacy", "bearer_of", "level", "remembered", "session_for", "tell", "today",
]  # fmt: skip

_PATIENCE: Final = 5.0
"""Seconds until the end of a session must be acknowledged."""


class NotLegacy(Exception):  # noqa: N818 - a statement
    """The server does not open a session of a revision that we speak."""


@dataclass(slots=True, kw_only=True, eq=False)
class Kept:
    """An open session. `initialized` is what the server said to initialize; `level` what it logs.

    `users` counts the requests that run in it or wait there.
    """

    key: str
    url: str
    session: Session
    initialized: Object
    opener: Said
    level: str | None = None
    users: int = 0
    last_id: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ear: "Ear | None" = None

    @property
    def person(self) -> Person:
        return self.opener.known.presented.grant.person

    @property
    def busy(self) -> bool:
        return self.users > 0

    def next_id(self) -> int:
        """Return an id that no other request in the session has."""
        self.last_id += 1
        return self.last_id

    def left(self) -> None:
        """Take note that a request ended."""
        self.users -= 1
        if not self.users:
            self.opener.known.routed.received.live.older.sessions.used(self.key)

    def lose(self) -> None:
        """Take note that the server does not know the session (any more)."""
        sessions = self.opener.known.routed.received.live.older.sessions
        if sessions.get(self.key) is self:
            sessions.take(self.key)

    async def living(self) -> bool:
        """Say whether the grant lives."""
        live = self.opener.known.routed.received.live.newest()
        return await rejudge(live, bearer_of(self.opener), live.clock()) is not None

    async def end(self) -> None:
        """Ask the server to end the session; whether it does is its own affair."""
        said = today(self.opener)
        if self.session.upstream is None or said.upstream.url != self.url:
            return
        try:
            exchange = await tell(said, self, None, http_method="DELETE", patience=_PATIENCE)
        except Refused:
            return
        await exchange.close()


def bearer_of(said: Said) -> Bearer:
    """Return who says it, to be judged again later."""
    known = said.known
    request = known.routed.received.request
    return Bearer(
        issued=known.bearer,
        presented=known.presented,
        origin=request.origin,
        path=request.path,
        source=request.source,
        listening=False,
    )


def remembered(said: Said) -> Said:
    """Return `said` without what it says: whose it is, for later."""
    routed = said.known.routed
    received = routed.received
    request = replace(received.request, read=_nothing)
    routed = replace(routed, received=replace(received, request=request))
    return replace(_bare(said, None, None), known=replace(said.known, routed=routed))


async def _nothing(limit: int) -> bytes:
    """Return the body of a request that was read long ago."""
    return b""[:limit]


def today(said: Said) -> Said:
    """Return `said` by what is in force now: connections of an older configuration close."""
    routed = said.known.routed
    received = routed.received
    live = received.live.newest()
    routed = replace(routed, received=replace(received, live=live), route=_now(routed, live))
    return replace(said, known=replace(said.known, routed=routed))


def _now(routed: Routed, live: Live) -> LiveRoute:
    """Return the route as it is today, or that one of its servers; as it was where it is gone."""
    request, was = routed.received.request, routed.route
    found = live.route_at(request.origin, request.path)
    if found is not None and was.route.server is not None:
        found = found.servers.get(was.route.server)
    return found or was


async def session_for(said: Said, request: Request) -> Kept:
    """Return the session of whoever says `request`, opened where there is none.

    It counts as used until `left`. Raises NotLegacy, and Refused as `say_natively` does.
    """
    older = said.known.routed.received.live.older
    key = _key(said, request)
    kept = older.sessions.get(key)
    if kept is None:
        kept = await older.once(key, lambda: _opened(key, said, request))
    kept.users += 1
    return kept


def _key(said: Said, request: Request) -> str:
    grant = said.known.presented.grant
    person = grant.person
    whose = [person.issuer, person.subject, grant.client.id, grant.gid]
    whither = [said.known.routed.route.route.server_key, said.upstream.url]
    return hashlib.sha256(canonical_json([whose, whither, declared(request)])).hexdigest()


async def _opened(key: str, said: Said, request: Request) -> Kept:
    live = said.known.routed.received.live
    if not live.older.sessions.room(said.known.presented.grant.person):
        raise Refused("RateLimited", message="too many sessions are open for you at this server")
    asked = initialize(request, 0)
    exchange = await say_natively(_bare(said, asked, None))
    try:
        found = await _negotiated(exchange)
    finally:
        await exchange.close()
    upstream = exchange.headers.get("mcp-session-id")
    if upstream is not None and not (upstream.isascii() and upstream.isprintable()):
        raise NotLegacy("a session id that is not visible ASCII")
    session = Session(
        upstream=upstream,
        version=str(found["protocolVersion"]),
        issued_at=live.clock(),
        key=live.entropy(16).hex(),
    )
    kept = Kept(
        key=key, url=said.upstream.url, session=session, initialized=found, opener=remembered(said)
    )
    live.spoken.showed(kept.url, Era.LEGACY)
    await (await tell(said, kept, INITIALIZED)).close()
    live.older.sessions.put(key, kept)
    return kept


async def _negotiated(exchange: Exchange) -> Object:
    """Return the result of initialize; raises NotLegacy."""
    try:
        answer = await Reading(exchange).answer(0) if exchange.status == 200 else None
    except OutboundFailed as failed:
        raise NotLegacy(str(failed)) from failed
    result = answer.result if answer is not None else None
    if result is None or result.get("protocolVersion") not in LEGACY:
        raise NotLegacy(f"initialize was answered with {exchange.status}")
    return result


async def level(said: Said, kept: Kept, wanted: str | None) -> None:
    """Let the server log from `wanted` on; it never logs less for one request than for others."""
    if wanted is None or "logging" not in offered(kept.initialized):
        return
    async with kept.lock:
        if kept.level is not None and LEVELS.index(kept.level) <= LEVELS.index(wanted):
            return
        asked = requested("logging/setLevel", {"level": wanted}, kept.next_id())
        await (await tell(said, kept, asked)).close()
        kept.level = wanted


async def tell(
    said: Said,
    kept: Kept,
    message: Message | None,
    *,
    name: str = "",
    http_method: str = "POST",
    system: bool = True,
    patience: float | None = None,
) -> Exchange:
    """Say `message` in the session, with the credential of whoever says `said`.

    `system` says that it is ours and nothing that the client said.
    """
    bare = _bare(said, message, kept.session)
    return await say_natively(
        replace(
            bare,
            name=name,
            http_method=http_method,
            timeout=patience or bare.timeout,
            system=system,
        )
    )


def _bare(said: Said, message: Message | None, session: Session | None) -> Said:
    return replace(
        said,
        version="" if session is None else session.version,
        http_method="POST",
        body=b"" if message is None else write_json(message.whole),
        message=message,
        method=None,
        name="",
        modern=None,
        session=session,
        parameters=(),
        system=True,
    )
