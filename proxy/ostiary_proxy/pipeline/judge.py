"""One caller before one route's policies: the verdict on any message, in either direction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary.policy.compiled import PolicySet
from ostiary.policy.evaluate import evaluate, item_visible
from ostiary.policy.facts import DEFERRED, Caller, Facts, Kind, RouteFacts, Subject
from ostiary.policy.verdict import Reason, Verdict
from ostiary_proxy.identity import Grant
from ostiary_proxy.pipeline.live import LiveRoute
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Address, address_of

__all__ = ["HIDING", "Judge", "about", "caller_of", "refusal_of"]

HIDING: Final[Mapping[Kind, str]] = {
    Kind.TOOL: "tools/call",
    Kind.PROMPT: "prompts/get",
    Kind.RESOURCE: "resources/read",
}
"""Kinds whose items lists may hide, and the method that uses an item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Who asks, where and from where; what is asked comes with each call."""

    policies: PolicySet
    caller: Caller
    route: RouteFacts
    source: Address

    @classmethod
    def of(cls, route: LiveRoute, grant: Grant, source: Address) -> "Judge":
        """Return the judge of what `grant`'s person does on `route`."""
        caller = caller_of(grant)
        return cls(policies=route.policies, caller=caller, route=route.facts, source=source)

    def facts(self, subject: Subject, now: float) -> Facts:
        """Return the facts about `subject` now."""
        return Facts(
            subject=subject, caller=self.caller, route=self.route, now=now, source=self.source
        )

    def verdict(self, subject: Subject, now: float) -> Verdict:
        """Return the verdict on one message."""
        return evaluate(self.policies, self.facts(subject, now))

    def visible(self, subject: Subject, now: float) -> bool:
        """Say whether lists show the item that `subject` names."""
        return item_visible(self.policies, self.facts(subject, now))

    def hides(self, subject: Subject, now: float) -> bool:
        """Say whether `subject` is an item that lists hide: it must look like a missing one."""
        method = HIDING.get(subject.kind)
        if method is None:
            return False
        item = Subject(kind=subject.kind, method=method, name=subject.name, arguments=DEFERRED)
        return not self.visible(item, now)

    def next_edge(self, now: float) -> float | None:
        """Return when a time window may change a verdict next."""
        return self.policies.next_edge(now)


def caller_of(grant: Grant) -> Caller:
    """Return the caller as policy sees it."""
    person, client = grant.person, grant.client
    return Caller(
        issuer=person.issuer,
        subject=person.subject,
        client_id=client.id,
        email=person.email,
        groups=person.groups,
        claims=person.claims,
        client_host=client.host,
        auth_time=person.auth_time,
        login_source=_address(person.login_source),
    )


def _address(text: str | None) -> Address | None:
    try:
        return address_of(text) if text is not None else None
    except ValueError:
        return None


def refusal_of(judge: Judge, subject: Subject, verdict: Verdict, now: float) -> Refused:
    """Return what the caller is told about a denial (policy.md 12).

    A deciding rule's own message is shown. An item that lists hide looks like a missing one.
    """
    if verdict.reason is Reason.NO_POLICY:
        return Refused("NoPolicy", message=verdict.message, detail=verdict.reason)
    if verdict.message:
        return Refused("Denied", message=verdict.message, detail=verdict.reason)
    if judge.hides(subject, now):
        return Refused("Hidden", detail=verdict.reason, data=about(subject))
    return Refused("Denied", detail=verdict.reason)


def about(subject: Subject) -> dict[str, Json] | None:
    """Return the error data of an unknown resource: its URI, as servers give it."""
    return {"uri": subject.name} if subject.kind is Kind.RESOURCE else None
