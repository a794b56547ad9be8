"""Telling a session that the account which its person went to connect is there (2025-11-25).

Only a stream that is open on this replica hears it; the client may call again at any time anyway.
"""

import asyncio
from typing import Final

from ostiary.config.document import Route
from ostiary.decode.json_text import write_json
from ostiary_proxy.mcp.sse import Event, write_event
from ostiary_proxy.pipeline.effects import Out, WriteRecord
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.pipeline.trail import server_message
from ostiary_proxy.refused import Refused

__all__ = ["tell_when_there", "visit_of"]

_METHOD: Final = "notifications/elicitation/complete"
_PATIENCE: Final = 600.0
_LOOK: Final = 1.0


def visit_of(session: Session, route: Route) -> str:
    """Return the id under which a session is asked to connect the account behind `route`.

    That is one of several servers, where there are several: each has an account of its own.
    """
    return f"connect-{session.key[:16]}{f'-{route.server}' if route.server else ''}"


def tell_when_there(known: Known, session: Session, route: Route) -> None:
    """Look for the account while somebody listens, and tell the session once it is there."""
    streams = known.routed.received.live.streams
    if streams.hears(session.key):
        name = f"{session.key} {visit_of(session, route)}"
        streams.adopt_once(name, lambda: _watch(known, session, route))


async def _watch(known: Known, session: Session, route: Route) -> None:
    live, tick = known.routed.received.live, asyncio.get_running_loop().time
    until = tick() + _PATIENCE
    while live.streams.hears(session.key) and tick() < until:
        await asyncio.sleep(_LOOK)
        try:
            await live.credentials.connected(route, known.presented)
        except Refused:
            continue
        live.streams.tell(session.key, _complete(known, visit_of(session, route)))
        return


def _complete(known: Known, visit: str) -> Out:
    received = known.routed.received
    notice = {"jsonrpc": "2.0", "method": _METHOD, "params": {"elicitationId": visit}}
    record = server_message(
        received.live.new_id(), received.live.clock(), parent=received.id, passed=True,
        why="the account is connected", subject={"method": _METHOD, "by": "gateway"},
    )  # fmt: skip
    event = Event(data=write_json(notice).decode(), type="message")
    return Out(data=write_event(event), before=(WriteRecord(record=record),))
