"""Compiling: rules as written become a `PolicySet`, or every fault in them at once."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.model import Model
from ostiary.policy.clause import Clause, compile_match, compile_routes, compile_where
from ostiary.policy.compiled import Attached, CompiledPolicy, CompiledRule, Limit
from ostiary.policy.expression import Expression, ExpressionFaulty
from ostiary.policy.facts import UNKNOWN, Facts
from ostiary.policy.person import compile_who
from ostiary.policy.redact import Redaction, compile_redaction
from ostiary.policy.rule import Effect, Match, Mode, RateKey, RateLimit, Rule
from ostiary.policy.verdict import ClauseValue, RuleRef, RuleTrace
from ostiary.policy.window import Window, compile_window

__all__ = ["MAX_RULES", "check", "compile_policy", "narrows"]

MAX_RULES: Final = 64


def check(rules: Sequence[Rule], path: str = "spec.rules") -> None:
    """Raise Faulty with everything that is wrong with `rules`: what compiling alone can tell."""
    faults = [*_listing(rules, path)]
    for index, rule in enumerate(rules):
        _Lowered(rule, f"{path}[{index}]", faults)
    if faults:
        raise Faulty(faults)


def compile_policy(policy: Attached) -> CompiledPolicy:
    """Return the rules of one policy, compiled; raises Faulty like `check`."""
    path = f"{policy.key} rules"
    faults = [*_listing(policy.rules, path)]
    lowered = [_Lowered(rule, f"{path}[{at}]", faults) for at, rule in enumerate(policy.rules)]
    if faults:
        raise Faulty(faults)
    rules = (one.compiled(policy) for one in sorted(lowered, key=lambda one: one.rule.name))
    return CompiledPolicy(key=policy.key, rules=tuple(rules))


def _listing(rules: Sequence[Rule], path: str) -> Iterable[Fault]:
    if len(rules) > MAX_RULES:
        yield Fault(path=path, message=f"has {len(rules)} rules; {MAX_RULES} are the most")
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.name in seen:
            message = f"{rule.name!r} names two rules; give each its own name"
            yield Fault(path=f"{path}[{index}].name", message=message)
        seen.add(rule.name)


class _Lowered:
    """One rule on its way: each part compiled, what is wrong with it added to `faults`."""

    __slots__ = ("clauses", "expression", "redactions", "rule", "window")

    def __init__(self, rule: Rule, path: str, faults: list[Fault]) -> None:
        self.rule = rule
        faults += _shape(rule, path)
        self.window = self._when(f"{path}.when", faults)
        self.expression = self._condition(f"{path}.condition", faults)
        self.redactions = tuple(_redactions(rule, f"{path}.transform.redact", faults))
        self.clauses = self._clauses(path, faults)

    def _when(self, path: str, faults: list[Fault]) -> Window | None:
        if self.rule.when is None:
            return None
        window, found = compile_window(self.rule.when, path)
        faults += found
        return window

    def _condition(self, path: str, faults: list[Fault]) -> Expression | None:
        if self.rule.condition is None:
            return None
        try:
            return Expression(self.rule.condition)
        except ExpressionFaulty as error:
            faults.append(Fault(path=path, message=f"is not a CEL condition: {error}"))
            return None

    def _clauses(self, path: str, faults: list[Fault]) -> dict[str, Clause]:
        """Return `match` and the clauses that were written, cheapest first."""
        rule = self.rule
        clauses = {"match": compile_match(rule.match, rule.effect)}
        if rule.who is not None:
            clauses["who"] = compile_who(rule.who)
        if rule.where is not None:
            clauses["where"] = compile_where(rule.where, f"{path}.where", faults)
        if self.window is not None:
            clauses["when"] = _during(self.window)
        if self.expression is not None:
            clauses["condition"] = self.expression.evaluate
        return clauses

    def compiled(self, policy: Attached) -> CompiledRule:
        """Return the rule as one of `policy`."""
        rule, clauses = self.rule, self.clauses
        ref = RuleRef(policy=policy.key, rule=rule.name, generation=policy.generation)
        certain = dict.fromkeys(clauses, ClauseValue.TRUE)
        return CompiledRule(
            ref=ref,
            on_gateway=str(policy.level) == "Gateway",
            effect=rule.effect,
            enforced=(rule.mode or policy.mode) is Mode.ENFORCE,
            decides=_decides(rule),
            names=tuple(clauses),
            steps=tuple(clauses.values()),
            foothold=tuple(self._foothold()),
            certain=RuleTrace(ref=ref, effect=rule.effect.value, matched=True, clauses=certain),
            limit=_limit(rule.rate_limit, ref) if rule.rate_limit else None,
            redactions=self.redactions,
            message=rule.message,
            window=self.window,
            reads_now=self.expression is not None and self.expression.reads_now,
            shown=_shown(rule.match),
        )

    def _foothold(self) -> Iterable[tuple[str, Clause]]:
        if self.rule.effect is not Effect.ALLOW:
            yield from self.clauses.items()
            return
        if self.rule.match and self.rule.match.routes:
            yield "match", compile_routes(self.rule.match.routes)
        yield from (item for item in self.clauses.items() if item[0] in ("who", "where"))


def _decides(rule: Rule) -> bytes:
    """Return a digest of what a verdict depends on: all but obligations and words."""
    said = rule.model_dump_json(exclude={"mode", "rate_limit", "transform", "message"})
    return hashlib.sha256(said.encode()).digest()


def _during(window: Window) -> Clause:
    """Ask the window; its clock once a second, which is as fine as zones and hours are."""
    start, end, open_at = window.not_before, window.not_after, lru_cache(2)(window.open_at)

    def clause(facts: Facts) -> ClauseValue:
        holds = start <= facts.now < end and open_at(facts.now // 1)
        return ClauseValue.TRUE if holds else ClauseValue.FALSE

    return clause


def _shape(rule: Rule, path: str) -> Iterable[Fault]:
    """Yield what is wrong with the rule as a whole: what is missing, empty or without meaning."""
    if rule.effect is Effect.ALLOW and rule.who is None and not narrows(rule.match):
        message = "allows everything to anybody; say so with `who: {everyone: true}`, or narrow it"
        yield Fault(path=path, message=message)
    if rule.who is not None and rule.who.everyone is False:
        yield Fault(path=f"{path}.who.everyone", message="can only be true; remove it")
    for name, clause in _parts(rule):
        if _empty(clause):
            yield Fault(path=f"{path}.{name}", message="is empty; fill it or remove it")
    if rule.rate_limit is not None and rule.rate_limit.per.seconds <= 0:
        yield Fault(path=f"{path}.rateLimit.per", message="is no time at all; write it like 1m")
    if rule.effect is Effect.DENY and (rule.rate_limit or rule.transform):
        message = "denies, so a rateLimit or transform has no meaning; use an Allow rule"
        yield Fault(path=path, message=message)


def narrows(match: Match | None) -> bool:
    """Say whether `match` names anything beside routes."""
    return match is not None and not _empty(match.model_copy(update={"routes": None}))


def _parts(rule: Rule) -> Iterable[tuple[str, Model | None]]:
    yield from (("match", rule.match), ("who", rule.who), ("when", rule.when))
    yield "where", rule.where
    yield "match.routes", rule.match.routes if rule.match else None


def _empty(clause: Model | None) -> bool:
    """Say whether no field says anything: a time zone says nothing alone, nor do claims of none."""
    if clause is None:
        return False
    fields = (name for name in type(clause).model_fields if name != "time_zone")
    return all(getattr(clause, name) in (None, {}) for name in fields)


def _redactions(rule: Rule, path: str, faults: list[Fault]) -> Iterable[Redaction]:
    for index, redact in enumerate(rule.transform.redact if rule.transform else ()):
        redaction, found = compile_redaction(redact, f"{path}[{index}]")
        faults += found
        if redaction is not None:
            yield redaction


def _shown(match: Match | None) -> tuple[str, ...]:
    kinds = (
        ("tool", match and match.tools),
        ("prompt", match and match.prompts),
        ("resource", match and match.resources),
    )
    if match is None or (match.server is None and all(names is None for _, names in kinds)):
        return ("every tool, prompt and resource",)
    return tuple(f"{kind} {name}" for kind, names in kinds for name in names or ())


_PARTS: Final[dict[RateKey, Callable[[Facts], str]]] = {
    RateKey.USER: lambda facts: f"{facts.caller.issuer} {facts.caller.subject}",
    RateKey.CLIENT: lambda facts: facts.caller.client_id,
    RateKey.TOOL: lambda facts: f"{facts.subject.kind} {facts.subject.name}",
    RateKey.ROUTE: lambda facts: f"{facts.route.namespace}/{facts.route.name}",
    RateKey.SOURCE: lambda facts: "" if facts.source is UNKNOWN else str(facts.source),
}


def _limit(limit: RateLimit, ref: RuleRef) -> Limit:
    parts = [_PARTS[key] for key in sorted(set(limit.by))]
    rule = f"{ref.policy}/{ref.rule}"

    def key(facts: Facts) -> str:
        """Return the bucket's key: the rule in clear, whom it counts as a digest.

        Lengths stand before the values, so that none can pose as two others.
        """
        texts = [part(facts) for part in parts]
        counted = "".join([f"{len(text)}:{text}" for text in texts])
        return f"{rule}:{hashlib.sha256(counted.encode()).hexdigest()[:32]}"

    return Limit(requests=limit.requests, per=limit.per.seconds, key=key)
