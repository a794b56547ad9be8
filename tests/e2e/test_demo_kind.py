"""`make demo-kind` tells the truth, in a cluster that KUBECONFIG names, and leaves it as it was."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import lifecycle
from e2e.cluster.binaries import build
from e2e.cluster.layout import CACHE, ROOT, Layout
from e2e.images import IMAGES, archive, current
from real_parts import require


@pytest.fixture
def empty_cluster(own_cluster: Layout) -> Iterator[Path]:
    """A cluster beside that of the tests, with the images and nothing else; its kubeconfig."""
    require(all(map(current, IMAGES)), "the images as they are in the tree", "make e2e")
    layout = Layout(folder=CACHE / "empty-cluster")
    lifecycle.up(layout, build())
    for name in IMAGES:
        lifecycle.load(layout, archive(name))
    yield layout.kubeconfig
    lifecycle.down(layout)


def demo(kubeconfig: Path, *options: str, stdin: str = "") -> tuple[int, str]:
    """Run the demo; return its exit code and what it says."""
    ended = subprocess.run(
        [sys.executable, "-m", "e2e.demo_kind", *options],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT / "tests")},
    )
    return ended.returncode, ended.stdout


def objects(kubeconfig: Path) -> set[str]:
    """Return the names of what is in no namespace, and of the namespaces."""
    kinds = "namespaces,crds,clusterroles,clusterrolebindings,persistentvolumes"
    command = ["kubectl", f"--kubeconfig={kubeconfig}", "get", kinds, "--output=name"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return set(said.split())


@pytest.mark.timeout(500)
def test_every_claim_of_the_demo_holds_and_the_cluster_is_left_as_it_was(
    empty_cluster: Path,
) -> None:
    before = objects(empty_cluster)

    refused, asked = demo(empty_cluster, stdin="n\n")
    untouched = objects(empty_cluster)
    code, said = demo(empty_cluster, "--yes")

    assert (refused, untouched) == (1, before)
    assert "The demo installs Ostiary into the cluster" in asked
    assert code == 0, said
    assert said.count("✓") == 19
    assert "19 claims held, 0 failed" in said
    assert objects(empty_cluster) == before
