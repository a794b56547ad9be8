"""What evaluation returns: a decision with its reasons, and what has to be charged and changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ostiary.policy.redact import Redaction

__all__ = ["Charge", "ClauseValue", "Reason", "RuleRef", "RuleTrace", "Verdict"]


class Reason(StrEnum):
    """Why a verdict is what it is; stable words used in audit, metrics and docs/errors.md."""

    ALLOWED = "Allowed"
    DENIED_BY_RULE = "DeniedByRule"
    NO_ALLOW = "NoAllowMatches"
    NO_POLICY = "NoPolicy"
    CEILING = "CeilingNotMet"
    NO_FOOTHOLD = "NoFoothold"


class ClauseValue(StrEnum):
    """The value of a clause, Kleene's three and `deferred` (policy.md 3)."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRef:
    """Names one rule of one generation of a policy; `policy` is `namespace/name`."""

    policy: str
    rule: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """How one rule came out.

    The value of each clause that was written (`match`, `who`, `when`, `where`, `condition`).
    """

    ref: RuleRef
    effect: str
    matched: bool
    clauses: Mapping[str, ClauseValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One rate limit that binds this message.

    `key` names the bucket, `requests` per `per` seconds, taken all or none.
    """

    key: str
    requests: int
    per: float
    rule: RuleRef
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of one evaluation (policy.md 5, 15).

    `rule` is the deciding rule where one decided; `message` its text for the caller. `would` lists
    what Audit rules would have done; `traces` the enforced rules that were not plainly false;
    `unknowns` the rules with an unknown clause.
    """

    allowed: bool
    reason: Reason
    rule: RuleRef | None = None
    message: str | None = None
    charges: tuple[Charge, ...] = ()
    redactions: tuple[Redaction, ...] = ()
    traces: tuple[RuleTrace, ...] = ()
    would: tuple[RuleTrace, ...] = ()
    unknowns: tuple[RuleRef, ...] = field(default=())
