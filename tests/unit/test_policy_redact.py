"""Redactions: what is found, where it is looked for, and that their order is irrelevant."""

import itertools
from typing import Any

import pytest

from ostiary.decode.json_text import write_json
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary.policy.redact import (
    Redaction,
    compile_redaction,
    redact_arguments,
    redact_result,
)
from ostiary.policy.rule import Redact


def redaction(**written: Any) -> Redaction:
    compiled, faults = compile_redaction(validate(Redact, written), "redact")
    assert compiled is not None, faults
    return compiled


CARD = redaction(pattern=r"\d{4}-\d{4}", replacement="[card]")
SECRET = redaction(paths=["customer.secret"], replacement="[secret]")


def text(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}]}


def test_a_pattern_is_replaced_wherever_text_stands_in_a_result() -> None:
    result: Any = {
        "content": [
            {"type": "text", "text": "pay 1234-5678 and 8765-4321."},
            {"type": "resource", "resource": {"uri": "x:1234-5678", "text": "1234-5678"}},
            {"type": "resource_link", "uri": "x:y", "description": "of 1234-5678"},
        ],
        "structuredContent": {"list": [{"note": "1234-5678"}], "of 1234-5678": 1},
        "_meta": {"trace": "1234-5678"},
    }
    assert redact_result(result, [CARD]) == {
        "content": [
            {"type": "text", "text": "pay [card] and [card]."},
            {"type": "resource", "resource": {"uri": "x:[card]", "text": "[card]"}},
            {"type": "resource_link", "uri": "x:y", "description": "of [card]"},
        ],
        "structuredContent": {"list": [{"note": "[card]"}], "of [card]": 1},
        "_meta": {"trace": "[card]"},
    }


def test_prompts_resources_and_errors_are_screened_too() -> None:
    said: Any = {"role": "user", "content": {"type": "text", "text": "1234-5678"}}
    clean = {"role": "user", "content": {"type": "text", "text": "[card]"}}
    assert redact_result({"messages": [said]}, [CARD]) == {"messages": [clean]}
    read: Any = {"contents": [{"uri": "file:///a", "text": "1234-5678"}]}
    assert redact_result(read, [CARD]) == {"contents": [{"uri": "file:///a", "text": "[card]"}]}
    error: Any = {"code": -32000, "message": "no 1234-5678", "data": "1234-5678"}
    assert redact_result(error, [CARD]) == {
        "code": -32000,
        "message": "no [card]",
        "data": "[card]",
    }


def test_words_of_the_protocol_and_binary_data_stay() -> None:
    everything = redaction(pattern=".+", replacement="x")
    result: Any = {
        "content": [
            {"type": "text", "text": "secret"},
            {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "a:b", "blob": "aGVsbG8="}},
        ],
        "isError": False,
    }
    assert redact_result(result, [everything]) == {
        "content": [
            {"type": "text", "text": "x"},
            {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "x", "blob": "aGVsbG8="}},
        ],
        "isError": False,
    }


def test_a_secret_can_not_hide_where_the_protocol_has_fixed_words() -> None:
    result: Any = {"content": [{"type": "1234-5678", "role": "1234-5678", "data": "1234-5678"}]}
    assert redact_result(result, [CARD]) == {
        "content": [{"type": "[card]", "role": "[card]", "data": "[card]"}]
    }


def test_numbers_are_searched_as_they_were_written() -> None:
    number = redaction(pattern=r"^\d{9}$|\.50", replacement="[number]")
    result = read_json(
        b'{"structuredContent":{"ssn":123456789,"price":1.50,"same":1.5,"n":7,"no":true}}'
    )
    assert write_json(redact_result(result, [number])) == (
        b'{"structuredContent":{"ssn":"[number]","price":"1[number]","same":1.5,"n":7,"no":true}}'
    )


def test_what_changes_nothing_returns_the_same_object() -> None:
    result = text("nothing here") | {"structuredContent": {"a": [1, {"b": 1.5}]}}
    assert redact_result(result, [CARD, SECRET]) is result
    assert redact_result(result, []) is result
    assert redact_arguments(result, [CARD]) is result


def test_arguments_and_results_have_redactions_of_their_own() -> None:
    ours = redaction(**{"in": "Arguments"}, pattern="secret", replacement="-")
    assert redact_arguments({"a": ["my secret"]}, [ours, CARD]) == {"a": ["my -"]}
    unchanged = text("my secret")
    assert redact_result(unchanged, [ours]) is unchanged


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("customer.secret", {"customer": {"secret": "[x]", "name": "n"}, "list": [{"s": 1}, 2]}),
        ("customer", {"customer": "[x]", "list": [{"s": 1}, 2]}),
        ("*.secret", {"customer": {"secret": "[x]", "name": "n"}, "list": [{"s": 1}, 2]}),
        ("list.*.s", {"customer": {"secret": [3], "name": "n"}, "list": [{"s": "[x]"}, 2]}),
        ("list.1", {"customer": {"secret": [3], "name": "n"}, "list": [{"s": 1}, "[x]"]}),
        ("list.*", {"customer": {"secret": [3], "name": "n"}, "list": ["[x]", "[x]"]}),
        ("nobody.there", {"customer": {"secret": [3], "name": "n"}, "list": [{"s": 1}, 2]}),
    ],
)
def test_a_path_replaces_the_whole_value(path: str, expected: dict[str, Any]) -> None:
    value: Any = {"customer": {"secret": [3], "name": "n"}, "list": [{"s": 1}, 2]}
    there = redaction(paths=[path], replacement="[x]")
    assert redact_result({"structuredContent": value}, [there]) == {"structuredContent": expected}
    here = redaction(**{"in": "Arguments"}, paths=[path], replacement="[x]")
    assert redact_arguments(value, [here]) == expected


