"""One HTTP request of a client's that goes on to what stands behind its route."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ostiary.config.document import Upstream
from ostiary_proxy.mcp.eras import Modern
from ostiary_proxy.mcp.message import Message
from ostiary_proxy.mcp.methods import Method
from ostiary_proxy.outbound.exchange import Exchange
from ostiary_proxy.pipeline.known import Known
from ostiary_proxy.pipeline.session import Session
from ostiary_proxy.wire import Headers

__all__ = ["TIMEOUT", "Said", "Say"]

TIMEOUT: Final = 60.0
"""Seconds until an answer must begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a client says, in its own revision, after everything was judged and recorded.

    `version` is that revision, empty where nobody knows one yet. `body` holds the bytes of
    `message`; GET and DELETE have neither. `name` is the subject's. `parameters` are the client's
    Mcp-Param-* headers, opaque to us (rule 16). `last_event` is the server's own id of the event
    after which a GET goes on, empty where it begins anew. `system` marks what no client said: a
    question of ours (decision 6).
    """

    known: Known
    version: str
    http_method: str = "POST"
    body: bytes = b""
    message: Message | None = None
    method: Method | None = None
    name: str = ""
    modern: Modern | None = None
    session: Session | None = None
    parameters: Headers = ()
    last_event: str = ""
    timeout: float = TIMEOUT
    system: bool = False

    @property
    def upstream(self) -> Upstream:
        """Return the server that is spoken to."""
        upstream = self.known.routed.route.route.upstream
        assert isinstance(upstream, Upstream)  # a route without one was refused in `know`
        return upstream

    def leads_to(self, url: str) -> bool:
        """Say whether the route leads to the one server at `url`; it may have changed since."""
        upstream = self.known.routed.route.route.upstream
        return isinstance(upstream, Upstream) and upstream.url == url


Say = Callable[[Said], Awaitable[Exchange]]
"""How something is said; returns once the head of the answer is there."""
