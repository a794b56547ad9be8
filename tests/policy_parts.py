"""Policies and facts as tests write them, and verdicts as tests read them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary.policy.check import compile_policy
from ostiary.policy.compiled import PolicySet
from ostiary.policy.facts import (
    DEFERRED,
    UNKNOWN,
    Caller,
    Deferred,
    Facts,
    Kind,
    RouteFacts,
    Subject,
    Unknown,
)
from ostiary.policy.rule import Mode, Rule
from ostiary.policy.verdict import Charge, RuleRef, RuleTrace, Verdict

NOW = "2026-11-24T10:00:00Z"
METHODS = {
    Kind.TOOL: "tools/call",
    Kind.PROMPT: "prompts/get",
    Kind.RESOURCE: "resources/read",
    Kind.SERVER: "elicitation/create",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A policy as it is attached."""

    key: str
    rules: Sequence[Rule]
    generation: int = 1
    level: str = "Route"
    mode: Mode = Mode.ENFORCE


def rules_of(written: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    return tuple(validate(Rule, rule) for rule in written)


def policy_of(written: Mapping[str, Any]) -> Written:
    """Read `{policy, level, mode, generation, rules}`; only the rules are required."""
    return Written(
        key=written.get("policy", "acme/p"),
        rules=rules_of(written["rules"]),
        generation=written.get("generation", 1),
        level=written.get("level", "Route"),
        mode=Mode(written.get("mode", "Enforce")),
    )


def policy_set(written: Sequence[Mapping[str, Any]], *, ceiling: bool = False) -> PolicySet:
    return PolicySet.of([compile_policy(policy_of(one)) for one in written], ceiling=ceiling)


def facts_of(written: Mapping[str, Any]) -> Facts:
    """Read flat facts; what is left out is an ordinary person calling the tool `read_file`."""
    known = dict(written)
    facts = Facts(
        subject=_subject(known),
        caller=Caller(
            issuer=known.pop("issuer", "https://idp.example"),
            subject=known.pop("user", "u-1"),
            client_id=known.pop("client", "c-1"),
            email=known.pop("email", "ann@acme.example"),
            groups=_groups(known.pop("groups", ["engineers"])),
            claims=_json(known.pop("claims", {})),
            client_host=known.pop("host", None),
            auth_time=_moment(known.pop("loginTime", None)),
            login_source=ip_address(known.pop("loginSource", "203.0.113.9")),
        ),
        route=RouteFacts(
            namespace=known.pop("namespace", "acme"),
            name=known.pop("route", "files"),
            labels=known.pop("labels", {}),
        ),
        now=datetime.fromisoformat(known.pop("now", NOW)).timestamp(),
        source=_source(known.pop("source", "10.1.2.3")),
    )
    assert not known, f"facts that nobody reads: {sorted(known)}"
    return facts


def _subject(known: dict[str, Any]) -> Subject:
    if "housekeeping" in known:
        return Subject(kind=Kind.HOUSEKEEPING, method=known.pop("housekeeping"))
    kind = next((kind for kind in METHODS if kind.value in known), Kind.TOOL)
    return Subject(
        kind=kind,
        name=known.pop(kind.value, "read_file"),
        method=known.pop("method", METHODS[kind]),
        arguments=_arguments(known.pop("args", {} if kind is Kind.TOOL else "unknown")),
    )


def _arguments(written: Any) -> Mapping[str, Any] | Deferred | Unknown:
    if written in ("deferred", "unknown"):
        return DEFERRED if written == "deferred" else UNKNOWN
    arguments: Mapping[str, Any] = _json(written)
    return arguments


def _json(written: Any) -> Any:
    """Return the value as the proxy reads it from a message; a string is JSON already."""
    return read_json((written if isinstance(written, str) else json.dumps(written)).encode())


def _groups(written: list[str] | None) -> frozenset[str] | None:
    return None if written is None else frozenset(written)


def _moment(written: str | None) -> float | None:
    return None if written is None else datetime.fromisoformat(written).timestamp()


def _source(written: str | None) -> Any:
    return UNKNOWN if written is None else ip_address(written)


def shown(verdict: Verdict) -> dict[str, Any]:
    """Return the whole verdict as cases write it, without what is empty."""
    whole = {
        "allowed": verdict.allowed,
        "reason": verdict.reason.value,
        "rule": verdict.rule and _ref(verdict.rule),
        "message": verdict.message,
        "charges": [_charge(charge) for charge in verdict.charges],
        "redactions": [f"{r.where.value}: {r.replacement}" for r in verdict.redactions],
        "traces": [_trace(trace) for trace in verdict.traces],
        "would": [_trace(trace) for trace in verdict.would],
        "unknowns": [_ref(ref) for ref in verdict.unknowns],
    }
    return {name: value for name, value in whole.items() if value not in (None, [])}


def _ref(ref: RuleRef) -> str:
    return f"{ref.policy}/{ref.rule}@{ref.generation}"


def _trace(trace: RuleTrace) -> str:
    clauses = ", ".join(f"{name} {value.value}" for name, value in trace.clauses.items())
    matched = "matches" if trace.matched else "does not match"
    return f"{trace.effect} {_ref(trace.ref)} {matched}: {clauses}"


def _charge(charge: Charge) -> str:
    text = f"{_ref(charge.rule)}: {charge.requests} in {charge.per:g} s"
    return f"{text}, {charge.message}" if charge.message else text
