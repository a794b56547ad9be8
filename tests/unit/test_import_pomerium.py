"""Another proxy's routes are taken as they are written, or refused with their place."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ostiary.decode.fault import Faulty
from ostiary_cli.import_pomerium import command, convert
from ostiary_cli.manifests import read_world

CASES = Path(__file__).parent / "import_cases"


def test_routes_become_the_three_kinds_and_the_secrets_to_create() -> None:
    ended = CliRunner().invoke(command, ["pomerium", str(CASES / "pomerium.in.yaml")])

    assert ended.output == (CASES / "pomerium.out.yaml").read_text()


def test_what_is_printed_reads_back_without_a_fault() -> None:
    values = {"GITHUB_CLIENT_ID": "id", "GITHUB_CLIENT_SECRET": "secret"}

    loaded = read_world(CASES / "pomerium.out.yaml", values)

    assert loaded.faults == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("routes: []", "routes"),
        ("routes:\n  - {from: 'https://a.example', to: 'http://b'}", "required field is missing"),
        (
            "routes:\n  - {from: 'https://a.example', to: 'http://b', mcp: {}, polcy: 1}",
            "unknown field",
        ),
        ("routes:\n  - {from: nowhere, to: 'http://b', mcp: {}}", "is not a URL"),
        (
            (
                "routes:\n  - {from: 'https://a.example', to: 'http://b', mcp: {}}\n"
                "  - {from: 'https://a.other', to: 'http://c', mcp: {}}"
            ),
            "a second 'a'",
        ),
        (
            (
                "routes:\n  - {from: 'https://a.example', to: 'http://b',"
                " mcp: {upstream_oauth2: {client_id: x}}}"
            ),
            "only GitHub's is known",
        ),
        ("a: 1\n---\nb: 2", "holds 2 documents"),
    ],
)
def test_what_can_not_be_taken_is_named(text: str, said: str) -> None:
    with pytest.raises(Faulty, match=said):
        convert(text.encode(), "routes.yaml", namespace="default", group="eng")
