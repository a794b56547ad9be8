"""Step 3: the bearer, known by the Authorization header and nothing else (rules 60 to 64)."""

from dataclasses import dataclass, replace

from ostiary_proxy.identity import Presented
from ostiary_proxy.oauth.challenge import challenge
from ostiary_proxy.pipeline.handles import Holder
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.received import AT_ONCE
from ostiary_proxy.pipeline.routed import Routed, find_route
from ostiary_proxy.refused import Refused

__all__ = ["Known", "bearer", "know", "know_again"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A request with the live grant behind it; `bearer` is kept for asking again on streams."""

    routed: Routed
    presented: Presented
    judge: Judge
    bearer: str

    @property
    def holder(self) -> Holder:
        """Return the one to whom opaque texts are given, and from whom they are taken back."""
        live = self.routed.received.live
        return Holder(ring=live.seal, grant=self.presented.grant, entropy=live.entropy)

    def __repr__(self) -> str:
        return f"Known(gid={self.presented.grant.gid!r})"


async def know(routed: Routed) -> Known:
    """Return who asks.

    Raises Refused with a challenge; a route that is closed or suspended says so only to those who
    are known.
    """
    received, route = routed.received, routed.route.route
    issued = bearer(routed)
    try:
        presented = await received.live.authority.present(issued, route, received.now)
    except Refused as refused:
        if refused.code != "InvalidToken":
            raise
        raise _challenged(routed, "InvalidToken", refused.detail) from None
    received.seen.presented = presented
    if route.suspended:
        raise Refused("RouteClosed", message="this route is suspended")
    if route.closed is not None or (route.upstream is None and route.backends is None):
        why = f"{route.closed.reason}: {route.closed.message}" if route.closed else "no upstream"
        raise Refused("RouteClosed", detail=why)
    judge = Judge.of(routed.route, presented.grant, received.request.source)
    return Known(routed=routed, presented=presented, judge=judge, bearer=issued)


async def know_again(known: Known) -> Known:
    """Return who asks, once the whole request is here: a slow one was known long ago."""
    received = known.routed.received
    now = received.live.clock()
    if now < received.now + AT_ONCE:
        return known
    return await know(find_route(replace(received, live=received.live.newest(), now=now)))


def bearer(routed: Routed) -> str:
    """Return the access token of the Authorization header; raises Refused where there is none.

    A token in the query is never taken, not even beside a good header (rule 61).
    """
    request = routed.received.request
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    if "access_token" in request.query and any(
        name == "access_token" for name, _ in request.parameters()
    ):
        raise _challenged(routed, "InvalidToken", "a token in the query")
    if not scheme:
        raise _challenged(routed, "NoToken", "")
    value = value.strip(" ")
    if scheme.lower() != "bearer" or not value or len(value) > 8192 or not value.isascii():
        raise _challenged(routed, "InvalidToken", "no bearer token")
    return value


def _challenged(routed: Routed, code: str, detail: str) -> Refused:
    value = challenge(routed.route.route, sent=code == "InvalidToken")
    return Refused(code, detail=detail, headers=(("www-authenticate", value),))
