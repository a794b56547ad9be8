"""The manifest and the tests agree in both directions; every rule is held or a named gap."""

import ast
from pathlib import Path

from ostiary_proxy.refused import CODES
from requirements_parts import GAPS, HELD

TESTS = Path(__file__).parent.parent
FILES = (*TESTS.glob("protocol/test_*.py"), *TESTS.glob("security/test_mcp*.py"))


def functions(files):
    trees = (ast.parse(path.read_text()) for path in files)
    nodes = (node for tree in trees for node in tree.body)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {n.name for n in nodes if isinstance(n, kinds) and n.name.startswith("test_")}


def test_every_test_that_a_requirement_names_exists():
    named = {name for _, names in HELD.values() for name in names}

    assert named - functions(FILES) == set()


def test_every_protocol_test_holds_a_requirement():
    named = {name for _, names in HELD.values() for name in names}
    others = [path for path in FILES if path.parent.name == "protocol"]
    meta = functions([Path(__file__)])

    assert functions(others) - meta - named == set()


def test_every_rule_of_the_transport_is_held_or_a_named_gap():
    numbers = {str(number) for number in range(1, 55)}

    assert numbers - HELD.keys() == GAPS.keys() & numbers
    assert HELD.keys() & GAPS.keys() == set()


def test_codes_of_our_own_lie_outside_the_reserved_range():
    standard = {-32700, -32600, -32601, -32602, -32020, -32021, -32022}

    assert all(code.rpc in standard or not -32768 <= code.rpc <= -32000 for code in CODES.values())
