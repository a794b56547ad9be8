"""The tree keeps the promises that the architecture document makes about it."""

import re
import subprocess
from pathlib import Path

import pytest

from ostiary_proxy.refused import CODES

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[Path]:
    """Return the files that git knows, or would know."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


def test_no_package_is_named_like_the_standard_module_operator() -> None:
    packages = [p for p in ROOT.rglob("operator/__init__.py") if ".venv" not in p.parts]

    assert packages == []


def test_all_tests_live_in_tests() -> None:
    stray = [
        path.relative_to(ROOT)
        for path in tracked()
        if re.fullmatch(r"(test_.*|.*_test|conftest)\.py", path.name)
        and path.relative_to(ROOT).parts[0] != "tests"
    ]

    assert stray == []


def test_test_folders_are_no_packages_and_test_names_are_unique() -> None:
    tests = [path for path in tracked() if path.is_relative_to(ROOT / "tests")]
    names = [path.name for path in tests if path.name.startswith("test_")]

    assert [path for path in tests if path.name == "__init__.py"] == []
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", ["", "-dev", "-build", "-demo", "-proxy", "-operator"])
def test_a_lock_file_names_no_host(name: str) -> None:
    assert re.findall(r"\w+://\S+", (ROOT / f"requirements{name}.lock").read_text()) == []


@pytest.mark.parametrize("name", ["", "-build", "-demo", "-proxy", "-operator"])
def test_every_lock_file_pins_what_development_pins(name: str) -> None:
    def pins(file: str) -> set[str]:
        return set(re.findall(r"^[\w.-]+==\S+", (ROOT / file).read_text(), re.MULTILINE))

    assert pins(f"requirements{name}.lock") - pins("requirements-dev.lock") == set()


def test_every_error_code_has_its_anchor_in_the_documentation() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    anchors = set(re.findall(r"^#+ (\w+)$", text, re.MULTILINE))

    assert set(CODES) - anchors == set()
    assert anchors - set(CODES) - {"Errors"} == set()


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py"
        and path.relative_to(ROOT).parts[0] in {"ostiary", "proxy", "cli"}
        and not path.read_text().lstrip().startswith(('"""', 'r"""'))
    ]

    assert silent == []
