"""Deciding: the verdict on one message, on a foothold, on an item of a list.

The loops run on every message: they compare by identity and build nothing for a rule whose clauses
are all true, or of which one is false. What a verdict records doesn't depend on the rules' order.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ostiary.policy.compiled import CompiledRule, PolicySet
from ostiary.policy.facts import Facts, Kind, Subject
from ostiary.policy.rule import Effect
from ostiary.policy.verdict import Charge, ClauseValue, Reason, RuleRef, RuleTrace, Verdict

__all__ = ["evaluate", "foothold", "item_visible"]

_TRUE: Final = ClauseValue.TRUE
_FALSE: Final = ClauseValue.FALSE
_UNKNOWN: Final = ClauseValue.UNKNOWN
_DEFERRED: Final = ClauseValue.DEFERRED
_HOUSEKEEPING: Final = Kind.HOUSEKEEPING
_NOBODY: Final = Subject(kind=Kind.HOUSEKEEPING, method="")
_NO_POLICY: Final = Verdict(
    allowed=False,
    reason=Reason.NO_POLICY,
    message="no policy is attached to this route; write an MCPPolicy whose targetRefs name it, "
    "with a rule of effect Allow",
)
Traces = Sequence[RuleTrace]


def evaluate(policies: PolicySet, facts: Facts) -> Verdict:
    """Return the verdict on one message.

    A Deny that is not plainly false denies; else an Allow that is plainly true (on each level under
    a ceiling) allows; else it is denied. A deferred clause counts as unknown. Housekeeping needs a
    foothold and no Deny of its method; whatever else is allowed has a foothold, too. Nothing is
    charged here: `charges` are the caller's to take.
    """
    if facts.subject.kind is _HOUSEKEEPING:
        return foothold(policies, facts)
    if not policies.attached:
        return _NO_POLICY
    audits = _all_tried(policies.audits, facts)[1] if policies.audits else ()
    if policies.denies:
        denying, traces = _all_tried(policies.denies, facts)
        if denying:
            return _denied(denying, traces, audits)
    return _by_allows(policies, facts, audits)


def foothold(policies: PolicySet, facts: Facts) -> Verdict:
    """Return whether the caller may speak to the server at all, whatever `facts.subject` asks.

    Some enforced Allow's `who` and `where` hold (on each level under a ceiling), and no Deny
    without `match` matches. Of housekeeping, no Deny that names its method matches either.
    """
    if not policies.attached:
        return _NO_POLICY
    if facts.subject.kind is not _HOUSEKEEPING:
        facts = replace(facts, subject=_NOBODY)
    audits = [trace for rule in policies.audits if (trace := _stood(rule, facts)) is not None]
    stopped = [(rule, t) for rule in policies.denies if (t := _stood(rule, facts)) is not None]
    denying = [rule for rule, trace in stopped if trace.matched]
    if denying:
        return _denied(denying, [trace for _, trace in stopped if trace.matched], audits)
    stood = [(rule, t) for rule in policies.allows if (t := _stood(rule, facts)) is not None]
    standing = [rule for rule, trace in stood if trace.matched]
    allowed = _levels_hold(policies, standing)
    traces = tuple(trace for _, trace in stood)
    return Verdict(
        allowed=allowed,
        reason=Reason.ALLOWED if allowed else Reason.NO_FOOTHOLD,
        rule=standing[0].ref if allowed else None,
        traces=traces,
        would=_matched(audits),
        unknowns=_unknowns((*traces, *audits)),
    )


def item_visible(policies: PolicySet, facts: Facts) -> bool:
    """Say whether a list shows an item: its verdict, arguments DEFERRED, would not be a denial.

    `facts.subject` is what using the item would be (`tools/call` with the tool's name). A deferred
    clause counts true in an Allow and false in a Deny. Listing never authorises the call.
    """
    for rule in policies.denies:
        for clause in rule.steps:
            value = clause(facts)
            if value is _FALSE or value is _DEFERRED:
                break
        else:
            return False
    showing = []
    for rule in policies.allows:
        for clause in rule.steps:
            value = clause(facts)
            if value is _FALSE or value is _UNKNOWN:
                break
        else:
            showing.append(rule)
            if _levels_hold(policies, showing):
                return True
    return False


def _all_tried(
    rules: Sequence[CompiledRule], facts: Facts
) -> tuple[list[CompiledRule], list[RuleTrace]]:
    """Return the rules of which no clause is false, and with the same indices how they came out.

    What follows a false clause is not asked: it can't change that the rule doesn't apply.
    """
    tried, traces = [], []
    for rule in rules:
        for clause in rule.steps:
            value = clause(facts)
            if value is _FALSE:
                break
            if value is not _TRUE:
                trace = _doubtful(rule, facts)
                if trace is not None:
                    tried.append(rule)
                    traces.append(trace)
                break
        else:
            tried.append(rule)
            traces.append(rule.certain)
    return tried, traces


def _doubtful(rule: CompiledRule, facts: Facts) -> RuleTrace | None:
    """Return how a rule came out of which some clause is neither true nor false."""
    values: dict[str, ClauseValue] = {}
    for name, clause in zip(rule.names, rule.steps, strict=True):
        value = values[name] = clause(facts)
        if value is _FALSE:
            return None
    matched = rule.effect is not Effect.ALLOW
    return RuleTrace(ref=rule.ref, effect=rule.effect.value, matched=matched, clauses=values)


def _stood(rule: CompiledRule, facts: Facts) -> RuleTrace | None:
    """Return how a rule came out for a foothold, None where a clause is false.

    Of an Allow `who` and `where` alone count; of a Deny everything, a deferred clause as false.
    """
    values: dict[str, ClauseValue] = {}
    doubt = _UNKNOWN if rule.effect is Effect.ALLOW else _DEFERRED
    matched = True
    for name, clause in rule.foothold:
        value = values[name] = clause(facts)
        if value is _FALSE:
            return None
        if value is doubt:
            matched = False
    return RuleTrace(ref=rule.ref, effect=rule.effect.value, matched=matched, clauses=values)


def _denied(denying: Sequence[CompiledRule], traces: Traces, audits: Traces) -> Verdict:
    """Deny by the first Deny that matches for certain, else by the first that does in doubt."""
    pairs = zip(denying, traces, strict=True)
    deciding = next((rule for rule, trace in pairs if not _doubts(trace)), denying[0])
    return Verdict(
        allowed=False,
        reason=Reason.DENIED_BY_RULE,
        rule=deciding.ref,
        message=deciding.message,
        traces=tuple(traces),
        would=_matched(audits),
        unknowns=_unknowns((*traces, *audits)),
    )


def _by_allows(policies: PolicySet, facts: Facts, audits: Traces) -> Verdict:
    allowing, traces = _all_tried(policies.allows, facts)
    would = _matched(audits) if audits else ()
    unknowns: tuple[RuleRef, ...] = ()
    certain = [rule for rule, t in zip(allowing, traces, strict=True) if t is rule.certain]
    if audits or len(certain) != len(allowing):
        unknowns = _unknowns((*traces, *audits))
    if not _levels_hold(policies, certain):
        return Verdict(
            allowed=False,
            reason=Reason.CEILING if certain else Reason.NO_ALLOW,
            traces=tuple(traces),
            would=would,
            unknowns=unknowns,
        )
    return Verdict(
        allowed=True,
        reason=Reason.ALLOWED,
        rule=certain[0].ref,
        charges=_charges(certain, facts),
        redactions=tuple([redaction for rule in certain for redaction in rule.redactions]),
        traces=tuple(traces),
        would=would,
        unknowns=unknowns,
    )


def _levels_hold(policies: PolicySet, allowing: Sequence[CompiledRule]) -> bool:
    """Say whether there is an Allow, on each level under a ceiling."""
    if not policies.ceiling:
        return bool(allowing)
    return len({rule.on_gateway for rule in allowing}) == 2


def _charges(allowing: Sequence[CompiledRule], facts: Facts) -> tuple[Charge, ...]:
    return tuple(
        [
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
    )


def _matched(traces: Traces) -> tuple[RuleTrace, ...]:
    return tuple([trace for trace in traces if trace.matched])


def _doubts(trace: RuleTrace) -> bool:
    values = trace.clauses.values()
    return _UNKNOWN in values or _DEFERRED in values


def _unknowns(traces: Traces) -> tuple[RuleRef, ...]:
    return tuple([trace.ref for trace in traces if _UNKNOWN in trace.clauses.values()])
