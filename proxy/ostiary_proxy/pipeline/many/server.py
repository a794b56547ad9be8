"""Speaking to one of several servers: as if the route had no other, in that server's session."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.message import Notification, Object, Request, Response
from ostiary_proxy.mcp.methods import LEGACY, client_notifications, client_requests
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.many.heard import Heard, hear
from ostiary_proxy.pipeline.many.sessions import (
    LONGEST,
    Later,
    Opened,
    declared,
    forgotten,
    kept,
    later,
    remember,
    session_at,
)
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import MAX_AGE, Session
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict

__all__ = [
    "PATIENCE", "Say", "end_at", "key_of", "named", "opened_by", "patience", "say_at",
    "with_params",
]  # fmt: skip

Say = Callable[[Said], Awaitable[Exchange]]
"""How a route's only server is spoken to."""
PATIENCE: Final = 20.0
"""Seconds that a joined answer waits for one server: clients wait about three times as long."""
_GREETING: Final = "ostiary-greeting"
_MAX_GREETING: Final = 1024 * 1024


def with_params(said: Said, params: Object) -> Said:
    """Return `said` with other params, its bytes written anew where they differ."""
    message = said.message
    assert message is not None
    assert not isinstance(message, Response)
    if params == message.params:
        return said
    whole: Object = {**message.whole, "params": {**params}}
    message = replace(message, params=params, whole=whole)
    return replace(said, message=message, body=write_json(whole))


async def say_at(said: Said, server: str, say: Say, *, greets: bool = True) -> Exchange:
    """Return the exchange of what is said to `server`, in its own names already; raises Refused.

    A server that was away, or has lost its session, is greeted anew where `greets`: an answer 404
    proves that it did nothing.
    """
    alone = _to(said, server)
    if (session := said.session) is None:
        return await _away(await say(alone))
    found = await _in(session_at(session, server), alone, say)
    if found is None:
        known = await later(said.known.routed.received.live, session, server)
        found = await _in(known.session, alone, say)
        if found is None and greets:
            new = await _new(alone, session, server, say, over=known)
            # It knows no event of the session that was lost.
            found = await _in(new, replace(alone, last_event=""), say)
    if found is None:
        raise Refused("UpstreamUnavailable", detail="it has no session")
    return await _away(found)


async def _in(own: Session | None, said: Said, say: Say) -> Exchange | None:
    """Return the exchange in a session; None without one, and where its server lost it."""
    if own is None:
        return None
    exchange = await say(replace(said, session=own, version=own.version))
    if exchange.status != 404:
        return exchange
    await exchange.close()
    return None


def named(refused: Refused, server: str) -> Refused:
    """Return the refusal with the name of the server that it is about."""
    return Refused(
        refused.code,
        message=f"{server}: {refused.message}",
        detail=f"{server}: {refused.detail}",
        data=refused.data,
        retry_after=refused.retry_after,
        headers=refused.headers,
        result=refused.result,
    )


def key_of(said: Said, server: str) -> str:
    """Return the key under which is noted how a server answers."""
    return said.known.routed.route.servers[server].route.server_key


def patience(said: Said, server: str) -> float:
    """Return the seconds to wait for a server: a moment where it was silent before."""
    silence = said.known.routed.received.live.upstreams.silence
    return silence.patience(key_of(said, server), PATIENCE)


def _to(said: Said, server: str) -> Said:
    """Return `said` at the route as it is with `server` alone."""
    routed = said.known.routed
    alone = replace(routed, route=routed.route.servers[server])
    return replace(said, known=replace(said.known, routed=alone))


async def end_at(said: Said, server: str, say: Say) -> None:
    """End the session that `server` had from the start, and the one that came later."""
    session, alone = said.session, _to(said, server)
    assert session is not None  # a DELETE names one
    later_one = await forgotten(alone.known.routed.received.live, session, server)
    for own in (session_at(session, server), later_one):
        if own is not None:
            exchange = await say(replace(alone, session=own, version=own.version))
            await exchange.close()


async def _away(exchange: Exchange) -> Exchange:
    """Refuse what somebody in front of a server says for it; the rest is the server's own."""
    if exchange.status < 500:
        return exchange
    await exchange.close()
    raise Refused("UpstreamUnavailable", detail=str(exchange.status))


async def _new(
    said: Said, session: Session, server: str, say: Say, *, over: Later
) -> Session | None:
    """Greet the server; where another request did so at the same time its session counts."""
    live = said.known.routed.received.live
    opened = await _greet(said, session, say)
    own = kept(session, server, opened)
    try:
        if not over.version:  # else the new row takes the place of that one
            live.allowance.charge(said.known.presented.grant.person, LONGEST, MAX_AGE)
        await remember(live, own, opened, over=over)
    except Conflict:
        live.streams.adopt(_end(said, own, say))
        return (await later(live, session, server)).session
    except Refused:
        live.streams.adopt(_end(said, own, say))
        raise
    return own


async def _end(said: Said, own: Session, say: Say) -> None:
    """End a session that nobody will use: another request opened one at the same time."""
    if own.upstream is None:
        return
    ending = Said(
        known=said.known, version=own.version, http_method="DELETE", session=own, timeout=PATIENCE,
        system=True,
    )  # fmt: skip
    with contextlib.suppress(Refused):
        await (await say(ending)).close()


async def _greet(said: Said, session: Session, say: Say) -> Opened:
    """Open a session at a server with what the client said of itself at the start."""
    client: dict[str, Json] = {"name": said.known.presented.grant.client.name, "version": "0"}
    params = {**declared(session), "clientInfo": client}
    whole: dict[str, Json] = {
        "jsonrpc": "2.0", "id": _GREETING, "method": "initialize", "params": params,
    }  # fmt: skip
    greeting = replace(
        said,
        version=LEGACY[-1],
        http_method="POST",
        body=write_json(whole),
        message=Request(id=_GREETING, method="initialize", params=params, whole=whole),
        method=client_requests(LEGACY[-1])["initialize"],
        name="",
        session=None,
        parameters=(),
        last_event="",
        timeout=PATIENCE,
        system=True,
    )
    opened = opened_by(await hear(await say(greeting), _GREETING, greeting.version, _MAX_GREETING))
    own = kept(session, "", opened)
    await (await say(_initialized(greeting, own))).close()
    return opened


def _initialized(greeting: Said, session: Session) -> Said:
    method = "notifications/initialized"
    whole: dict[str, Json] = {"jsonrpc": "2.0", "method": method}
    return replace(
        greeting,
        version=session.version,
        body=write_json(whole),
        message=Notification(method=method, whole=whole),
        method=client_notifications(session.version)[method],
        session=session,
    )


def opened_by(heard: Heard) -> Opened:
    """Return the session that an answer to initialize opened; raises Refused."""
    result = heard.response.result or {}
    version, upstream = result.get("protocolVersion"), heard.session_id
    if version not in LEGACY:
        raise Refused("UpstreamInvalid", detail="a protocol version that is not served")
    if upstream is not None and not _short(upstream):
        raise Refused("UpstreamInvalid", detail=f"a session id longer than {LONGEST} characters")
    return Opened(version=str(version), upstream=upstream)


def _short(text: str) -> bool:
    return len(text) <= LONGEST and text.isascii() and text.isprintable()
