"""`make demo-kind`: a cluster, the project's images in it, and the demo played there.

The cluster is the one that KUBECONFIG names, which is asked about first and left as it was found,
else one of its own, which ends with the demo.
"""

import asyncio
import signal
import subprocess
import sys

import click

from e2e.cluster.layout import ROOT
from e2e.cluster.lifecycle import ClusterFailed
from e2e.images import OURS
from e2e.provider import Given, Provider, choose
from ostiary_cli.demo.cluster.run import perform
from setup_parts import PartMissing, say

_INSTALL = ROOT / "manifests" / "install.yaml"
_ASKED = """\
The demo installs Ostiary into the cluster {cluster} and removes it again:
three CRDs, cluster roles, and the namespaces ostiary-system, demo-platform and demo-team.
Its nodes must have the images already. Go on?"""


@click.command()
@click.option("--keep", is_flag=True, help="Keep all of it until Ctrl-C; say what to open.")
@click.option("--yes", is_flag=True, help="Do not ask before using the cluster of KUBECONFIG.")
def main(*, keep: bool, yes: bool) -> None:
    """Watch three teams share a gateway in a Kubernetes cluster, and an agent be refused."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    provider = choose(alone="demo")
    given = isinstance(provider, Given)
    click.secho("Ostiary in Kubernetes: three teams, three objects, real pods", bold=True)
    say(f"the cluster: {provider.name}")
    if given and not yes:
        click.confirm(_ASKED.format(cluster=_context()), abort=True)
    try:
        if not given:
            _bring_up(provider)
        held = asyncio.run(perform(_INSTALL, keep=keep, takes_down=given))
    except (PartMissing, ClusterFailed) as failed:
        raise click.ClickException(str(failed)) from None
    finally:
        provider.stop()
    sys.exit(0 if held else 1)


def _bring_up(provider: Provider) -> None:
    provider.prepare(OURS)
    say("starting it")
    provider.start()
    for name in OURS:
        say(f"bringing the image of {name} into it")
        provider.load(name)


def _context() -> str:
    asked = ["kubectl", "config", "current-context"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
