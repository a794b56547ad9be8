"""The command line: `python -m e2e.cluster up|down|load`, with `tests` on PYTHONPATH."""

import time
from pathlib import Path

import click

from e2e.cluster import lifecycle
from e2e.cluster.layout import CACHE, KUBERNETES, Layout
from e2e.cluster.prerequisites import prepare
from setup_parts import PartMissing

_LAYOUT = Layout()


@click.group()
def main() -> None:
    """Run a real Kubernetes cluster of one node, in namespaces of its own."""


@main.command()
def up() -> None:
    """Start the cluster, or say that it is up; what it needs is installed and built, once."""
    try:
        binaries = prepare()
        if not lifecycle.is_up(_LAYOUT):
            began = time.monotonic()
            times = lifecycle.up(_LAYOUT, binaries)
            print(f"Kubernetes {KUBERNETES} is up after {time.monotonic() - began:.1f} s {times}")
    except (PartMissing, lifecycle.ClusterFailed) as error:
        raise click.ClickException(str(error)) from error
    print(f"export KUBECONFIG={_LAYOUT.kubeconfig} PATH={binaries}:$PATH")


@main.command()
def down() -> None:
    """End the cluster, and what a killed run of tests left; logs stay in .cache/cluster*/log."""
    for folder in CACHE.glob("cluster*"):
        lifecycle.down(Layout(folder=folder))


@main.command()
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def load(archives: tuple[Path, ...]) -> None:
    """Import image archives (OCI, or of `docker save`) into the node."""
    for archive in archives:
        lifecycle.load(_LAYOUT, archive)


if __name__ == "__main__":
    main()
