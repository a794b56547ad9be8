"""Compiling a policy: what is refused as a whole, and what is compiled once."""

from typing import Any

import pytest

from ostiary.decode.fault import Fault, Faulty
from ostiary.policy.check import check, compile_policy
from ostiary.policy.compiled import PolicySet
from policy_parts import policy_of, rules_of

EVERYBODY = {"name": "all", "effect": "Allow", "who": {"everyone": True}}


def faults(*rules: dict[str, Any]) -> tuple[Fault, ...]:
    with pytest.raises(Faulty) as raised:
        check(rules_of(rules))
    return raised.value.faults


def test_every_fault_of_every_rule_is_told_at_once() -> None:
    found = faults(
        EVERYBODY,
        EVERYBODY | {"condition": "tool ==", "where": {"cidrs": ["10.0.0.1/8", "x"]}},
        {"name": "d", "effect": "Deny", "when": {"timeZone": "Mars/Phobos", "hours": ["9-5"]}},
        {
            "name": "r",
            "effect": "Allow",
            "match": {"tools": ["*"]},
            "transform": {"redact": [{"pattern": "("}, {"in": "Arguments"}]},
        },
    )
    assert sorted(fault.path for fault in found) == [
        "spec.rules[1].condition",
        "spec.rules[1].name",
        "spec.rules[1].where.cidrs[0]",
        "spec.rules[1].where.cidrs[1]",
        "spec.rules[2].when.hours[0]",
        "spec.rules[2].when.timeZone",
        "spec.rules[3].transform.redact[0].pattern",
        "spec.rules[3].transform.redact[1]",
    ]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"match": {"routes": {"names": ["files"]}}},
        {"when": {"days": ["Mon"]}},
        {"condition": "true"},
    ],
)
def test_an_allow_for_anybody_has_to_say_so(rule: dict[str, Any]) -> None:
    found = faults({"name": "a", "effect": "Allow", **rule})
    assert [(fault.path, "everyone: true" in fault.message) for fault in found] == [
        ("spec.rules[0]", True)
    ]
    check(rules_of([{"name": "a", "effect": "Allow", "who": {"everyone": True}, **rule}]))
    check(rules_of([{"name": "a", "effect": "Deny", **rule}]))


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"match": {}}, "match"),
        ({"match": {"routes": {}}}, "match.routes"),
        ({"who": {}}, "who"),
        ({"who": {"claims": {}}}, "who"),
        ({"who": {"groups": None}}, "who"),
        ({"who": {"everyone": False}}, "who.everyone"),
        ({"when": {}}, "when"),
        ({"when": {"timeZone": "Europe/Berlin"}}, "when"),
        ({"where": {}}, "where"),
    ],
)
def test_a_clause_that_says_nothing_is_a_fault(rule: dict[str, Any], path: str) -> None:
    found = faults({"name": "d", "effect": "Deny", **rule})
    assert f"spec.rules[0].{path}" in {fault.path for fault in found}


def test_more_rules_than_sixty_four_are_a_fault() -> None:
    rules = [EVERYBODY | {"name": f"r{number}"} for number in range(65)]
    check(rules_of(rules[:64]))
    assert [fault.path for fault in faults(*rules)] == ["spec.rules"]


def test_a_deny_has_no_use_for_obligations() -> None:
    limit = {"requests": 1, "per": "1m"}
    found = faults({"name": "d", "effect": "Deny", "rateLimit": limit})
    assert [fault.path for fault in found] == ["spec.rules[0]"]


def test_a_policy_is_compiled_once_for_all_its_routes() -> None:
    compiled = compile_policy(policy_of({"rules": [EVERYBODY]}))
    first, second = (PolicySet.of([compiled], ceiling=False) for _ in range(2))
    assert first.allows[0] is second.allows[0]


def test_a_person_reads_what_a_policy_allows() -> None:
    rules = [
        {"name": "b", "effect": "Allow", "match": {"tools": ["read_*", "x"], "resources": ["*"]}},
        {"name": "a", "effect": "Allow", "match": {"tools": ["x"], "prompts": ["p"]}},
        {"name": "c", "effect": "Deny", "match": {"tools": ["never"]}},
        {"name": "d", "effect": "Allow", "mode": "Audit", "match": {"tools": ["maybe"]}},
    ]
    policies = PolicySet.of([compile_policy(policy_of({"rules": rules}))], ceiling=False)
    assert policies.patterns() == ("tool x", "prompt p", "tool read_*", "resource *")
    everything = PolicySet.of([compile_policy(policy_of({"rules": [EVERYBODY]}))], ceiling=False)
    assert everything.patterns() == ("every tool, prompt and resource",)
