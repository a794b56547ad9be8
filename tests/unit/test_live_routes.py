"""What a bundle serves: each policy is compiled once, and anew only where it changed."""

from typing import Any

from ostiary.config.document import Config
from ostiary.decode.model import validate
from ostiary.policy.compiled import CompiledPolicy
from ostiary_proxy.pipeline.routes import Compiled, live_routes
from proxy_parts import bundle

RULE: dict[str, Any] = {"name": "r", "effect": "Allow", "who": {"groups": ["eng"]}}
CONFIG = bundle(1, "one", "two", rules=(RULE,)).config


def changed(**update: Any) -> Config:
    """Return the configuration with a change of its policy."""
    (policy,) = CONFIG.policies
    plain = {**policy.plain(), **update}
    return CONFIG.model_copy(update={"policies": (validate(type(policy), plain),)})


def compiled(config: Config, before: Compiled) -> CompiledPolicy:
    return live_routes(config, before).compiled["team/rules"][1]


def test_a_policy_that_is_as_it_was_is_not_compiled_again() -> None:
    first = live_routes(CONFIG, {}).compiled

    assert compiled(changed(), first) is first["team/rules"][1]


def test_a_policy_that_changed_in_anything_is() -> None:
    first = live_routes(CONFIG, {}).compiled
    changes: list[dict[str, Any]] = [
        {"generation": 2},
        {"mode": "Audit"},
        {"level": "Gateway"},
        {"rules": [{**RULE, "who": {"groups": ["ops"]}}]},
    ]

    again = [compiled(changed(**change), first) for change in changes]

    assert first["team/rules"][1] not in again


def test_a_policy_that_was_broken_and_stays_so_closes_its_routes_again() -> None:
    broken = changed(rules=[{"name": "r", "effect": "Deny", "condition": "args.x == "}])
    first = live_routes(broken, live_routes(CONFIG, {}).compiled)

    again = live_routes(broken, first.compiled)

    assert again.faults == first.faults
    assert [fault.key for fault in again.faults] == ["team/rules"]
    assert all(live.route.closed is not None for live in again.routes.values())
