"""Opening a session at a server of several that has none of the client's: it was away, or lost it.

The server is told what the client said of itself at the start.
"""

import asyncio
import contextlib
from dataclasses import replace
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json
from ostiary_proxy.mcp.message import Notification, Request
from ostiary_proxy.mcp.methods import LEGACY, client_notifications, client_requests
from ostiary_proxy.pipeline.many.heard import Heard, hear
from ostiary_proxy.pipeline.many.sessions import (
    LONGEST,
    Later,
    Opened,
    declared,
    kept,
    later,
    remember,
)
from ostiary_proxy.pipeline.many.silence import PATIENCE
from ostiary_proxy.pipeline.said import Said, Say
from ostiary_proxy.pipeline.session import MAX_AGE, Session
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict, StoreUnavailable

__all__ = ["greeted", "opened_by"]

_GREETING: Final = "ostiary-greeting"
_MAX_GREETING: Final = 1024 * 1024


async def greeted(
    said: Said, session: Session, server: str, say: Say, *, over: Later
) -> Session | None:
    """Return a new session; where another request opened one at the same time that one counts."""
    live, greeting = said.known.routed.received.live, _greeting(said, session)
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await hear(await say(greeting), _GREETING, greeting.version, _MAX_GREETING)
    except TimeoutError:
        raise Refused("UpstreamTimeout", detail="it was greeted") from None
    opened = opened_by(answer)
    own = kept(session, server, opened)
    try:
        await (await say(_initialized(greeting, own))).close()
        if not over.version:  # else the new row takes the place of that one
            live.allowance.charge(said.known.presented.grant.person, LONGEST, MAX_AGE)
        await remember(live, own, opened, over=over)
    except Conflict:
        live.streams.adopt(_end(said, own, say))
        return (await later(live, session, server)).session
    except (Refused, StoreUnavailable, asyncio.CancelledError):
        live.streams.adopt(_end(said, own, say))
        raise
    return own


async def _end(said: Said, own: Session, say: Say) -> None:
    """End a session that nobody will use."""
    if own.upstream is None:
        return
    ending = Said(
        known=said.known, version=own.version, http_method="DELETE", session=own, timeout=PATIENCE,
        system=True,
    )  # fmt: skip
    with contextlib.suppress(Refused):
        await (await say(ending)).close()


def _greeting(said: Said, session: Session) -> Said:
    """Return an initialize with what the client said of itself at the start."""
    client: dict[str, Json] = {"name": said.known.presented.grant.client.name, "version": "0"}
    params = {**declared(session), "clientInfo": client}
    whole: dict[str, Json] = {
        "jsonrpc": "2.0", "id": _GREETING, "method": "initialize", "params": params,
    }  # fmt: skip
    return Said(
        known=said.known,
        version=LEGACY[-1],
        body=write_json(whole),
        message=Request(id=_GREETING, method="initialize", params=params, whole=whole),
        method=client_requests(LEGACY[-1])["initialize"],
        timeout=PATIENCE,
        system=True,
    )


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
