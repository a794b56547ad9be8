"""Step 5: policy's verdict on the message, current policy and current identity (R7)."""

from dataclasses import dataclass

from ostiary.policy.facts import Kind, Subject
from ostiary.policy.verdict import Verdict
from ostiary_proxy.mcp.methods import LISTEN, BadParams, listen_uris
from ostiary_proxy.pipeline.decoded import Decoded
from ostiary_proxy.pipeline.judge import refusal_of
from ostiary_proxy.refused import Refused

__all__ = ["Permitted", "permit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """A message that policy allows.

    `uris` are the resources, `tasks` the tasks that a listen request may hear of.
    """

    decoded: Decoded
    verdict: Verdict
    uris: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


def permit(decoded: Decoded) -> Permitted:
    """Return the message with its verdict; raises Refused where it is denied."""
    received = decoded.known.routed.received
    judge, subject = decoded.known.judge, decoded.subject
    verdict = judge.verdict(subject, received.now)
    received.seen.subject, received.seen.verdict = subject, verdict
    if not verdict.allowed:
        raise refusal_of(judge, subject, verdict, received.now)
    return Permitted(decoded=decoded, verdict=verdict, uris=_heard(decoded))


def _heard(decoded: Decoded) -> tuple[str, ...]:
    """Return the URIs of a listen request that may be read; it loses the others (rule 46)."""
    if decoded.subject.method != LISTEN or not decoded.method:
        return ()
    now, judge = decoded.known.routed.received.now, decoded.known.judge
    try:
        uris = listen_uris(decoded.message.params)  # type: ignore[union-attr]  # a request
    except BadParams as error:
        raise Refused("InvalidParams", message=str(error)) from None
    return tuple(uri for uri in uris if judge.verdict(_read(uri), now).allowed)


def _read(uri: str) -> Subject:
    return Subject(kind=Kind.RESOURCE, method=LISTEN, name=uri)
