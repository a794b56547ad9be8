"""Speaking to one of several servers: as if the route had no other, in that server's session."""

from dataclasses import replace

from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.message import Object, Response
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.many.greeting import greeted
from ostiary_proxy.pipeline.many.sessions import forgotten, later, session_at
from ostiary_proxy.pipeline.said import Said, Say
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.refused import Refused

__all__ = ["end_at", "key_of", "named", "patience", "say_at", "with_params"]


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
            new = await greeted(alone, session, server, say, over=known)
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
    return said.known.routed.received.live.upstreams.silence.patience(key_of(said, server))


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
