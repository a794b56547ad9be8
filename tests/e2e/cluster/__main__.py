"""The command line: `python -m e2e.cluster up|down|kubectl|...`, with `tests` on PYTHONPATH."""

import os
import time
from pathlib import Path

import click

from e2e.cluster import lifecycle
from e2e.cluster.binaries import build
from e2e.cluster.layout import KUBERNETES, Layout
from setup_parts import PartMissing

_ANYTHING = {"ignore_unknown_options": True, "help_option_names": []}
_LAYOUT = Layout()


@click.group()
def main() -> None:
    """Run a real Kubernetes cluster of one node, in namespaces of its own."""


@main.command()
def up() -> None:
    """Start the cluster, or say that it is up."""
    if lack := lifecycle.missing():
        raise click.ClickException(f"this machine can't run the cluster: {lack}")
    binaries = _build()
    if not lifecycle.is_up(_LAYOUT):
        began = time.monotonic()
        try:
            times = lifecycle.up(_LAYOUT, binaries)
        except lifecycle.ClusterFailed as error:
            raise click.ClickException(str(error)) from error
        print(f"Kubernetes {KUBERNETES} is up after {time.monotonic() - began:.1f} s {times}")
    print(f"export KUBECONFIG={_LAYOUT.kubeconfig} PATH={binaries}:$PATH")


@main.command()
def down() -> None:
    """End the cluster; its logs stay in .cache/cluster/log."""
    lifecycle.down(_LAYOUT)


@main.command()
@click.argument("archives", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def load(archives: tuple[Path, ...]) -> None:
    """Import image archives (OCI, or of `docker save`) into the node."""
    for archive in archives:
        lifecycle.load(_LAYOUT, archive)


@main.command(context_settings=_ANYTHING)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(arguments: tuple[str, ...]) -> None:
    """Run the cluster's own kubectl."""
    os.environ["KUBECONFIG"] = str(_LAYOUT.kubeconfig)
    os.execv(_build() / "kubectl", ["kubectl", *arguments])


def _build() -> Path:
    try:
        return build()
    except PartMissing as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
