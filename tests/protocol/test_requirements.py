"""The manifest and the tests agree in both directions; every rule is held or a named gap."""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from ostiary_proxy.refused import CODES
from protocol import (
    requirements,
    requirements_newer,
    requirements_oauth,
    requirements_older,
)

TESTS = Path(__file__).parent.parent
HELD = {
    **requirements.HELD,
    **requirements_newer.HELD,
    **requirements_oauth.HELD,
    **requirements_older.HELD,
}
GAPS = requirements_oauth.GAPS
NUMBERS = [*(str(number) for number in range(1, 151)), *(f"P{n}" for n in range(1, 26))]


def functions(files: Iterable[Path]) -> set[str]:
    trees = (ast.parse(path.read_text()) for path in files)
    nodes = (node for tree in trees for node in tree.body)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {n.name for n in nodes if isinstance(n, kinds) and n.name.startswith("test_")}


def test_every_test_that_a_requirement_names_exists() -> None:
    named = {name for _, names in HELD.values() for name in names}

    assert named - functions(TESTS.rglob("test_*.py")) == set()


def test_every_protocol_test_holds_a_requirement() -> None:
    named = {name for _, names in HELD.values() for name in names}
    meta = functions([Path(__file__)])

    assert functions(TESTS.glob("protocol/test_*.py")) - meta - named == set()


@pytest.mark.parametrize("number", NUMBERS)
def test_every_rule_and_pitfall_is_held_or_a_named_gap(number: str) -> None:
    assert (number in HELD) != (number in GAPS)


def test_no_rule_is_held_by_nothing() -> None:
    assert [number for number, (_, names) in HELD.items() if not names] == []


def test_codes_of_our_own_lie_outside_the_reserved_range() -> None:
    standard = {-32700, -32600, -32601, -32602, -32020, -32021, -32022}
    codes = {name: code.rpc for name, code in CODES.items()}
    only_2025_11_25 = codes.pop("UrlElicitationRequired")

    assert only_2025_11_25 == -32042
    assert all(code in standard or not -32768 <= code <= -32000 for code in codes.values())
