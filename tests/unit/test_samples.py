"""Every sample is checked and rendered, and is good for kubectl apply."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ostiary_cli.main import main
from ostiary_cli.yaml_text import write_documents
from sample_parts import GATEWAY, SAMPLES, SECRETS, Sample, samples

NAMES = pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
WHOLE = re.compile(r"(#.*\n)*apiVersion: \S+\nkind: \w+\nmetadata:\n  name: \S+\n")


@NAMES
def test_a_sample_is_good_and_can_be_rendered(sample: Sample, tmp_path: Path) -> None:
    for part in (sample,) if sample.brings_gateway else (GATEWAY, sample):
        (tmp_path / part.path.name).write_text(part.path.read_text())
    (tmp_path / "secrets.yaml").write_text(write_documents(SECRETS))
    checked = CliRunner().invoke(main, ["check", "-f", str(tmp_path)])
    rendered = CliRunner().invoke(main, ["render", "-f", str(tmp_path)])

    assert (checked.exit_code, checked.stdout) == (0, "")
    assert rendered.exit_code == 0, rendered.stderr
    assert "kind: Deployment\n" in rendered.stdout
    assert "status: 'False'" not in rendered.stdout


@NAMES
def test_a_sample_can_be_applied_and_is_in_the_list(sample: Sample) -> None:
    documents = sample.path.read_text().split("---\n")

    assert [document for document in documents if not WHOLE.match(document)] == []
    assert f"[{sample.name}]({sample.path.name})" in (SAMPLES / "README.md").read_text()


@NAMES
def test_every_claim_of_a_header_can_be_read(sample: Sample) -> None:
    lines = re.findall(r"^#   \w+ \(.*$", sample.path.read_text(), re.MULTILINE)

    assert len(sample.claims()) == len(lines) > 1


def test_a_host_of_another_team_is_not_granted(tmp_path: Path) -> None:
    text = (SAMPLES / "listeners.yaml").read_text()
    (tmp_path / "a.yaml").write_text(text.replace("wiki.shared.mcp", "wiki.a.mcp"))

    assert "grants the host wiki.a.mcp.example.com to namespace team-b" in (
        CliRunner().invoke(main, ["check", "-f", str(tmp_path)]).stdout
    )
