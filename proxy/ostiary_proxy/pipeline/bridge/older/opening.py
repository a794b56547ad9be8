"""Opening the session at a legacy server of whoever asks there, and what it is told first."""

import hashlib
from dataclasses import replace
from typing import Final

from ostiary.decode.json_text import canonical_json
from ostiary_proxy.mcp.bridge.from_legacy import offered
from ostiary_proxy.mcp.bridge.to_legacy import INITIALIZED, LEVELS, declared, initialize, requested
from ostiary_proxy.mcp.message import Object, Request
from ostiary_proxy.mcp.methods import LEGACY
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bridge.older.ear import open_ear
from ostiary_proxy.pipeline.bridge.older.reading import Reading
from ostiary_proxy.pipeline.bridge.older.session import Opened, bare, remembered, tell
from ostiary_proxy.pipeline.native import say_natively
from ostiary_proxy.pipeline.said import TIMEOUT, Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.pipeline.spoken import Era
from ostiary_proxy.refused import Refused

__all__ = ["NotLegacy", "level", "session_for"]

_LARGEST: Final = 256 * 1024
"""Bytes of what a server says to initialize, which is kept as long as the session."""


class NotLegacy(Exception):  # noqa: N818 - a statement
    """The server does not open a session of a revision that we speak."""


async def session_for(said: Said, request: Request) -> Opened:
    """Return the session of whoever says `request`, opened where there is none.

    It counts as used until `left`. Raises NotLegacy, and Refused as `say_natively` does.
    """
    older = said.known.routed.received.live.older
    key = _key(said, request)
    opened = older.sessions.get(key)
    if opened is None:
        opened = await older.once(key, lambda: _opened(key, said, request))
    # What it was opened by is a configuration that nobody else may need any more.
    opened.user = remembered(said)
    opened.users += 1
    return opened


def _key(said: Said, request: Request) -> str:
    grant = said.known.presented.grant
    person = grant.person
    whose = [person.issuer, person.subject, grant.client.id, grant.gid]
    whither = [said.known.routed.route.route.server_key, said.upstream.url]
    return hashlib.sha256(canonical_json([whose, whither, declared(request)])).hexdigest()


async def _opened(key: str, said: Said, request: Request) -> Opened:
    sessions = said.known.routed.received.live.older.sessions
    with sessions.coming(said.known.presented.grant.person) as there:
        if not there:
            message = "too many sessions are open for you at this server"
            raise Refused("RateLimited", message=message)
        return await _greeted(key, said, request)


async def _greeted(key: str, said: Said, request: Request) -> Opened:
    live = said.known.routed.received.live
    opening = Session(upstream=None, version="", issued_at=live.clock(), key=live.entropy(16).hex())
    exchange = await say_natively(bare(said, initialize(request, 0), opening))
    try:
        found = await _negotiated(exchange)
    finally:
        await exchange.close()
    upstream = exchange.headers.get("mcp-session-id")
    if upstream is not None and not (upstream.isascii() and upstream.isprintable()):
        raise NotLegacy("a session id that is not visible ASCII")
    session = replace(opening, upstream=upstream, version=str(found["protocolVersion"]))
    opened = Opened(
        key=key, url=said.upstream.url, session=session, initialized=found, user=remembered(said)
    )
    live.spoken.showed(opened.url, Era.LEGACY)
    try:
        await (await tell(said, opened, INITIALIZED)).close()
        await open_ear(said, opened)
    except BaseException:
        live.streams.adopt(opened.end())
        raise
    live.older.sessions.put(key, opened)
    return opened


async def _negotiated(exchange: Exchange) -> Object:
    """Return the result of initialize; raises NotLegacy."""
    try:
        reading = Reading(LEGACY[-1], exchange, most=_LARGEST)
        answer = await reading.answer(0, seconds=TIMEOUT) if exchange.status == 200 else None
    except OutboundFailed as failed:
        raise NotLegacy(str(failed)) from failed
    result = answer.result if answer is not None else None
    if result is None or result.get("protocolVersion") not in LEGACY:
        raise NotLegacy(f"initialize was answered with {exchange.status}")
    return result


async def level(said: Said, opened: Opened, wanted: str | None) -> None:
    """Let the server log from `wanted` on; it never logs less for one request than for others."""
    if wanted is None or "logging" not in offered(opened.initialized):
        return
    async with opened.lock:
        if opened.level is not None and LEVELS.index(opened.level) <= LEVELS.index(wanted):
            return
        asked = requested("logging/setLevel", {"level": wanted}, opened.next_id())
        await (await tell(said, opened, asked)).close()
        opened.level = wanted
