"""Conditions: what CEL takes, what is unknown, and the traps of its evaluator."""

import json
from typing import Any

import pytest

from ostiary.policy.expression import MAX_NODES, Expression, ExpressionFaulty
from ostiary.policy.facts import Facts
from ostiary.policy.verdict import ClauseValue
from policy_parts import facts_of

TRUE, FALSE = ClauseValue.TRUE, ClauseValue.FALSE
UNKNOWN, DEFERRED = ClauseValue.UNKNOWN, ClauseValue.DEFERRED


def value(text: str, **written: Any) -> ClauseValue:
    return Expression(text).evaluate(facts_of(written))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("args.repo.startsWith('acme/')", TRUE),
        ("args.repo.startsWith('other/')", FALSE),
        ("args.ratio == 1.5", TRUE),
        ("args.ratio > 1.0 && args.ratio < 2.0", TRUE),
        ("args.whole == 3", TRUE),
        ("args.list.all(n, n > 0)", TRUE),
        ("args.list.exists(n, n == 7)", FALSE),
        ("has(args.repo) && !has(args.force)", TRUE),
        ("args.?force.orValue(false) == false", TRUE),
        ("args.nested.deep[0].leaf == null", TRUE),
        ("args.repo.matches('^acme/[a-z]+$')", TRUE),
        ("tool == 'read_file' && name == tool && method == 'tools/call'", TRUE),
        ("prompt == 'x' || tool == 'read_file'", TRUE),
        ("'engineers' in user.groups", TRUE),
        ("user.email.endsWith('@acme.example')", TRUE),
        ("user.sub == 'u-1' && user.iss == 'https://idp.example'", TRUE),
        ("client.id == 'c-1' && route.namespace == 'acme' && route.name == 'files'", TRUE),
        ("source == '10.1.2.3' && login.source == '203.0.113.9'", TRUE),
        ("now.getHours('Europe/Berlin') == 11", TRUE),
        ("now < timestamp('2026-11-24T10:00:01Z')", TRUE),
        ("now - login.time < duration('1h')", UNKNOWN),
    ],
)
def test_a_condition_reads_the_facts(text: str, expected: ClauseValue) -> None:
    args = {
        "repo": "acme/x",
        "ratio": 1.5,
        "whole": 3,
        "list": [1, 2, 3],
        "nested": {"deep": [{"leaf": None}]},
    }
    assert value(text, args=args) is expected


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("args.missing == 1", {}),
        ("args.a == 'x'", {"args": {"a": "x\0y"}}),
        ("args.a.b[0] == 'x'", {"args": {"a": {"b": ["x\0y"]}}}),
        ("has(args.force)", {"args": {"force\0": 1}}),
        ("args.a.b == 1", {"args": {"a": {"b\0": 1}}}),
        ("tool == 'x'", {"tool": "x\0y"}),
        ("user.email == 'a@x'", {"email": "a@x\0y"}),
        ("'a' in user.groups", {"groups": ["a\0b"]}),
        ("path(args.a) == 'x'", {"args": {"a": "x\0y"}}),
        ("args.repo == 1 && args.repo.startsWith('a')", {"args": {"repo": 1}}),
        ("1 / size(args) == 1", {}),
        ("args.big > 1", {"args": {"big": 2**70}}),
        ("args.repo", {"args": {"repo": "any text is truthy"}}),
        ("args.number", {"args": {"number": 1}}),
        ("args.list", {"args": {"list": [True]}}),
        ("args.list[3] == 1", {"args": {"list": [1]}}),
        ("args.text.matches(args.pattern)", {"args": {"text": "x", "pattern": "(" * 40}}),
        ("user.email == 'ann@acme.example'", {"email": None}),
        ("'a' in user.groups", {"groups": None}),
        ("client.host == 'claude.ai'", {}),
        ("source == '10.0.0.1'", {"source": None}),
        ("user.claims.dept == 'x'", {}),
        ("prompt == 'x'", {}),
        ("args.x == 1", {"resource": "file:///a"}),
        ("!(user.email == 'x')", {"email": None}),
    ],
)
def test_an_error_or_a_missing_fact_is_unknown(text: str, written: dict[str, Any]) -> None:
    assert value(text, **written) is UNKNOWN


def test_a_true_side_outweighs_an_unknown_one_as_in_kleene() -> None:
    assert value("user.email == 'x' || true", email=None) is TRUE
    assert value("user.email == 'x' && false", email=None) is FALSE
    assert value("user.email == 'x' && true", email=None) is UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        "args.list.all(a, args.list.all(b, a + b >= 0))",
        "args.list.all(a, args.list.all(b, args.list.all(c, a + b + c >= 0)))",
    ],
)
def test_a_used_up_budget_is_unknown(text: str) -> None:
    assert value(text, args={"list": list(range(500))}) is UNKNOWN


