"""Compiling: rules as written become a `CompiledPolicy`, or every fault in them at once."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from ostiary.decode.fault import Fault, Faulty
from ostiary.policy.clause import clauses_of, compile_routes
from ostiary.policy.compiled import Attached, CompiledPolicy, CompiledRule, Limit
from ostiary.policy.facts import UNKNOWN, Facts
from ostiary.policy.globs import Names
from ostiary.policy.redact import compile_redaction
from ostiary.policy.rule import Effect, Match, Mode, RateKey, RateLimit, Rule
from ostiary.policy.verdict import RuleRef
from ostiary.policy.window import compile_window

__all__ = ["MAX_RULES", "check", "compile_policy"]

MAX_RULES = 64


def check(rules: Sequence[Rule], path: str = "spec.rules") -> None:
    """Raise Faulty with everything that is wrong with `rules`: what compiling alone can tell."""
    faults = list(_listing(rules, path))
    for index, rule in enumerate(rules):
        faults += _faults(rule, f"{path}[{index}]")
    if faults:
        raise Faulty(faults)


def compile_policy(policy: Attached) -> CompiledPolicy:
    """Return the rules of one policy, lowered; raises Faulty where one does not compile."""
    check(policy.rules, policy.key)
    rules = sorted(policy.rules, key=lambda rule: rule.name)
    return CompiledPolicy(key=policy.key, rules=tuple(_compile(policy, rule) for rule in rules))


def _listing(rules: Sequence[Rule], path: str) -> Iterable[Fault]:
    if len(rules) > MAX_RULES:
        yield Fault(path=path, message=f"has {len(rules)} rules; {MAX_RULES} are the most")
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.name in seen:
            message = f"{rule.name!r} names two rules; give each its own name"
            yield Fault(path=f"{path}[{index}].name", message=message)
        seen.add(rule.name)


def _faults(rule: Rule, path: str) -> list[Fault]:
    _, faults = clauses_of(rule, path)
    if rule.effect is Effect.ALLOW and rule.match is None and rule.who is None:
        message = "allows everything to anybody; say so with `who: {everyone: true}`, or narrow it"
        faults.append(Fault(path=path, message=message))
    if rule.who is not None and rule.who.everyone is False:
        faults.append(Fault(path=f"{path}.who.everyone", message="can only be true; remove it"))
    for name in ("match", "who", "when", "where"):
        clause = getattr(rule, name)
        if clause is not None and not clause.model_fields_set:
            message = "is empty; fill it or remove it"
            faults.append(Fault(path=f"{path}.{name}", message=message))
    if rule.rate_limit is not None and rule.rate_limit.per.seconds <= 0:
        message = "is no time at all; write it like 1m"
        faults.append(Fault(path=f"{path}.rateLimit.per", message=message))
    if rule.effect is Effect.DENY and (rule.rate_limit or rule.transform):
        message = "denies, so a rateLimit or transform has no meaning; use an Allow rule"
        faults.append(Fault(path=path, message=message))
    for index, redact in enumerate(rule.transform.redact if rule.transform else ()):
        _, found = compile_redaction(redact, f"{path}.transform.redact[{index}]")
        faults += found
    return faults


def _compile(policy: Attached, rule: Rule) -> CompiledRule:
    clauses, _ = clauses_of(rule, "")
    ref = RuleRef(policy=policy.key, rule=rule.name, generation=policy.generation)
    redactions = [
        compile_redaction(r, "")[0] for r in (rule.transform.redact if rule.transform else ())
    ]
    match = rule.match
    routes = (compile_routes(match.routes),) if match and match.routes else ()
    return CompiledRule(
        ref=ref,
        level=str(policy.level),
        effect=rule.effect,
        enforced=(rule.mode or policy.mode) is Mode.ENFORCE,
        clauses=clauses,
        foothold=(*routes, *(clauses[name] for name in ("who", "where") if name in clauses)),
        beside_match=(*routes, *(clause for name, clause in clauses.items() if name != "match")),
        methods=Names(match.methods) if match and match.methods is not None else None,
        broad=match is None or match.model_fields_set == {"routes"},
        limit=_limit(rule.rate_limit, ref) if rule.rate_limit else None,
        redactions=tuple(redaction for redaction in redactions if redaction is not None),
        message=rule.message,
        window=compile_window(rule.when, "")[0] if rule.when else None,
        shown=_shown(match),
    )


def _shown(match: Match | None) -> tuple[str, ...]:
    if match is None or (
        match.tools is match.prompts is match.resources is None and not match.server
    ):
        return ("every tool, prompt and resource",)
    kinds = (("tool", match.tools), ("prompt", match.prompts), ("resource", match.resources))
    return tuple(f"{kind} {name}" for kind, names in kinds for name in names or ())


_PARTS: dict[RateKey, Callable[[Facts], str]] = {
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
        """Return the bucket's key.

        The rule in clear, whom it counts as a digest of bounded length.
        """
        counted = "\0".join(part(facts) for part in parts)
        return f"{rule}:{hashlib.sha256(counted.encode()).hexdigest()[:32]}"

    return Limit(requests=limit.requests, per=limit.per.seconds, key=key)
