"""Every case file: policies, facts and the whole verdict, or rules and all their faults."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ostiary.decode.fault import Faulty
from ostiary.decode.yaml_documents import read_documents
from ostiary.policy.check import check
from ostiary.policy.evaluate import evaluate, foothold, item_visible
from policy_parts import facts_of, policy_of, policy_set, rules_of, shown

CASES = Path(__file__).parent / "cases"
ASKED = ("verdict", "foothold", "visible", "faults")


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(CASES.rglob("*.yaml")):
        for document in read_documents(path.read_bytes(), path.name):
            assert isinstance(document.value, dict)
            yield path.stem, document.value


def _cases() -> Iterator[Any]:
    for file, document in _documents():
        shared = {name: value for name, value in document.items() if name != "cases"}
        for claim, case in document["cases"].items():
            yield pytest.param({**shared, **case}, id=f"{file}: {claim}")


@pytest.mark.parametrize("case", list(_cases()))
def test_a_case_comes_out_as_written(case: dict[str, Any]) -> None:
    known = {"policies", "ceiling", "facts", "rules", *ASKED}
    assert not case.keys() - known
    assert _outcome(case) == {name: case[name] for name in ASKED if name in case}


def _outcome(case: dict[str, Any]) -> dict[str, Any]:
    if "faults" in case:
        return {"faults": _faults(case["rules"])}
    policies = policy_set(case["policies"], ceiling=case.get("ceiling", False))
    facts = facts_of(case["facts"])
    outcome = {
        "verdict": lambda: shown(evaluate(policies, facts)),
        "foothold": lambda: shown(foothold(policies, facts)),
        "visible": lambda: item_visible(policies, facts),
    }
    return {name: asked() for name, asked in outcome.items() if name in case}


def _faults(written: list[dict[str, Any]]) -> dict[str, str]:
    try:
        check(rules_of(written))
    except Faulty as error:
        return {fault.path: fault.message for fault in error.faults}
    return {}


def test_every_file_of_the_folder_is_read() -> None:
    files = {path for path in CASES.rglob("*") if path.is_file()}
    assert {path.stem for path in files} == {file for file, _ in _documents()}
    assert {path.suffix for path in files} == {".yaml"}


def test_every_case_asks_something() -> None:
    silent = [param.id for param in _cases() if not param.values[0].keys() & set(ASKED)]
    assert silent == []


def test_policies_that_cases_share_compile() -> None:
    for _, document in _documents():
        for policy in document.get("policies", []):
            check(policy_of(policy).rules)
