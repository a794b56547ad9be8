"""What the pipeline awaits from its neighbours; runtime joins them."""

from typing import Protocol

from ostiary.config.document import Route
from ostiary_proxy.identity import Grant, Presented
from ostiary_proxy.upstream.calls import UpstreamCall
from ostiary_proxy.wire import Headers

__all__ = ["Authority", "Credentials", "UpstreamCall"]


class Authority(Protocol):
    """Knows the bearer of an access token (implemented in oauth)."""

    async def present(self, token: str, route: Route, now: float) -> Presented:
        """Return the live grant behind `token` on `route`.

        Raises Refused: InvalidToken (any defect, another audience, a revoked grant),
        StoreUnavailable.
        """

    async def living(self, gid: str, now: float) -> Grant:
        """Return a grant as it is; raises Refused: InvalidToken (it ended), StoreUnavailable."""


class Credentials(Protocol):
    """The one place that sees an identity and an upstream credential (implemented in upstream)."""

    async def connected(self, route: Route, presented: Presented) -> str:
        """Return what tells the person's account from others there, empty where none is needed.

        Raises Refused where the grant does not cover the route or the account is not there:
        AccountNotConnected.
        """

    async def attach(self, call: UpstreamCall) -> Headers:
        """Return the headers that authenticate `call` upstream.

        Raises Refused (AccountNotConnected, UpstreamRefused, …).
        """

    async def rejected(self, call: UpstreamCall) -> bool:
        """Take note that upstream answered 401 to `call`; say whether one more try makes sense."""
