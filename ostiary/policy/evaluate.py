"""Deciding.

The verdict on one message, on a foothold, on an item of a list (policy semantics 3 to 12).
"""

from collections.abc import Sequence
from typing import Final

from ostiary.policy.compiled import CompiledRule, PolicySet
from ostiary.policy.facts import Facts, Kind
from ostiary.policy.rule import Effect
from ostiary.policy.verdict import Charge, ClauseValue, Reason, RuleTrace, Verdict

__all__ = ["evaluate", "foothold", "item_visible"]

_NO_POLICY: Final = (
    "no policy is attached to this route; write an MCPPolicy whose targetRefs name it, "
    "with a rule of effect Allow"
)
_GATEWAY: Final = "Gateway"
_ROUTE: Final = "Route"
Outcome = dict[str, ClauseValue]


def evaluate(policies: PolicySet, facts: Facts) -> Verdict:
    """Return the verdict on one message.

    A Deny that is not plainly false denies; else an Allow that is plainly true (on each level under
    a ceiling) allows; else it is denied. Housekeeping needs a foothold only. Nothing is charged
    here: `charges` are the caller's to take.
    """
    if facts.subject.kind is Kind.HOUSEKEEPING:
        return foothold(policies, facts)
    if not policies.attached:
        return Verdict(allowed=False, reason=Reason.NO_POLICY, message=_NO_POLICY)
    tried = [(rule, _outcome(rule, facts)) for rule in (*policies.denies, *policies.allows)]
    return _verdict(policies, facts, tried)


def foothold(policies: PolicySet, facts: Facts) -> Verdict:
    """Return whether the caller may speak to the server at all.

    And use the housekeeping method of the subject.

    Some enforced Allow's `who` and `where` hold (on each level under a ceiling), no Deny without
    `match` matches, and no Deny that names this method does.
    """
    if not policies.attached:
        return Verdict(allowed=False, reason=Reason.NO_POLICY, message=_NO_POLICY)
    denying = _denies_housekeeping(policies, facts)
    would = _would(policies, facts)
    if denying is not None:
        return Verdict(
            allowed=False,
            reason=Reason.DENIED_BY_RULE,
            rule=denying.ref,
            message=denying.message,
            would=would,
        )
    standing = [
        rule for rule in policies.allows if all(c(facts) is ClauseValue.TRUE for c in rule.foothold)
    ]
    if not _levels_hold(policies, standing):
        return Verdict(allowed=False, reason=Reason.NO_FOOTHOLD, would=would)
    return Verdict(allowed=True, reason=Reason.ALLOWED, rule=standing[0].ref, would=would)


def item_visible(policies: PolicySet, facts: Facts) -> bool:
    """Say whether a list shows an item.

    Its verdict with arguments DEFERRED isn't deny, nothing charged.
    """
    if any(_applies(rule, _outcome(rule, facts)) for rule in policies.denies):
        return False
    matching = [rule for rule in policies.allows if _applies(rule, _outcome(rule, facts))]
    return _levels_hold(policies, matching)


def _outcome(rule: CompiledRule, facts: Facts) -> Outcome:
    """Evaluate clauses in order up to the first that is false.

    Nothing after it can change whether the rule applies.
    """
    outcome: Outcome = {}
    for name, clause in rule.clauses.items():
        value = outcome[name] = clause(facts)
        if value is ClauseValue.FALSE:
            break
    return outcome


def _applies(rule: CompiledRule, outcome: Outcome) -> bool:
    """Say whether a rule binds: an Allow needs every clause true, a Deny none false.

    Deferred counts for showing an item in both.
    """
    values = outcome.values()
    if ClauseValue.FALSE in values:
        return False
    if rule.effect is Effect.ALLOW:
        return ClauseValue.UNKNOWN not in values
    return ClauseValue.DEFERRED not in values


def _verdict(
    policies: PolicySet, facts: Facts, tried: Sequence[tuple[CompiledRule, Outcome]]
) -> Verdict:
    matched = [rule for rule, outcome in tried if _applies(rule, outcome)]
    denying = next((rule for rule in matched if rule.effect is Effect.DENY), None)
    allowing = [rule for rule in matched if rule.effect is Effect.ALLOW]
    traces = tuple(
        _trace(rule, outcome, rule in matched)
        for rule, outcome in tried
        if ClauseValue.FALSE not in outcome.values()
    )
    unknowns = tuple(t.ref for t in traces if ClauseValue.UNKNOWN in t.clauses.values())
    would = _would(policies, facts)
    allowed = denying is None and _levels_hold(policies, allowing)
    deciding = denying or (allowing[0] if allowed else None)
    return Verdict(
        allowed=allowed,
        reason=_reason(denying, allowing, allowed=allowed),
        rule=deciding.ref if deciding else None,
        message=denying.message if denying else None,
        charges=tuple(_charges(allowing, facts)) if allowed else (),
        redactions=tuple(r for rule in allowing for r in rule.redactions) if allowed else (),
        traces=traces,
        would=would,
        unknowns=unknowns,
    )


def _reason(
    denying: CompiledRule | None, allowing: Sequence[CompiledRule], *, allowed: bool
) -> Reason:
    if denying is not None:
        return Reason.DENIED_BY_RULE
    if allowed:
        return Reason.ALLOWED
    return Reason.CEILING if allowing else Reason.NO_ALLOW


def _levels_hold(policies: PolicySet, allowing: Sequence[CompiledRule]) -> bool:
    levels = {rule.level for rule in allowing}
    return {_GATEWAY, _ROUTE} <= levels if policies.ceiling else bool(levels)


def _charges(allowing: Sequence[CompiledRule], facts: Facts) -> list[Charge]:
    return [
        Charge(
            key=rule.limit.key(facts),
            requests=rule.limit.requests,
            per=rule.limit.per,
            rule=rule.ref,
            message=rule.message,
        )
        for rule in allowing
        if rule.limit is not None
    ]


def _denies_housekeeping(policies: PolicySet, facts: Facts) -> CompiledRule | None:
    method = facts.subject.method
    for rule in policies.denies:
        named = rule.methods is not None and rule.methods.match(method)
        if not (rule.broad or named):
            continue
        if ClauseValue.FALSE not in [clause(facts) for clause in rule.beside_match]:
            return rule
    return None


def _would(policies: PolicySet, facts: Facts) -> tuple[RuleTrace, ...]:
    """Return what the audited rules that apply would have done."""
    tried = [(rule, _outcome(rule, facts)) for rule in policies.audits]
    return tuple(_trace(rule, outcome, True) for rule, outcome in tried if _applies(rule, outcome))


def _trace(rule: CompiledRule, outcome: Outcome, matched: bool) -> RuleTrace:  # noqa: FBT001
    return RuleTrace(ref=rule.ref, effect=rule.effect.value, matched=matched, clauses=outcome)
