"""Streams on which servers speak by themselves: the GET stream of a session, and `listen`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.eras import META_SUBSCRIPTION
from ostiary_proxy.mcp.joined.requests import acknowledgement, listening
from ostiary_proxy.mcp.message import Message, Object, Request, Response
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.outbound.whole import Whole
from ostiary_proxy.pipeline.forward import media_type
from ostiary_proxy.pipeline.many.begun import begun
from ostiary_proxy.pipeline.many.last import AWAY
from ostiary_proxy.pipeline.many.merged import Merged, Source, message_event
from ostiary_proxy.pipeline.many.places import OnOwnStreams, read_own_streams
from ostiary_proxy.pipeline.many.server import key_of, named, patience, say_at, with_params
from ostiary_proxy.pipeline.many.silence import PATIENCE
from ostiary_proxy.pipeline.many.turned import Turned
from ostiary_proxy.pipeline.said import Said, Say
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable

__all__ = ["listen", "own_streams"]

_KINDS: Final = ("tools", "prompts", "resources")
_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"


async def own_streams(said: Said, say: Say) -> Exchange:
    """Open the own stream of every server that has one; 405 where none has.

    A server's stream that is opened again goes on after the last event of it.
    """
    last = dict(read_own_streams(said.last_event))

    def source(server: str) -> Source:
        async def opened() -> Exchange | None:
            after = replace(said, last_event=last.get(server, ""))
            exchange = await _opened(after, server, say)
            if exchange is None:
                if last.pop(server, ""):  # it may have a stream all the same, from now on
                    raise Refused("UpstreamUnavailable", detail="it does not go on with its stream")
                return None
            place = OnOwnStreams(server, last)
            return Turned(exchange, server, version=said.version, place=place)

        return opened

    sources = {server: source(server) for server in said.known.routed.route.servers}
    streams, gone = await _open(said, sources)
    if not streams and not gone:
        return Whole(405, {}, b"")
    news = b"".join(_list_changed(kind, {}) for kind in _KINDS)
    return _merged(sources, streams, gone, first=b"", news=news)


async def listen(said: Said, say: Say) -> Exchange:
    """Listen to every server that has something of what is asked for (2026-07-28)."""
    request = said.message
    assert isinstance(request, Request)
    acknowledged: dict[str, Object] = {}

    def source(server: str, params: Object) -> Source:
        async def opened() -> Exchange | None:
            exchange = await _opened(with_params(said, params), server, say)
            if exchange is None:
                return None
            acknowledged[server], exchange = await begun(exchange)
            return Turned(exchange, server, _is_news, version=said.version)

        return opened

    asked = {server: listening(request.params, server) for server in _servers(said)}
    sources = {
        server: source(server, params) for server, params in asked.items() if params is not None
    }
    streams, gone = await _open(said, sources)
    meta: dict[str, Json] = {META_SUBSCRIPTION: request.id}
    heard, wanted = acknowledgement(acknowledged), request.params["notifications"]
    assert isinstance(wanted, dict)  # a request without was refused
    first = _notice(_ACKNOWLEDGED, {"_meta": meta, "notifications": heard})
    kinds = [kind for kind in _KINDS if wanted.get(f"{kind}ListChanged") is True]
    news = b"".join(_list_changed(kind, {"_meta": meta}) for kind in kinds)
    return _merged(sources, streams, gone, first=first, news=news)


def _servers(said: Said) -> tuple[str, ...]:
    return tuple(said.known.routed.route.servers)


def _merged(
    sources: Mapping[str, Source],
    streams: Mapping[str, Exchange],
    gone: Mapping[str, Refused],
    *,
    first: bytes,
    news: bytes,
) -> Exchange:
    """Return the streams as one, and have those that are away asked again.

    Where none is there and one is away its client waits: who is refused now may never ask again.
    """
    if gone and not streams and not any(refused.code in AWAY for refused in gone.values()):
        raise next(iter(gone.values()))
    kept = {server: source for server, source in sources.items() if server in {*streams, *gone}}
    return Merged(kept, streams, first=first, news=news)


async def _open(
    said: Said, sources: Mapping[str, Source]
) -> tuple[Mapping[str, Exchange], Mapping[str, Refused]]:
    """Return the streams that opened, and why the others did not; who has none is in neither."""
    tries = [
        asyncio.ensure_future(_try(server, source, patience(said, server)))
        for server, source in sources.items()
    ]
    try:
        tried = await asyncio.gather(*tries)
    except asyncio.CancelledError:
        await _drop(tries)
        raise
    found = dict(zip(sources, tried, strict=True))
    gone = {server: one for server, one in found.items() if isinstance(one, Refused)}
    streams = {
        server: one
        for server, one in found.items()
        if one is not None and not isinstance(one, Refused)
    }
    return streams, gone


async def _drop(tries: Sequence["asyncio.Future[Exchange | Refused | None]"]) -> None:
    """Close the streams that opened although their client has gone."""
    for ended in await asyncio.gather(*tries, return_exceptions=True):
        if ended is not None and not isinstance(ended, BaseException):
            await ended.close()


async def _try(server: str, source: Source, seconds: float) -> Exchange | Refused | None:
    try:
        async with asyncio.timeout(seconds):
            return await source()
    except TimeoutError:
        return named(Refused("UpstreamTimeout"), server)
    except StoreUnavailable as error:
        return Refused("StoreUnavailable", detail=str(error))
    except Refused as refused:
        return named(refused, server)


async def _opened(said: Said, server: str, say: Say) -> Exchange | None:
    live = said.known.routed.received.live
    if not live.upstreams.may_look(key_of(said, server), live.clock()):
        raise Refused("UpstreamUnavailable", detail="it was looked for a moment ago")
    exchange = await say_at(replace(said, timeout=PATIENCE), server, say)
    if exchange.status == 200 and media_type(exchange) == "text/event-stream":
        return exchange
    await exchange.close()
    return None


def _is_news(message: Message) -> bool:
    """Pass what a server has to tell, not what its own listening begins and ends with.

    What it may not say here passes too: the way back drops that and writes it down.
    """
    frames = (_ACKNOWLEDGED, "notifications/cancelled")
    return not isinstance(message, Response) and message.method not in frames


def _list_changed(kind: str, params: dict[str, Json]) -> bytes:
    return _notice(f"notifications/{kind}/list_changed", params)


def _notice(method: str, params: dict[str, Json]) -> bytes:
    return message_event({"jsonrpc": "2.0", "method": method, "params": params})
