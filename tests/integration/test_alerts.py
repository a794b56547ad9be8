"""The alerts of manifests/monitoring, by Prometheus' own tool: each fires, with a reason only."""

import shutil
import subprocess
from pathlib import Path

import pytest

from ostiary_cli.yaml_text import write_documents
from real_parts import ROOT, require
from rendered_parts import documents

TRIED = Path(__file__).parent / "alerts.test.yaml"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rules as a Prometheus without its operator reads them."""
    require(shutil.which("promtool") is not None, "promtool")
    (alerts,) = documents(ROOT / "manifests" / "monitoring" / "alerts.yaml")
    file = tmp_path / "rules.yaml"
    file.write_text(write_documents([alerts["spec"]]))
    return file


def promtool(*arguments: str) -> str:
    ended = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_prometheus_takes_the_rules(rules: Path) -> None:
    assert "SUCCESS" in promtool("check", "rules", str(rules))


def test_alerts_fire_with_a_reason_and_not_without(rules: Path) -> None:
    tried = rules.with_name(TRIED.name)
    shutil.copy(TRIED, tried)

    assert "SUCCESS" in promtool("test", "rules", str(tried))


def test_every_alert_is_tried_both_ways(rules: Path) -> None:
    (described,), (tried,) = documents(rules), documents(TRIED)
    names = {rule["alert"] for group in described["groups"] for rule in group["rules"]}
    cases = [case for test in tried["tests"] for case in test["alert_rule_test"]]

    for fires in (True, False):
        assert {c["alertname"] for c in cases if bool(c["exp_alerts"]) is fires} == names
