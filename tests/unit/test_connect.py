"""`ostiary connect` prints what to paste."""

import pytest
from click.testing import CliRunner

from ostiary_cli.connect import command, label

URL = "http://127.0.0.1:8080/demo/files"


def test_it_prints_a_snippet_for_each_client() -> None:
    said = CliRunner().invoke(command, [URL])

    assert said.exit_code == 0
    assert f"claude mcp add --transport http files {URL}" in said.output
    for client in ("Claude Code", "VS Code", "Cursor"):
        assert client in said.output


def test_it_refuses_what_is_no_url() -> None:
    said = CliRunner().invoke(command, ["demo/files"])

    assert said.exit_code == 2
    assert "give the route's URL" in said.output


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (URL, "files"),
        ("https://github-mcp.example.com", "github-mcp"),
        ("https://github-mcp.example.com/", "github-mcp"),
        ("https://a.example/x%20y/z;w", "z-w"),
    ],
)
def test_the_label_comes_from_the_url(url: str, name: str) -> None:
    assert label(url) == name
