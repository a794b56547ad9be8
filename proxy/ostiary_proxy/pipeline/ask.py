"""Asking what stands behind a route: only where what it said before does not answer."""

from dataclasses import replace
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
_PATIENCE: Final = 10.0
"""Seconds that a list waits for its server where the last one can stand in: clients wait longer."""


async def ask(cleared: Cleared) -> Exchange:
    """Return the exchange that answers a message; raises Refused as `say` does."""
    keeping, said = cleared.keeping, cleared.said
    recalled = keeping.recalled()
    if recalled is not None:
        return recalled
    last = keeping.last()
    try:
        exchange = await say(said if last is None else replace(said, timeout=_PATIENCE))
    except Refused as refused:
        if last is not None and _is_away(refused):
            return last
        led = await lead(cleared.screened.consented.permitted.decoded, refused)
        if led is refused:
            raise
        raise led from refused
    if last is None or exchange.status not in _STATUSES:
        return exchange
    await exchange.close()
    return last


def _is_away(refused: Refused) -> bool:
    cause = refused.__cause__
    return isinstance(cause, OutboundFailed) and cause.reason in _REASONS
