"""Saying it to a server in the client's own revision: headers built anew, never relayed."""

from typing import Final

from ostiary_proxy.mcp.message import Request, Response
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.mcp.mirrored import encode_mirror
from ostiary_proxy.outbound.exchange import Exchange, Outgoing
from ostiary_proxy.pipeline.forward import send
from ostiary_proxy.pipeline.own_requests import is_own, recorded
from ostiary_proxy.pipeline.ports import UpstreamCall
from ostiary_proxy.pipeline.said import Said
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.wire import Headers

__all__ = ["say_natively"]

_IDENTITY: Final = ("accept-encoding", "identity")
_HEADS: Final[dict[str, Headers]] = {
    "POST": (
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        _IDENTITY,
    ),
    "GET": (("accept", "text/event-stream"), _IDENTITY),
    "DELETE": (("accept", "application/json"), _IDENTITY),
}


async def say_natively(said: Said) -> Exchange:
    """Return the exchange of `said` with the route's server; raises Refused as `send` does."""
    return await (recorded(said, _sent) if is_own(said) else _sent(said))


async def _sent(said: Said) -> Exchange:
    return await send(said.known.routed.received.live, _call(said), _outgoing(said))


def _call(said: Said) -> UpstreamCall:
    """Return the call that a credential is asked for."""
    received, message, session = said.known.routed.received, said.message, said.session
    live = received.live
    return UpstreamCall(
        route=said.known.routed.route.route,
        presented=said.known.presented,
        http_method=said.http_method,
        body=said.body,
        txn=received.id,
        now=live.clock(),
        method=None if message is None or isinstance(message, Response) else message.method,
        name=said.name or None,
        rpc_id=message.id if isinstance(message, Request) else None,
        session=live.seal.steady_hash("mcp-session", session.key) if session is not None else None,
        system=said.system,
    )


def _outgoing(said: Said) -> Outgoing:
    """Return the request to the route's server, without its credential."""
    upstream = said.upstream
    return Outgoing(
        method=said.http_method,
        url=upstream.url,
        headers=_headers(said),
        body=said.body,
        named_by=upstream.named_by,
        timeout=said.timeout,
    )


def _headers(said: Said) -> Headers:
    """Return headers that follow from what was decided on (pitfall 9)."""
    head = _HEADS[said.http_method]
    if said.session is not None and said.version != MODERN:
        last: Headers = (("last-event-id", said.last_event),) if said.last_event else ()
        return (*head, *_session(said.session), *last)
    message = said.message
    if said.version != MODERN or message is None or isinstance(message, Response):
        return head
    head = (*head, ("mcp-protocol-version", MODERN), ("mcp-method", message.method))
    if said.method is not None and said.method.named:
        head = (*head, ("mcp-name", encode_mirror(said.name)))
    return (*head, *said.parameters)


def _session(session: Session) -> Headers:
    """Return the headers of every legacy request in `session`."""
    found: Headers = (("mcp-protocol-version", session.version),) if session.version else ()
    if session.upstream is None:
        return found
    return (*found, ("mcp-session-id", session.upstream))
