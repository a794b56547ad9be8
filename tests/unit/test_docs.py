"""Nothing that users meet is undocumented: fields, conditions, reasons, commands, variables."""

import re
from pathlib import Path

import pytest

from ostiary.decode.fault import Faulty
from ostiary.decode.yaml_documents import read_documents
from ostiary.policy.check import check
from ostiary.resources.crd import crd
from ostiary.resources.manifest import Kind, Manifest, read_manifest, read_resource
from ostiary.resources.policy import MCPPolicy
from ostiary.translate.problem import Condition, Reason
from ostiary_cli.help_text import command_names
from ostiary_cli.reference import PAGES, fields_on
from ostiary_operator.main import main as operator
from ostiary_proxy.main import main as proxy
from real_parts import ROOT
from transcript_parts import blocks_of

DOCS = ROOT / "docs"
CODE = [ROOT / name for name in ("ostiary", "operator", "proxy", "cli")]


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text()


def headings(text: str) -> list[str]:
    return re.findall(r"^#{2,3} (.+)$", text, re.MULTILINE)


def reasons(text: str) -> set[str]:
    return set(re.findall(r"^\| `([A-Z]\w+)` \|", text, re.MULTILINE))


def said_of(kind: Kind) -> set[tuple[str, str]]:
    """Return each condition and reason that a golden case shows for a kind."""
    cases = (ROOT / "tests" / "translation" / "cases").glob("*.out.yaml")
    return {
        said
        for case in cases
        for status in re.findall(rf"^{kind}/.*\n((?:  .*\n)*)", case.read_text(), re.MULTILINE)
        for said in re.findall(r"- '?(\w+)=\w+ (\w+) @", status)
    }


@pytest.mark.parametrize(("name", "kind"), PAGES.items())
def test_every_field_has_its_heading_and_its_table(name: str, kind: Kind) -> None:
    text = page(name)
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    fields = [f"spec.{field}" for field in schema["properties"]["spec"]["properties"]]
    tables = [path for path in fields_on(text) if path != "status"]

    assert [path for path in tables if "." not in path.removeprefix("spec.")] == fields
    assert [heading for heading in headings(text) if heading.startswith("spec.")] == tables
    assert "status" in fields_on(text)


@pytest.mark.parametrize(("name", "kind"), PAGES.items())
def test_every_condition_has_its_heading_and_every_reason_its_row(name: str, kind: Kind) -> None:
    text = page(name)
    said = said_of(kind)

    assert {condition for condition, _ in said} - set(headings(text)) == set()
    assert {reason for _, reason in said} - reasons(text) == set()


def test_every_condition_and_reason_that_there_is_is_documented_and_no_other() -> None:
    texts = "".join(map(page, PAGES))
    documented = {heading for heading in headings(texts) if re.fullmatch("[A-Z][A-Za-z]+", heading)}

    assert documented - {"Status"} == set(Condition)
    assert reasons(texts) == set(Reason)


def test_every_command_has_its_heading_and_its_help() -> None:
    text = page("cli.md")
    helped = re.findall(r"^<!-- help (.+) -->$", text, re.MULTILINE)

    assert sorted(helped) == sorted(command_names())
    assert set(helped) - set(headings(text)) == set()


def test_every_variable_of_the_environment_is_documented() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z_]+[A-Z])", page("cli.md")))
    prefixes = {"OSTIARY": proxy, "OSTIARY_OPERATOR": operator}
    options = {
        f"{prefix}_{option.name}".upper()
        for prefix, command in prefixes.items()
        for option in command.params
    }
    named = (
        r"""(?:environ(?:\.get\(|\[)|environment\.get\(|envvar=)"([A-Z_]+)"|"(OSTIARY_[A-Z_]+)\""""
    )
    files = [path for folder in CODE for path in folder.rglob("*.py") if "demo" not in path.parts]
    read = {"".join(names) for path in files for names in re.findall(named, path.read_text())}

    assert read - options - documented - set(prefixes) == set()


PLACES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("path", PLACES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub("`[^`\n]*`", "", path.read_text()))
    inside = [link.partition("#") for link in links if "://" not in link]

    assert [f"{to}#{anchor}" for to, _, anchor in inside if not leads(path, to, anchor)] == []


@pytest.mark.parametrize("path", PLACES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_object_that_a_page_shows_is_good(path: Path) -> None:
    shown = [block.text for block in blocks_of(path) if "\nkind: MCP" in block.text]
    manifests = [
        read_manifest(document.value)
        for text in shown
        for document in read_documents(text.encode(), path.name)
    ]

    assert [fault for item in manifests for fault in faults(item)] == []


def faults(manifest: Manifest) -> list[str]:
    try:
        resource = read_resource(manifest)
        if isinstance(resource, MCPPolicy):
            check(resource.spec.rules, "spec.rules")
    except Faulty as faulty:
        return [str(fault) for fault in faulty.faults]
    return []


@pytest.mark.parametrize("name", ["architecture.md", "threat-model.md"])
def test_every_path_that_a_page_names_is_there(name: str) -> None:
    named = re.findall(
        r"`((?:cli|crds|docs|manifests|operator|ostiary|proxy|tests)/[\w./-]+)`",
        (DOCS / name).read_text(),
    )

    assert [path for path in named if not (ROOT / path).exists()] == []


def test_decisions_are_numbered_one_after_the_other() -> None:
    titles = [path.read_text().partition("\n")[0] for path in sorted((DOCS / "adr").glob("*.md"))]
    numbers = [int(path.name[:4]) for path in sorted((DOCS / "adr").glob("*.md"))]

    assert numbers == list(range(1, len(numbers) + 1))
    assert [int(re.findall(r"^# (\d+)\. ", title)[0]) for title in titles] == numbers


def leads(path: Path, to: str, anchor: str) -> bool:
    target = (path.parent / to).resolve() if to else path
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
