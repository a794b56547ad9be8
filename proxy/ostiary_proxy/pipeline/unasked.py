"""What a server asks of the client inside an answer, and may not: its own kind of refusal."""

from collections.abc import Mapping

from ostiary.decode.strict_json import Json
from ostiary.policy.facts import Subject
from ostiary.policy.verdict import Verdict
from ostiary_proxy.pipeline.trail import judged
from ostiary_proxy.refused import Refused

__all__ = ["Unasked", "asked_facts", "check_allowed"]


class Unasked(Refused):
    """The answer is refused for what it asks; `facts` say in a record what that is, and why."""

    def __init__(
        self,
        code: str,
        facts: Mapping[str, Json],
        *,
        message: str | None = None,
        detail: str = "",
        data: Json = None,
    ) -> None:
        super().__init__(code, message=message, detail=detail, data=data)
        self.facts = dict(facts)


def asked_facts(subject: Subject, verdict: Verdict | None = None) -> dict[str, Json]:
    """Return what a record says of a server's request: what it is, and policy's verdict on it."""
    facts: dict[str, Json] = {"method": subject.method, "name": subject.name}
    return facts if verdict is None else {**facts, **judged(verdict)}


def check_allowed(subject: Subject, verdict: Verdict) -> dict[str, Json]:
    """Return what the record says of a request that policy allows; raises Unasked."""
    facts = asked_facts(subject, verdict)
    if not verdict.allowed:
        message = verdict.message or f"the server may not ask for {subject.name} here"
        detail = f"policy: {verdict.reason}"
        raise Unasked("Denied", facts, message=message, detail=detail)
    return facts