def test_more_values_than_are_looked_at_are_unknown() -> None:
    assert value("size(args.list) > 0", args={"list": [0] * (MAX_NODES - 1)}) is TRUE
    assert value("size(args.list) > 0", args={"list": [0] * MAX_NODES}) is UNKNOWN
    assert value("tool == 'read_file'", args={"list": [0] * MAX_NODES}) is TRUE


@pytest.mark.parametrize(
    "text",
    [
        "args.list.all(a, !args.text.matches('(x|y)*z'))",
        "args.list.all(a, a in args.list)",
        "args.list.exists_one (a, args.list == args.list)",
        "args.list.all // why\n (a, args.text + args.text != '')",
    ],
)
def test_turns_that_would_each_take_long_are_unknown(text: str) -> None:
    assert value(text, args={"list": list(range(5_000)), "text": "x" * 500_000}) is UNKNOWN
    assert value(text, args={"list": [], "text": "x" * 50_000}) is not UNKNOWN


def test_a_short_list_may_stand_beside_a_long_text() -> None:
    condition = "args.paths.all(p, p.startsWith('acme/')) && !args.text.contains('secret')"
    written = {"paths": [f"acme/{n}" for n in range(20)], "text": "x" * 1_000_000}
    assert value(condition, args=written) is TRUE


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tool ==", "line 1, column 8: Syntax error"),
        ("tool == 'a' &&\n  user.emial == 'x'", "line 2, column 7: undeclared reference"),
        ("tool == 3", "line 1, column 6: found no matching overload"),
        ("tool", "yields string, a condition must yield a boolean"),
        ("has(user.email)", "yields string, a condition must yield a boolean"),
        ("size(args)", "yields int, a condition must yield a boolean"),
        ("args.list.map(x, x) == []", "map() is not offered"),
        ("args.list.filter // why\n (x, x > 0) == []", "filter() is not offered"),
        ("cel.bind(a, tool, a == tool)", "undeclared reference to 'cel'"),
        ("tool.replace('a', 'aa') == ''", "undeclared reference to 'replace'"),
        ("a" * 2000, "undeclared reference"),
        ("(" * 1000 + "true" + ")" * 1000, ""),
        ("[" * 900 + "]" * 900 + " == []", ""),
        ("\x00", "Syntax error"),
        ("", "Syntax error"),
    ],
)
def test_what_is_no_condition_says_where(text: str, complaint: str) -> None:
    with pytest.raises(ExpressionFaulty) as raised:
        Expression(text)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("text", "arguments", "item", "now"),
    [
        ("args.x == 1", True, True, False),
        ("args . x == 1", True, True, False),
        ("[1].all(args, args > 0)", False, False, False),
        ("[1].all(tool, tool > 0) && size(args) > 0", True, True, False),
        ("'args' == tool", False, True, False),
        ("method == 'tools/call'", False, False, False),
        ("user.claims.args == 1", False, False, False),
        ("now > timestamp(0)", False, False, True),
    ],
)
def test_what_a_condition_reads_is_known_when_it_is_compiled(
    text: str,
    arguments: bool,
    item: bool,
    now: bool,
) -> None:
    compiled = Expression(text)
    read = (compiled.reads_arguments, compiled.reads_item, compiled.reads_now)
    assert read == (arguments, item, now)


def test_a_condition_on_arguments_is_deferred_while_a_list_is_filtered() -> None:
    assert value("args.x == 1", args="deferred") is DEFERRED
    assert value("args.x == 1 || true", args="deferred") is DEFERRED
    assert value("tool == 'read_file'", args="deferred") is TRUE


def test_a_condition_on_an_item_is_deferred_for_housekeeping() -> None:
    assert value("tool == 'x'", housekeeping="tools/list") is DEFERRED
    assert value("has(args.x)", housekeeping="ping") is DEFERRED
    assert value("method == 'tools/list'", housekeeping="tools/list") is TRUE


def test_numbers_with_a_lexeme_of_their_own_are_plain_numbers_to_cel() -> None:
    written = json.loads('{"e": 15e-1, "minus": -0.0}')
    assert value("args.e == 1.5 && args.minus == 0.0", args=written) is TRUE


def test_the_facts_are_not_changed_by_a_condition() -> None:
    facts: Facts = facts_of({"args": {"l": [1.5]}})
    before = repr(facts)
    Expression("args.l == [1.5]").evaluate(facts)
    assert repr(facts) == before
