"""What one verdict takes: an Allow by name, group, hours and argument, and Denies that miss."""

import timeit

from ostiary.policy.evaluate import evaluate
from policy_parts import facts_of, policy_set

TIMES = 20_000
ALLOW = {
    "name": "a",
    "effect": "Allow",
    "match": {"tools": ["read_*"]},
    "who": {"groups": ["engineers"]},
    "when": {"timeZone": "Europe/Berlin", "hours": ["00:00-24:00"]},
    "condition": "args.path.startsWith('docs/')",
}
DENY = {"effect": "Deny", "match": {"tools": ["read_*"]}, "who": {"groups": ["contractors"]}}


def judge() -> None:
    """Judge one call under 2 and under 10 rules."""
    facts = facts_of({"tool": "read_file", "args": {"path": "docs/a.txt"}})
    for count in (2, 10):
        denies = [{**DENY, "name": f"d{index}"} for index in range(count - 1)]
        policies = policy_set([{"rules": [ALLOW, *denies]}])
        assert evaluate(policies, facts).allowed
        best = min(timeit.repeat(lambda: evaluate(policies, facts), number=TIMES, repeat=5))  # noqa: B023
        print(f"verdict, {count:2} rules: {best / TIMES * 1e6:.1f} µs")
