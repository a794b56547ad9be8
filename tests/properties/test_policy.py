"""What holds of every policy: against a naive evaluator written straight from the semantics."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.policy.check import compile_policy
from ostiary.policy.compiled import PolicySet
from ostiary.policy.evaluate import evaluate, foothold, item_visible
from ostiary.policy.facts import DEFERRED, UNKNOWN, Caller, Facts, Kind, RouteFacts, Subject
from ostiary.policy.globs import Names
from ostiary.policy.rule import Effect, Match, Mode, Rule, When, Who
from ostiary.policy.verdict import Reason, Verdict
from ostiary.policy.window import compile_window
from policy_parts import METHODS, Written, rules_of

# -- the naive evaluator: slow, no sharing with the real one but for the models ----------------

T, F, U, D = "true", "false", "unknown", "deferred"
ITEMS = (Kind.TOOL, Kind.PROMPT, Kind.RESOURCE)


def _on_arguments(facts: Facts) -> str:
    if facts.subject.arguments is DEFERRED or facts.subject.kind is Kind.HOUSEKEEPING:
        return D
    if not isinstance(facts.subject.arguments, Mapping) or "x" not in facts.subject.arguments:
        return U
    return T if facts.subject.arguments["x"] == 1 else F


def _on_tool(facts: Facts) -> str:
    if facts.subject.kind is Kind.HOUSEKEEPING:
        return D
    if facts.subject.kind is not Kind.TOOL:
        return U
    return T if facts.subject.name == "ab" else F


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def _one_of(patterns: Sequence[str], text: str) -> bool:
    return any(_fits(pattern, text) for pattern in patterns)


def _told(fact: str | None, patterns: Sequence[str]) -> str:
    if fact is None:
        return U
    return T if _one_of(patterns, fact) else F


CONDITIONS = {
    "true": lambda _: T,
    "false": lambda _: F,
    "1 / 0 == 1": lambda _: U,
    "args.x == 1": _on_arguments,
    "tool == 'ab'": _on_tool,
    "user.email == 'a@b'": lambda facts: _told(facts.caller.email, ["a@b"]),
}
"""Each text with what it means."""


def _all(values: Sequence[str]) -> str:
    if F in values:
        return F
    return next((value for value in values if value != T), T)


def _match(match: Match | None, effect: Effect, facts: Facts) -> str:
    subject = facts.subject
    listed: dict[Kind, Sequence[str] | None] = {
        Kind.TOOL: match.tools if match else None,
        Kind.PROMPT: match.prompts if match else None,
        Kind.RESOURCE: match.resources if match else None,
        Kind.SERVER: match.server if match else None,
    }
    if any(names is not None for names in listed.values()):
        names = listed.get(subject.kind)
        kind = names is not None and _one_of(names, subject.name)
    else:
        kind = effect is Effect.DENY or subject.kind in ITEMS
    if match is not None and match.methods is not None:
        own = subject.method in ("ping", "notifications/cancelled")
        kind = kind and _one_of(match.methods, subject.method) and not own
    if match is not None and match.routes is not None and match.routes.names is not None:
        kind = kind and _one_of(match.routes.names, facts.route.name)
    return T if kind else F


def _who(who: Who | None, facts: Facts) -> str:
    if who is None or who.groups is None:
        return T
    groups = facts.caller.groups
    if groups is None:
        return U if who.groups else F  # an empty list matches nothing, whatever is known
    return T if any(_one_of(who.groups, group) for group in groups) else F


def _clauses(rule: Rule, facts: Facts) -> list[str]:
    condition = CONDITIONS[rule.condition](facts) if rule.condition else T
    return [_match(rule.match, rule.effect, facts), _who(rule.who, facts), condition]


def _standing(rule: Rule, facts: Facts) -> bool:
    """Say whether an Allow gives a foothold: who and where, on the routes that it covers."""
    routes = rule.match.routes if rule.match else None
    here = routes is None or routes.names is None or _one_of(routes.names, facts.route.name)
    return here and _who(rule.who, facts) == T


def naive(policies: Sequence[Written], facts: Facts, *, ceiling: bool, listed: bool) -> bool:
    """Say whether a message is allowed, or, `listed`, whether a list shows the item."""
    housekeeping = facts.subject.kind is Kind.HOUSEKEEPING
    levels = set()
    for policy in policies:
        for rule in policy.rules:
            if (rule.mode or policy.mode) is Mode.AUDIT:
                continue
            value = _all(_clauses(rule, facts))
            deferred = D in _clauses(rule, facts)
            if rule.effect is Effect.DENY:
                if value != F and not (deferred and (listed or housekeeping)):
                    return False
            elif housekeeping:
                levels |= {policy.level} if _standing(rule, facts) else set()
            elif value == T or (listed and value != F and U not in _clauses(rule, facts)):
                levels.add(policy.level)
    return levels == {"Gateway", "Route"} if ceiling else bool(levels)


# -- what is generated -------------------------------------------------------------------------

NAMES = st.sampled_from(["ab", "abc", "b", "ba", "c"])
PATTERNS = st.lists(st.sampled_from(["ab", "a*", "*b", "*", "b*a", "c"]), max_size=2)
HOUSEKEEPING = ("initialize", "ping", "tools/list", "notifications/cancelled")
METHOD_PATTERNS = st.lists(
    st.sampled_from(["tools/*", "*", "initialize", "ping", "prompts/get"]), max_size=2
)
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "tools": PATTERNS,
        "prompts": PATTERNS,
        "resources": PATTERNS,
        "server": st.lists(st.sampled_from(["sampling", "roots"]), max_size=2),
        "methods": METHOD_PATTERNS,
        "routes": st.fixed_dictionaries({"names": PATTERNS}),
    },
).filter(bool)
PARTS = {
    "match": MATCHES,
    "who": st.one_of(st.just({"everyone": True}), st.fixed_dictionaries({"groups": PATTERNS})),
    "condition": st.sampled_from(sorted(CONDITIONS)),
    "mode": st.sampled_from(["Enforce", "Audit"]),
}


@st.composite
def rules(draw: st.DrawFn, effect: str | None = None) -> dict[str, object]:
    rule: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=PARTS))
    rule["effect"] = effect or draw(st.sampled_from(["Allow", "Allow", "Deny"]))
    if rule["effect"] == "Allow" and set(rule.get("match", {})) <= {"routes"}:
        rule.setdefault("who", {"everyone": True})
    return rule


@st.composite
def policies(draw: st.DrawFn) -> tuple[Written, ...]:
    levels = draw(st.lists(st.sampled_from(["Gateway", "Route"]), min_size=1, max_size=3))
    return tuple(
        Written(
            key=f"acme/p{at}",
            level=level,
            mode=draw(st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.AUDIT])),
            rules=rules_of(
                [
                    {"name": f"r{number}", **rule}
                    for number, rule in enumerate(draw(st.lists(rules(), max_size=4)))
                ]
            ),
        )
        for at, level in enumerate(levels)
    )


SUBJECTS = st.one_of(
    st.builds(
        lambda kind, name, arguments: Subject(
            kind=kind, method=METHODS[kind], name=name, arguments=arguments
        ),
        st.sampled_from(ITEMS),
        NAMES,
        st.sampled_from([UNKNOWN, {}, {"x": 1}, {"x": 2}]),
    ),
    st.builds(
        lambda name: Subject(kind=Kind.SERVER, method="x/create", name=name),
        st.sampled_from(["sampling", "roots", "elicitation/form"]),
    ),
    st.builds(
        lambda method: Subject(kind=Kind.HOUSEKEEPING, method=method),
        st.sampled_from(HOUSEKEEPING),
    ),
)
FACTS = st.builds(
    lambda subject, groups, email: Facts(
        subject=subject,
        caller=Caller(issuer="i", subject="s", client_id="c", groups=groups, email=email),
        route=RouteFacts(namespace="acme", name="ab"),
        now=1_800_000_000.0,
    ),
    SUBJECTS,
    st.one_of(st.none(), st.frozensets(NAMES, max_size=2)),
    st.sampled_from([None, "a@b", "c@d"]),
)


def compiled(written: Sequence[Written], *, ceiling: bool) -> PolicySet:
    return PolicySet.of([compile_policy(policy) for policy in written], ceiling=ceiling)


def answer(verdict: Verdict) -> tuple[object, ...]:
    """Return all of a verdict that reaches a caller, a bucket or an upstream."""
    return (
        verdict.allowed,
        verdict.reason,
        verdict.rule,
        verdict.message,
        verdict.charges,
        verdict.redactions,
        verdict.traces,
    )


def enforced(written: Sequence[Written]) -> tuple[Written, ...]:
    """Return the policies without their audit rules."""
    return tuple(
        replace(
            policy,
            rules=[rule for rule in policy.rules if (rule.mode or policy.mode) is Mode.ENFORCE],
        )
        for policy in written
    )


# -- properties --------------------------------------------------------------------------------


@settings(max_examples=400)
@given(policies(), FACTS, st.booleans())
def test_the_evaluator_agrees_with_the_naive_one(
    written: tuple[Written, ...], facts: Facts, ceiling: bool
) -> None:
    verdict = evaluate(compiled(written, ceiling=ceiling), facts)
    assert verdict.allowed is naive(written, facts, ceiling=ceiling, listed=False)
    assert verdict.allowed is (verdict.reason is Reason.ALLOWED)


@settings(max_examples=300)
@given(policies(), FACTS, st.booleans())
def test_lists_agree_with_the_naive_evaluator(
    written: tuple[Written, ...], facts: Facts, ceiling: bool
) -> None:
    subject = replace(facts.subject, kind=Kind.TOOL, method="tools/call", arguments=DEFERRED)
    listed = replace(facts, subject=subject)
    visible = item_visible(compiled(written, ceiling=ceiling), listed)
    assert visible is naive(written, listed, ceiling=ceiling, listed=True)


@given(policies(), FACTS, st.booleans())
def test_what_is_allowed_has_a_foothold_and_shows_in_lists(
    written: tuple[Written, ...], facts: Facts, ceiling: bool
) -> None:
    policy_set = compiled(written, ceiling=ceiling)
    if not evaluate(policy_set, facts).allowed:
        return
    assert foothold(policy_set, facts).allowed
    if facts.subject.kind in ITEMS:
        listed = replace(facts, subject=replace(facts.subject, arguments=DEFERRED))
        assert item_visible(policy_set, listed)


@given(policies(), rules(effect="Deny"), FACTS, st.booleans())
def test_adding_a_deny_never_widens(
    written: tuple[Written, ...], deny: dict[str, object], facts: Facts, ceiling: bool
) -> None:
    more = (*written, Written(key="acme/more", rules=rules_of([{"name": "more", **deny}])))
    before, after = compiled(written, ceiling=ceiling), compiled(more, ceiling=ceiling)
    assert evaluate(before, facts).allowed >= evaluate(after, facts).allowed
    assert foothold(before, facts).allowed >= foothold(after, facts).allowed
    assert item_visible(before, facts) >= item_visible(after, facts)


@given(policies(), FACTS, st.booleans(), st.data())
def test_an_error_never_widens(
    written: tuple[Written, ...], facts: Facts, ceiling: bool, data: st.DataObject
) -> None:
    """A fact that goes missing, or a condition that breaks, allows nothing that was not."""
    before = evaluate(compiled(written, ceiling=ceiling), facts).allowed
    arguments: Any = {} if isinstance(facts.subject.arguments, Mapping) else UNKNOWN
    missing = replace(
        facts,
        subject=replace(facts.subject, arguments=arguments),
        caller=replace(facts.caller, groups=None, email=None),
    )
    assert before >= evaluate(compiled(written, ceiling=ceiling), missing).allowed
    broken = tuple(
        replace(
            policy,
            rules=[
                rule.model_copy(update={"condition": "1 / 0 == 1"}) if rule.condition else rule
                for rule in policy.rules
            ],
        )
        for policy in written
    )
    if facts.subject.kind is not Kind.HOUSEKEEPING:
        assert before >= evaluate(compiled(broken, ceiling=ceiling), facts).allowed


@given(policies(), FACTS, st.booleans())
def test_audit_never_changes_an_answer(
    written: tuple[Written, ...], facts: Facts, ceiling: bool
) -> None:
    whole, without = (
        compiled(written, ceiling=ceiling),
        compiled(enforced(written), ceiling=ceiling),
    )
    assert answer(evaluate(whole, facts)) == answer(evaluate(without, facts))
    assert answer(foothold(whole, facts)) == answer(foothold(without, facts))
    assert item_visible(whole, facts) is item_visible(without, facts)
    assert evaluate(without, facts).would == ()


@given(policies(), FACTS, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_policies_and_rules_is_irrelevant(
    written: tuple[Written, ...], facts: Facts, ceiling: bool, random: Random
) -> None:
    shuffled = [
        replace(policy, rules=random.sample(list(policy.rules), len(policy.rules)))
        for policy in random.sample(written, len(written))
    ]
    before = evaluate(compiled(written, ceiling=ceiling), facts)
    assert evaluate(compiled(shuffled, ceiling=ceiling), facts) == before


@settings(max_examples=300)
@given(st.lists(st.text("ab*", min_size=1, max_size=6), max_size=3), st.text("ab", max_size=7))
def test_globs_agree_with_a_naive_matcher(patterns: list[str], name: str) -> None:
    names = Names(patterns)
    assert names.match(name) is _one_of(patterns, name)
    assert names.match_any(frozenset({name})) is _one_of(patterns, name)


DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
CLOCKS = st.builds(
    lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.sampled_from([0, 15, 30])
)
SPANS = st.tuples(CLOCKS, CLOCKS).filter(lambda span: span[0] != span[1]).map("-".join)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
MOMENTS = st.one_of(
    st.integers(1_767_225_600, 1_800_000_000),
    # around the nights on which clocks change
    st.builds(
        lambda day, seconds: int(datetime(2026, day[0], day[1], tzinfo=UTC).timestamp()) + seconds,
        st.sampled_from([(3, 8), (3, 28), (4, 4), (10, 3), (10, 24), (11, 1)]),
        st.integers(0, 2 * 86_400),
    ),
)
WINDOWS = st.fixed_dictionaries(
    {"timeZone": st.sampled_from(ZONES)},
    optional={
        "days": st.lists(st.sampled_from([*DAYS, "Fri-Mon"]), min_size=1, max_size=3),
        "hours": st.lists(SPANS, min_size=1, max_size=2),
    },
)


@settings(max_examples=300)
@given(WINDOWS, MOMENTS)
def test_a_window_agrees_with_the_clock_on_the_wall(written: dict[str, object], now: int) -> None:
    when = When.model_validate(written)
    window, faults = compile_window(when, "")
    assert window is not None
    assert faults == []
    assert window.holds(now) is _on_the_wall(when, now)


def _on_the_wall(when: When, now: int) -> bool:
    local = datetime.fromtimestamp(now, ZoneInfo(when.time_zone))
    listed = [day for text in when.days or ("Mon-Sun",) for day in _days(text)]
    today, yesterday = DAYS[local.weekday()], DAYS[(local - timedelta(days=1)).weekday()]
    clock = local.strftime("%H:%M")
    for span in when.hours or ("00:00-24:00",):
        start, end = span.split("-")
        wraps = end <= start
        if today in listed and start <= clock and (wraps or clock < end):
            return True
        if wraps and yesterday in listed and clock < end:
            return True
    return False


def _days(text: str) -> list[str]:
    first, _, last = text.partition("-")
    start = DAYS.index(first)
    length = (DAYS.index(last or first) - start) % 7 + 1
    return [DAYS[(start + step) % 7] for step in range(length)]


@settings(max_examples=150, deadline=None)
@given(WINDOWS, MOMENTS, st.integers(0, 2**31))
def test_a_window_is_constant_up_to_its_next_edge(
    written: dict[str, object], now: int, seed: int
) -> None:
    window, _ = compile_window(When.model_validate(written), "")
    assert window is not None
    edge = window.next_edge(now)
    end = now + 8 * 86_400 if edge is None else edge
    assert end > now
    inside = [now + (end - now) * step / 97 for step in range(97)]
    inside += [end - 1, end - 0.001, now + seed % max(int(end - now), 1)]
    assert {window.holds(moment) for moment in inside if now <= moment < end} == {window.holds(now)}


@given(st.integers(1_767_225_600, 1_800_000_000))
def test_a_condition_on_the_clock_is_asked_again_soon(now: int) -> None:
    written = [
        {"name": "a", "effect": "Allow", "who": {"everyone": True}, "condition": "now > login.time"}
    ]
    edge = compiled([Written(key="acme/p", rules=rules_of(written))], ceiling=False).next_edge(now)
    assert edge is not None
    assert now < edge <= now + 60


def test_a_policy_without_times_has_no_edges() -> None:
    written = [{"name": "a", "effect": "Allow", "who": {"everyone": True}}]
    policy_set = compiled([Written(key="acme/p", rules=rules_of(written))], ceiling=False)
    assert policy_set.next_edge(0.0) is None
