"""How often one source may knock (security decision 11): a full bucket answers 429."""

from ipaddress import ip_network
from typing import Final

from ostiary_proxy.oauth.context import Context
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Take
from ostiary_proxy.wire import Address

__all__ = ["bucket", "charge", "charge_registration"]

_PER_MINUTE: Final = {"authorize": 300, "token": 1200, "revoke": 300, "login": 300, "account": 300}
"""Requests a minute from one source, which may be an office or a hosted client's vendor."""

_REGISTRATIONS: Final = 30
"""Registrations a minute from one source."""

_ALL_REGISTRATIONS: Final = 1200
"""Registrations an hour from all sources: what bounds the rows that strangers can make."""

_HOSTED: Final = 6000
"""Registrations an hour for callbacks of known hosted clients."""


async def charge(context: Context, use: str, source: Address) -> None:
    """Charge one request of `source`; raises Refused(TooManyRequests)."""
    await _take(
        context, (Take(key=f"{use} {bucket(source)}", requests=_PER_MINUTE[use], per=60.0),)
    )


async def charge_registration(context: Context, source: Address, *, hosted: bool) -> None:
    """Charge one registration; raises Refused(TooManyRequests).

    Known hosted callbacks have a bucket apart, so that a flood of others can't keep them out.
    """
    if hosted:
        takes: tuple[Take, ...] = (Take(key="register hosted", requests=_HOSTED, per=3600.0),)
    else:
        takes = (
            Take(key=f"register {bucket(source)}", requests=_REGISTRATIONS, per=60.0),
            Take(key="register all", requests=_ALL_REGISTRATIONS, per=3600.0),
        )
    await _take(context, takes)


def bucket(source: Address) -> str:
    """Return who is counted together: an IPv4 address, or the /64 that one IPv6 caller owns."""
    return str(source) if source.version == 4 else str(ip_network((source, 64), strict=False))


async def _take(context: Context, takes: tuple[Take, ...]) -> None:
    full = await context.store.charge(takes, context.clock())
    if full is not None:
        raise Refused("TooManyRequests", detail=takes[full[0]].key, retry_after=full[1])
