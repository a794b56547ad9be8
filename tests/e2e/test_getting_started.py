"""Whoever follows docs/getting-started-kubernetes.md gets there, and leaves nothing behind."""

from pathlib import Path

import pytest

from e2e.cluster.layout import ROOT
from e2e.kubectl import eventually, whole_cluster
from ostiary_cli.demo.stage import free
from transcript_parts import run_page


@pytest.mark.timeout(600)
def test_a_newcomer_installs_shares_a_gateway_and_takes_all_away_again(
    empty_cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(empty_cluster))
    (tmp_path / "manifests").symlink_to(ROOT / "manifests")
    before = whole_cluster()

    port = free_pair()
    page = ROOT / "docs" / "getting-started-kubernetes.md"
    run_page(page, tmp_path, {"7100": port, "7101": port + 1})

    eventually(whole_cluster, before.__eq__)  # a volume goes after its claim


def free_pair() -> int:
    """Return a port of four digits, as the page's, so that columns are as wide."""
    places = [f"127.0.0.1:{port}" for port in range(7100, 7200, 10)]
    return next(int(place[-4:]) for place in places if free(place, 2) == place)