def test_a_path_reaches_the_copy_of_the_structure_that_stands_as_text() -> None:
    result = text(' {"customer": {"secret": "s3cr3t", "price": 1.50}}') | {
        "structuredContent": {"customer": {"secret": "s3cr3t", "price": 1.5}}
    }
    assert redact_result(result, [SECRET]) == text(
        '{"customer":{"secret":"[secret]","price":1.50}}'
    ) | {"structuredContent": {"customer": {"secret": "[secret]", "price": 1.5}}}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"customer":{"secret":"a"},"customer":{"secret":"b"}}', "[secret]"),
        ('{"customer":{"secret":"a"}} trailing', "[secret]"),
        ('{"customer":{"secret":NaN}}', "[secret]"),
        ('[{"customer":', "[secret]"),
        (f'[1,{",".join(["{}"] * 130_000)},{{"customer":{{"secret":"a"}}}}]', "[secret]"),
        ("[INFO] started", "[INFO] started"),
        ("{braces} in prose", "{braces} in prose"),
        ("[]", "[]"),
    ],
)
def test_a_text_that_may_be_the_structure_is_never_let_through_unread(
    written: str, expected: str
) -> None:
    assert redact_result(text(written), [SECRET]) == text(expected)


def test_overlapping_finds_become_one_whatever_their_order() -> None:
    rules = [
        redaction(pattern="abc", replacement="[1]"),
        redaction(pattern="bcd", replacement="[2]"),
        redaction(pattern="cd+", replacement="[3]"),
        redaction(pattern="a", replacement="[4]"),
        redaction(pattern="x*", replacement="[5]"),
    ]
    results = [redact_result(text("-abcddd-xx-a"), list(p)) for p in itertools.permutations(rules)]
    assert results == [text("-[1]-[5]-[4]")] * len(results)


def test_nested_paths_and_patterns_are_joined_whatever_their_order() -> None:
    rules = [
        redaction(paths=["a"], replacement="[outer]"),
        redaction(paths=["a.b"], replacement="[inner]"),
        redaction(paths=["c"], replacement="[z]"),
        redaction(paths=["c"], replacement="[y]"),
        redaction(pattern="outer|secret", replacement="[found]"),
    ]
    value: Any = {"structuredContent": {"a": {"b": "secret"}, "c": 1, "d": "secret"}}
    expected: Any = {"structuredContent": {"a": "[outer]", "c": "[y]", "d": "[found]"}}
    results = [redact_result(value, list(order)) for order in itertools.permutations(rules)]
    assert results == [expected] * len(results)


def test_keys_that_become_equal_lose_no_value() -> None:
    value: Any = {"structuredContent": {"1234-5678": 1, "8765-4321": 2, "[card]": 3}}
    assert redact_result(value, [CARD]) == {
        "structuredContent": {"[card]": 1, "[card]'1": 2, "[card]'2": 3}
    }


def test_a_replacement_is_taken_as_it_is_written() -> None:
    literal = redaction(pattern=r"(s)ecret", replacement=r"\1 \g<0> $1")
    assert redact_result(text("a secret"), [literal]) == text(r"a \1 \g<0> $1")


def test_offsets_are_those_of_characters() -> None:
    assert redact_result(text("é🦊 1234-5678 ü 1234-5678"), [CARD]) == text("é🦊 [card] ü [card]")


def test_a_nested_quantifier_takes_linear_time() -> None:
    slow = redaction(pattern="(a+)+$", replacement="-")
    long = "a" * 50_000 + "!"
    assert redact_result(text(long), [slow]) == text(long)


@pytest.mark.parametrize(
    ("written", "path", "complaint"),
    [
        ({}, "redact", "needs a pattern or paths"),
        ({"paths": []}, "redact", "needs a pattern or paths"),
        ({"pattern": "(a"}, "redact.pattern", "is not an RE2 pattern: missing ): (a"),
        ({"pattern": r"(a)\1"}, "redact.pattern", "is not an RE2 pattern: invalid escape"),
        ({"pattern": "((a{1,100}){1,100}){1,100}"}, "redact.pattern", "is not an RE2 pattern"),
        ({"paths": ["a", "a..b"]}, "redact.paths[1]", "has an empty step"),
    ],
)
def test_a_redaction_that_can_not_work_is_a_fault(
    written: dict[str, Any], path: str, complaint: str
) -> None:
    compiled, faults = compile_redaction(validate(Redact, written), "redact")
    assert compiled is None
    assert [(fault.path, complaint in fault.message) for fault in faults] == [(path, True)]


def test_after_very_many_finds_a_text_gives_way_whole_and_others_are_screened_on() -> None:
    many, some = text("1234-5678 " * 50_000), text("pay 1234-5678 now")
    more = text("1234-5678 and on")["content"] + text("nothing here")["content"]

    assert redact_result(many, [CARD]) == text("[card] " * 50_000)
    assert redact_result(text(f"{'1234-5678 ' * 50_000}1234-5678"), [CARD]) == text("[card]")
    assert redact_result({"content": [*many["content"], *some["content"], *more]}, [CARD]) == {
        "content": [
            *text("[card] " * 50_000)["content"], *text("[card]")["content"],
            *text("[card]")["content"], *text("nothing here")["content"],
        ]
    }  # fmt: skip
