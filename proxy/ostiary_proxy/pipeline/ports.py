"""What the pipeline awaits from its neighbours; runtime joins them."""

from dataclasses import dataclass
from typing import Protocol

from ostiary.config.document import Route
from ostiary_proxy.identity import Presented
from ostiary_proxy.wire import Headers

__all__ = ["Authority", "Credentials", "UpstreamCall"]


class Authority(Protocol):
    """Knows the bearer of an access token (implemented in oauth)."""

    async def present(self, token: str, route: Route, now: float) -> Presented:
        """Return the live grant behind `token` on `route`.

        Raises Refused: InvalidToken (any defect, another audience, a revoked grant),
        StoreUnavailable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCall:
    """One forward that needs a credential: for whom, for what, over which bytes (decision 6).

    `http_method` is POST, GET or DELETE; `method`, `name` and `rpc_id` are the JSON-RPC ones where
    there are any; `txn` is the audit record's id; `session` a keyed hash of the MCP session id,
    never the id.
    """

    route: Route
    presented: Presented
    http_method: str
    body: bytes
    txn: str
    now: float
    method: str | None = None
    name: str | None = None
    rpc_id: int | str | None = None
    session: str | None = None


class Credentials(Protocol):
    """The one place that sees an identity and an upstream credential (implemented in upstream)."""

    async def connected(self, route: Route, presented: Presented) -> None:
        """Return where the grant covers the route and its account is there; else raise Refused.

        The code is AccountNotConnected.
        """

    async def attach(self, call: UpstreamCall) -> Headers:
        """Return the headers that authenticate `call` upstream.

        Raises Refused (AccountNotConnected, UpstreamRefused, …).
        """

    async def rejected(self, call: UpstreamCall) -> bool:
        """Take note that upstream answered 401 to `call`; say whether one more try makes sense."""
