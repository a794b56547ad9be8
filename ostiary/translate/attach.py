"""Attaching policies: what each targets, which of its rules count, and what it closes.

An Enforce policy that can't be read or compiled closes its targets; an Audit policy closes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import pydantic

from ostiary.decode.fault import Fault, Faulty
from ostiary.decode.yaml_documents import Plain
from ostiary.policy.check import check
from ostiary.policy.rule import Mode, Rule
from ostiary.resources.manifest import Kind, Manifest, strictly
from ostiary.resources.policy import MCPPolicy, MCPPolicySpec, TargetRef
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.parsed import Cache, Parsed, identity
from ostiary.translate.problem import Condition, Problem, Reason, of_faults
from ostiary.translate.routes import ResolvedRoute

__all__ = ["Attachments", "JudgedPolicy", "attach", "judge"]

_RULES: Final = "spec.rules["


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedPolicy:
    """A policy by itself, compared by identity: the cache hands out the same one.

    `rules` are those that compile, empty where it `closes` its targets. `targets` are (kind, name);
    None where they can't be read: it then stands for everything in its namespace.
    """

    manifest: Manifest
    targets: tuple[tuple[str, str], ...] | None
    mode: Mode
    rules: tuple[Rule, ...] = ()
    closes: bool = False
    faults: tuple[Fault, ...] = ()

    @property
    def key(self) -> str:
        """Return `namespace/name`."""
        return self.manifest.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """Policies by what they are attached to; keys are `namespace/name`.

    `deciding` are a route's policies at either level, in order of their keys.
    """

    policies: Mapping[str, JudgedPolicy]
    by_gateway: Mapping[str, tuple[str, ...]]
    by_route: Mapping[str, tuple[str, ...]]
    deciding: Mapping[str, tuple[JudgedPolicy, ...]]
    problems: Mapping[str, tuple[Problem, ...]]
    ancestors: Mapping[str, tuple[str, ...]]


def attach(
    parsed: Iterable[Parsed],
    gateways: Mapping[str, ResolvedGateway],
    routes: Mapping[str, ResolvedRoute],
    cache: Cache,
) -> Attachments:
    """Return what every policy is attached to, and what stands against each."""
    gathering = _Gathering(gateways=gateways, routes=routes)
    for item in sorted(parsed, key=lambda item: item.manifest.age):
        judged = cache.once(("judged", *identity(item.manifest)), partial(judge, item))
        gathering.add(judged)
    return gathering.result()


@dataclass(slots=True, kw_only=True)
class _Gathering:
    gateways: Mapping[str, ResolvedGateway]
    routes: Mapping[str, ResolvedRoute]
    policies: dict[str, JudgedPolicy] = field(default_factory=dict)
    by_gateway: dict[str, list[str]] = field(default_factory=dict)
    by_route: dict[str, list[str]] = field(default_factory=dict)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    ancestors: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, policy: JudgedPolicy) -> None:
        key = policy.key
        self.policies[key] = policy
        gateways, routes, missing = self._found(policy)
        self.ancestors[key] = tuple(
            sorted({*gateways, *(self.routes[route].gateway or "" for route in routes)} - {""})
        )
        self.problems[key] = (*of_faults(policy.faults), *missing)
        if not policy.rules and not policy.closes:
            return  # an Audit policy of which nothing can be read: it changes nothing
        for gateway in gateways:
            self.by_gateway.setdefault(gateway, []).append(key)
        for route in routes:
            self.by_route.setdefault(route, []).append(key)

    def _found(self, policy: JudgedPolicy) -> tuple[list[str], list[str], list[Problem]]:
        namespace = policy.manifest.meta.namespace
        if policy.targets is None:
            inside = f"{namespace}/"
            return (
                [key for key in self.gateways if key.startswith(inside)],
                [key for key in self.routes if key.startswith(inside)],
                [],
            )
        gateways: list[str] = []
        routes: list[str] = []
        missing: list[Problem] = []
        for index, (kind, name) in enumerate(policy.targets):
            key = f"{namespace}/{name}"
            if kind == Kind.GATEWAY and key in self.gateways:
                gateways.append(key)
            elif kind == Kind.ROUTE and key in self.routes:
                routes.append(key)
            else:
                missing.append(_not_found(kind, name, namespace, index))
        if not gateways and not routes:
            # Attached to nothing at all: more than a reference that fails.
            missing = [replace(item, condition=Condition.ACCEPTED) for item in missing]
        return gateways, routes, missing

    def _deciding(self, route: ResolvedRoute) -> tuple[JudgedPolicy, ...]:
        keys = {*self.by_route.get(route.key, ()), *self.by_gateway.get(route.gateway or "", ())}
        return tuple(self.policies[key] for key in sorted(keys))

    def result(self) -> Attachments:
        return Attachments(
            policies=self.policies,
            by_gateway={key: tuple(found) for key, found in self.by_gateway.items()},
            by_route={key: tuple(found) for key, found in self.by_route.items()},
            deciding={key: self._deciding(route) for key, route in self.routes.items()},
            problems=self.problems,
            ancestors=self.ancestors,
        )


def _not_found(kind: str, name: str, namespace: str, index: int) -> Problem:
    said = f"there is no {kind} {name} in namespace {namespace}; policies reach no other namespace"
    return Problem(
        condition=Condition.RESOLVED_REFS,
        reason=Reason.TARGET_NOT_FOUND,
        message=said,
        path=f"spec.targetRefs[{index}].name",
    )


def judge(item: Parsed) -> JudgedPolicy:
    """Judge one policy; where it has faults, by what can still be read of it."""
    if isinstance(item.resource, MCPPolicy):
        spec = item.resource.spec
        faults = _compile_faults(spec.rules)
        if not faults:
            return JudgedPolicy(
                manifest=item.manifest,
                targets=_targets(spec.target_refs),
                mode=spec.mode,
                rules=spec.rules,
            )
        return _with_faults(item.manifest, faults)
    return _with_faults(item.manifest, (*item.faults, *_hidden_faults(item.manifest.spec)))


def _hidden_faults(spec: Plain) -> Iterable[Fault]:
    """Yield what compiling says of the rules that can be read in a policy that can't."""
    listed = spec.get("rules") if isinstance(spec, dict) else None
    for index, raw in enumerate(listed if isinstance(listed, list) else ()):
        try:
            rule = strictly(Rule, raw, "")
        except Faulty:
            continue  # said already
        for fault in _compile_faults((rule,)):
            yield replace(fault, path=fault.path.replace(f"{_RULES}0]", f"{_RULES}{index}]", 1))


