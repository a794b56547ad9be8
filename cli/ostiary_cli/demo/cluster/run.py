"""Sets the stage in the cluster that KUBECONFIG names, plays the scenes, and clears it."""

import asyncio
import tempfile
from pathlib import Path
from time import monotonic

import click

from ostiary_cli.demo.calls import Show
from ostiary_cli.demo.cluster.kubectl import KubectlFailed, ask
from ostiary_cli.demo.cluster.objects import TEAM
from ostiary_cli.demo.cluster.scenes import SCENES
from ostiary_cli.demo.cluster.stage import ClusterStage, set_stage
from ostiary_cli.demo.playing import play
from ostiary_cli.demo.run import show_how_to_connect
from ostiary_cli.demo.story import Story

__all__ = ["perform"]


async def perform(install: Path, *, keep: bool, takes_down: bool) -> bool:
    """Return whether every claim held; with `keep`, go on until interrupted after that."""
    started = monotonic()
    log = Path(tempfile.mkdtemp(prefix="ostiary-demo-")) / "demo.log"
    try:
        async with set_stage(install, takes_down=takes_down) as stage:
            held = await play(Show(stage=stage, story=Story()), SCENES, log=log, started=started)
            if not held:
                await _tell(log)
            elif keep:
                _say_how_to_use(stage)
                await asyncio.Event().wait()
    except KubectlFailed as failed:
        click.secho(f"✗ {failed}", fg="red")
        return False
    return held


async def _tell(log: Path) -> None:
    """Print what may help to find out why a claim did not hold."""
    _, pods = await ask("get", "pods,mcpgateways,mcproutes,mcppolicies", "--all-namespaces")
    click.echo("\n".join(("", *pods, "", f"What went wrong in detail is in {log}")))


def _say_how_to_use(stage: ClusterStage) -> None:
    show_how_to_connect({"files": stage.url("files")})
    click.echo(f"\nkubectl edit mcppolicy files --namespace {TEAM}, and the next call obeys.")
    click.echo("Ctrl-C ends everything.")
