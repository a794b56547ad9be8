"""What one verdict takes: an Allow by name, group and hours, and Denies that miss."""

import time
import timeit

from ostiary.policy.evaluate import evaluate
from policy_parts import facts_of, policy_set

TIMES = 5_000
ALLOW = {
    "name": "a",
    "effect": "Allow",
    "match": {"tools": ["read_*"]},
    "who": {"groups": ["engineers"]},
    "when": {"timeZone": "Europe/Berlin", "hours": ["00:00-24:00"]},
}
CONDITION = "args.path.startsWith('docs/')"
DENY = {"effect": "Deny", "match": {"tools": ["read_*"]}, "who": {"groups": ["contractors"]}}


def judge() -> None:
    """Judge one call under 2 and under 10 rules, and under 2 with a condition."""
    _judge("2 rules", ALLOW, 1)
    _judge("10 rules", ALLOW, 9)
    _judge("2 rules, one with a condition", {**ALLOW, "condition": CONDITION}, 1)


def _judge(name: str, allow: dict, denies: int) -> None:
    facts = facts_of({"tool": "read_file", "args": {"path": "docs/a.txt"}})
    rules = [allow, *({**DENY, "name": f"d{index}"} for index in range(denies))]
    policies = policy_set([{"rules": rules}])
    assert evaluate(policies, facts).allowed
    taken = timeit.repeat(
        lambda: evaluate(policies, facts), timer=time.process_time, number=TIMES, repeat=9
    )
    print(f"verdict, {name}: {min(taken) / TIMES * 1e6:.1f} µs")
