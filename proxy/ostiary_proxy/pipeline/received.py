"""Step 1: a request as it came in, from a caller whose origin and headers are in order."""

from dataclasses import dataclass, field
from typing import Final

from ostiary.policy.facts import Subject
from ostiary.policy.verdict import Verdict
from ostiary_proxy.identity import Presented
from ostiary_proxy.mcp.message import Id
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Headers, Incoming

__all__ = ["AT_ONCE", "MIRRORING", "ONCE", "Received", "Seen", "check_headers"]

AT_ONCE: Final = 1.0
"""Seconds for which grant and policy count as they were; open streams are as long unjudged."""

ONCE: Final = frozenset(
    (
        "authorization", "content-encoding", "content-type", "last-event-id", "mcp-session-id",
        "origin",
    )
)  # fmt: skip
"""Headers that decide something: stacks differ in which of two they read (pitfall 11)."""
MIRRORING: Final = frozenset(("mcp-method", "mcp-name", "mcp-protocol-version"))
"""Those that repeat the body: their refusal can name the request's id (rule 14)."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """What became known on the way, for the answer and the record of a refusal; mutable."""

    request_id: Id | None = None
    notification: bool = False
    modern: bool = False
    method: str | None = None
    task: str | None = None
    subject: Subject | None = None
    verdict: Verdict | None = None
    route: str | None = None
    presented: Presented | None = None
    forwarded: bool = False
    cors: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """`id` is the decision id; `now` the time of arrival; `batch` the id of the request around."""

    request: Incoming
    live: Live
    id: str
    now: float
    batch: str | None = None
    seen: Seen = field(default_factory=Seen)


def check_headers(request: Incoming, names: frozenset[str]) -> None:
    """Raise Refused where one of the headers `names` stands twice."""
    found: set[str] = set()
    for name, _ in request.headers:
        if name not in names:
            continue
        if name in found:
            code = "HeaderMismatch" if name in MIRRORING else "RepeatedHeader"
            raise Refused(code, message=f"the header {name} stands twice")
        found.add(name)
