"""Who opened a stream and how: enough to judge it again, by today's policy and identity."""

from dataclasses import dataclass

from ostiary_proxy.identity import Grant, Presented
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.wire import Address

__all__ = ["Bearer", "living", "rejudge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who opened a stream and how.

    `listening` streams end with their token (decision 19).
    """

    issued: str
    presented: Presented
    origin: str
    path: str
    source: Address
    listening: bool

    @classmethod
    def of(cls, known: Known, *, listening: bool = False) -> "Bearer":
        """Return who asks, to be judged again later."""
        request = known.routed.received.request
        return cls(
            issued=known.bearer,
            presented=known.presented,
            origin=request.origin,
            path=request.path,
            source=request.source,
            listening=listening,
        )

    def __repr__(self) -> str:
        return f"Bearer(gid={self.presented.grant.gid!r})"


async def rejudge(live: Live, bearer: Bearer, now: float) -> Judge | None:
    """Return the judge of today's policy and identity, or None where route or grant are gone.

    A store that is away says nothing of a grant: then it is gone.
    A call in flight may outlive its token, never its grant.
    """
    route = live.route_at(bearer.origin, bearer.path)
    if route is None or route.route.suspended or route.route.closed is not None:
        return None
    try:
        if now < bearer.presented.expires:
            grant = (await live.authority.present(bearer.issued, route.route, now)).grant
        else:
            grant = await live.authority.living(bearer.presented.grant.gid, now)
    except (Refused, StoreUnavailable):
        return None
    return Judge.of(route, grant, bearer.source)


async def living(live: Live, gid: str, now: float) -> Grant | None:
    """Return the grant as it is, None where it ended or nobody can say whether it did."""
    try:
        return await live.authority.living(gid, now)
    except (Refused, StoreUnavailable):
        return None
