"""Sending upstream: the credential attached last, one more try after a 401, failures as ours.

Nothing of the client's own credentials and nothing of upstream's ever crosses (trust rules 2 and
3).
"""

import asyncio
from dataclasses import replace
from typing import Final

from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed, Outgoing
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.ports import UpstreamCall
from ostiary_proxy.refused import Refused

__all__ = ["BODY_TIME", "failure_of", "media_type", "read_body", "send"]

BODY_TIME: Final = 300.0
"""Seconds until a body that is read as a whole must be here."""


async def send(live: Live, call: UpstreamCall, request: Outgoing) -> Exchange:
    """Return the exchange once its head is there, never one of status 401 or 403.

    Raises Refused: AccountNotConnected, UpstreamRefused, UpstreamUnavailable, UpstreamTimeout.
    """
    exchange = await _once(live, call, request)
    if exchange.status == 401:
        await exchange.close()
        if not await live.credentials.rejected(call):
            raise Refused("UpstreamRefused", detail="401")
        exchange = await _once(live, replace(call, now=live.clock()), request)
    if exchange.status in (401, 403):
        await exchange.close()
        raise Refused("UpstreamRefused", detail=str(exchange.status))
    return exchange


async def _once(live: Live, call: UpstreamCall, request: Outgoing) -> Exchange:
    credential = await live.credentials.attach(call)
    names = {name.lower() for name, _ in credential}
    headers = (*((n, v) for n, v in request.headers if n not in names), *credential)
    began = live.clock()
    try:
        exchange = await live.transport.send(replace(request, headers=headers))
    except OutboundFailed as failed:
        live.upstreams.failed(call.route.server_key, failed.reason)
        raise failure_of(failed) from failed
    live.upstreams.answered(call.route.server_key, exchange.status, live.clock() - began)
    return exchange


def failure_of(failed: OutboundFailed) -> Refused:
    """Return how a broken exchange is told to the client; the reason stays in the record."""
    code = {
        "timeout": "UpstreamTimeout",
        "protocol": "UpstreamInvalid",
        "too-large": "UpstreamInvalid",
    }.get(failed.reason, "UpstreamUnavailable")
    return Refused(code, detail=str(failed))


def media_type(exchange: Exchange) -> str:
    """Return the media type of an answer, lower case, without parameters."""
    return exchange.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(exchange: Exchange, limit: int) -> bytes:
    """Return the whole body; raises Refused where it breaks off, is too large or does not end.

    An exchange whose body nobody waits for any more is ended.
    """
    try:
        return await _whole(exchange, limit)
    except BaseException:
        await exchange.close()
        raise


async def _whole(exchange: Exchange, limit: int) -> bytes:
    try:
        if exchange.arrived:  # as nearly always; the limit would cost more than what it limits
            return await exchange.body(limit)
        async with asyncio.timeout(BODY_TIME):
            return await exchange.body(limit)
    except OutboundFailed as failed:
        raise failure_of(failed) from failed
    except TimeoutError:
        raise Refused("UpstreamTimeout", detail="the body does not end") from None
