"""Sessions with legacy servers, opened by us for clients that have none.

One for each person, client, grant, route and set of declared capabilities; nobody else's requests
ever go into it. It is known to this replica alone: another one opens its own.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ostiary.decode.json_text import write_json
from ostiary_proxy.identity import Person
from ostiary_proxy.mcp.message import Id, Message, Object
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.bearer import Bearer, rejudge
from ostiary_proxy.pipeline.bridge.older.reading import Reading
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.live import Live, LiveRoute
from ostiary_proxy.pipeline.native import say_natively
from ostiary_proxy.pipeline.routed import Routed
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused

if TYPE_CHECKING:  # it says things in the session
    from ostiary_proxy.pipeline.bridge.older.ear import Ear

__all__ = ["Opened", "Waits", "bare", "judge_of", "remembered", "resumed", "tell", "today"]

_PATIENCE: Final = 5.0
"""Seconds until the end of a session must be acknowledged."""


@dataclass(slots=True, kw_only=True, eq=False)
class Opened:
    """An open session. `initialized` is what the server said to initialize; `level` what it logs.

    `user` is who used it last; `users` counts the requests that run in it or wait there. By the ids
    of their requests, the last one at the end, `running` are the answers that are read now and
    `resting` those that wait for their clients. `uris` counts who listens to which resource;
    `subscribing` lets no end of that overtake a beginning. `ear` hears what the server says to no
    request. `task_tools` says which tools may or must be called as tasks, once that is known.
    """

    key: str
    url: str
    session: Session
    initialized: Object
    user: Said
    level: str | None = None
    users: int = 0
    last_id: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    running: dict[Id, Reading] = field(default_factory=dict)
    resting: dict[Id, Reading] = field(default_factory=dict)
    uris: Counter[str] = field(default_factory=Counter)
    subscribing: asyncio.Lock = field(default_factory=asyncio.Lock)
    ear: "Ear | None" = None
    task_tools: Mapping[str, str] | None = None

    @property
    def person(self) -> Person:
        return self.user.known.presented.grant.person

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
            self.user.known.routed.received.live.older.sessions.used(self.key)

    def lose(self) -> None:
        """Take note that the server does not know the session (any more)."""
        sessions = self.user.known.routed.received.live.older.sessions
        if sessions.get(self.key) is self:
            sessions.take(self.key)
        self._hear_no_more()

    def _hear_no_more(self) -> None:
        if self.ear is not None:
            self.ear.close()

    async def living(self) -> bool:
        """Say whether the grant lives."""
        return await judge_of(self.user) is not None

    async def end(self) -> None:
        """Ask the server to end the session; whether it does is its own affair."""
        self._hear_no_more()
        said = today(self.user)
        if self.session.upstream is None or not said.leads_to(self.url):
            return
        try:
            exchange = await tell(said, self, None, http_method="DELETE", patience=_PATIENCE)
        except Refused:
            return
        await exchange.close()


async def judge_of(said: Said) -> Judge | None:
    """Return the judge of whoever said it as of now, None where route or grant are gone."""
    live = said.known.routed.received.live.newest()
    return await rejudge(live, Bearer.of(said.known), live.clock())


@dataclass(slots=True, kw_only=True, eq=False)
class Waits:
    """A `Thing` of whoever says `said` that only waits for them to come back."""

    said: Said

    @property
    def person(self) -> Person:
        return self.said.known.presented.grant.person

    @property
    def busy(self) -> bool:
        return False

    async def living(self) -> bool:
        """Say whether the grant lives; policy is asked once they come back."""
        return await judge_of(self.said) is not None


def remembered(said: Said) -> Said:
    """Return `said` without what it says: whose it is, for later."""
    routed = said.known.routed
    received = routed.received
    request = replace(received.request, read=_nothing)
    routed = replace(routed, received=replace(received, request=request))
    return replace(bare(said, None, None), known=replace(said.known, routed=routed))


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


async def tell(
    said: Said,
    opened: Opened,
    message: Message | None,
    *,
    name: str = "",
    http_method: str = "POST",
    last_event: str = "",
    system: bool = True,
    patience: float | None = None,
) -> Exchange:
    """Say `message` in the session, with the credential of whoever says `said`.

    `system` says that it is ours and nothing that the client said.
    """
    whose = bare(said, message, opened.session)
    return await say_natively(
        replace(
            whose,
            name=name,
            http_method=http_method,
            last_event=last_event,
            timeout=patience or whose.timeout,
            system=system,
        )
    )


async def resumed(opened: Opened, last: str) -> Exchange:
    """Return what comes after an event at which the server let a stream end."""
    return await tell(today(opened.user), opened, None, http_method="GET", last_event=last)


def bare(said: Said, message: Message | None, session: Session | None) -> Said:
    """Return `said` with `message` in its place, in `session`, as something of ours."""
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
