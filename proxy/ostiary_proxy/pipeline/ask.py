"""Asking what stands behind a route: only where what it said before does not answer."""

from typing import Final

from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.behind import say
from ostiary_proxy.pipeline.cleared import Cleared
from ostiary_proxy.pipeline.connecting import lead
from ostiary_proxy.refused import Refused

__all__ = ["ask"]

_REASONS: Final = frozenset(("closed", "connect", "dns", "timeout"))
_STATUSES: Final = frozenset((502, 503, 504))
"""How it shows that a server is away."""


async def ask(cleared: Cleared) -> Exchange:
    """Return the exchange that answers a message; raises Refused as `say` does."""
    keeping = cleared.keeping
    recalled = keeping.recalled()
    if recalled is not None:
        return recalled
    try:
        exchange = await say(cleared.said)
    except Refused as refused:
        cause = refused.__cause__
        away = isinstance(cause, OutboundFailed) and cause.reason in _REASONS
        last = keeping.last() if away else None
        if last is None:
            decoded = cleared.screened.consented.permitted.decoded
            raise await lead(decoded, refused) from refused
        return last
    last = keeping.last() if exchange.status in _STATUSES else None
    if last is None:
        return exchange
    await exchange.close()
    return last