def _with_faults(manifest: Manifest, faults: tuple[Fault, ...]) -> JudgedPolicy:
    """Drop faulty Audit rules, which change nothing; any other fault closes the targets."""
    fields = manifest.spec if isinstance(manifest.spec, dict) else {}
    listed = fields.get("rules")
    raw = listed if isinstance(listed, list) else []
    mode = Mode.AUDIT if fields.get("mode") == Mode.AUDIT else Mode.ENFORCE
    audits = {index for index, rule in enumerate(raw) if _is_audit(rule, mode)}
    broken = {_rule_of(fault) for fault in faults}
    targets = _readable_targets(fields)
    if broken <= audits and targets is not None:
        kept = [rule for index, rule in enumerate(raw) if index not in broken]
        rules = _without(fields, kept)
        if rules is not None:
            return JudgedPolicy(
                manifest=manifest, targets=targets, mode=mode, rules=rules, faults=faults
            )
    if raw and len(audits) == len(raw):
        return JudgedPolicy(manifest=manifest, targets=targets or (), mode=mode, faults=faults)
    return JudgedPolicy(manifest=manifest, targets=targets, mode=mode, closes=True, faults=faults)


def _without(fields: Mapping[str, Plain], kept: Sequence[Plain]) -> tuple[Rule, ...] | None:
    """Return the rules that are left, or None where the policy is still faulty."""
    if not kept:
        return ()
    try:
        spec = strictly(MCPPolicySpec, {**fields, "rules": list(kept)}, "spec")
    except Faulty:
        return None
    return None if _compile_faults(spec.rules) else spec.rules


def _is_audit(rule: Plain, default: Mode) -> bool:
    own = rule.get("mode") if isinstance(rule, dict) else None
    return own == Mode.AUDIT or (own is None and default is Mode.AUDIT)


def _rule_of(fault: Fault) -> int:
    """Return the index of the rule that a fault is in, -1 where it is in none."""
    if not fault.path.startswith(_RULES):
        return -1
    index = fault.path[len(_RULES) :].partition("]")[0]
    return int(index) if index.isdigit() else -1


def _compile_faults(rules: Sequence[Rule]) -> tuple[Fault, ...]:
    try:
        check(rules, "spec.rules")
    except Faulty as faulty:
        return faulty.faults
    return ()


def _targets(refs: Iterable[TargetRef]) -> tuple[tuple[str, str], ...]:
    return tuple((ref.kind, ref.name) for ref in refs)


def _readable_targets(fields: Mapping[str, Plain]) -> tuple[tuple[str, str], ...] | None:
    """Return the targets of a faulty policy, or None where any of them can't be read."""
    raw = fields.get("targetRefs")
    if not isinstance(raw, list) or not raw:
        return None
    try:
        return _targets(TargetRef.model_validate(ref) for ref in raw)
    except pydantic.ValidationError:
        return None
