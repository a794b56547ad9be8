"""Step 6: the grant covers the route, and the account that it needs is connected (decision 21)."""

from dataclasses import dataclass

from ostiary_proxy.pipeline.connecting import lead
from ostiary_proxy.pipeline.permitted import Permitted
from ostiary_proxy.refused import Refused

__all__ = ["Consented", "consent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """A permitted message whose upstream credential may be used for this person and client.

    `account` names the person's account behind the route, empty where none is needed.
    """

    permitted: Permitted
    account: str


async def consent(permitted: Permitted) -> Consented:
    """Return the message; raises Refused, in a way that leads to an account that is missing."""
    known = permitted.decoded.known
    live, route = known.routed.received.live, known.routed.route.toward(permitted.decoded.subject)
    try:
        account = await live.credentials.connected(route, known.presented)
    except Refused as refused:
        raise await lead(permitted.decoded, refused, watches=True) from None
    return Consented(permitted=permitted, account=account)
