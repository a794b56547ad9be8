"""`make demo-kind` tells the truth, in a cluster that KUBECONFIG names, and leaves it as it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.cluster.layout import ROOT
from e2e.kubectl import eventually, whole_cluster


def demo(*options: str, stdin: str = "") -> tuple[int, str]:
    """Run the demo; return its exit code and what it says."""
    ended = subprocess.run(
        [sys.executable, "-m", "e2e.demo_kind", *options],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
    )
    return ended.returncode, ended.stdout


@pytest.mark.timeout(500)
def test_every_claim_of_the_demo_holds_and_the_cluster_is_left_as_it_was(
    empty_cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(empty_cluster))
    before = whole_cluster()

    refused, asked = demo(stdin="n\n")
    untouched = whole_cluster()
    code, said = demo("--yes")

    assert (refused, untouched) == (1, before)
    assert "The demo installs Ostiary into the cluster" in asked
    assert code == 0, said
    assert said.count("✓") == 24
    assert "24 claims held, 0 failed" in said
    eventually(whole_cluster, before.__eq__)  # a volume goes after its claim
