"""Sets the stage in the cluster that KUBECONFIG names, plays the scenes, and clears it."""

import asyncio
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from time import monotonic

import click

from ostiary_cli.demo.calls import Show
from ostiary_cli.demo.cluster.kubectl import KubectlFailed
from ostiary_cli.demo.cluster.objects import TEAM
from ostiary_cli.demo.cluster.scenes import SCENES
from ostiary_cli.demo.cluster.stage import ClusterStage, set_stage, show_state
from ostiary_cli.demo.playing import play
from ostiary_cli.demo.run import show_how_to_connect
from ostiary_cli.demo.story import Story

__all__ = ["perform"]


async def perform(install: Path, *, keep: bool, takes_down: bool) -> bool:
    """Return whether every claim held; with `keep`, go on until interrupted after that."""
    started = monotonic()
    folder = Path(tempfile.mkdtemp(prefix="ostiary-demo-"))
    log = folder / "demo.log"
    try:
        async with set_stage(install, takes_down=takes_down) as stage:
            held = await play(Show(stage=stage, story=Story()), SCENES, log=log, started=started)
            if not held:
                await show_state()
                click.echo(f"\nWhat went wrong in detail is in {log}")
            elif keep:
                _say_how_to_use(stage)
                with suppress(asyncio.CancelledError):  # by Ctrl-C, which is no failure here
                    await asyncio.Event().wait()
    except KubectlFailed as failed:
        click.secho(f"✗ {failed}", fg="red")
        return False
    if held:
        folder.rmdir()
    return held


def _say_how_to_use(stage: ClusterStage) -> None:
    show_how_to_connect({name: stage.url(name) for name in ("files", "github")})
    kubectl = f"KUBECONFIG={os.environ['KUBECONFIG']} {shutil.which('kubectl')}"
    click.echo("\nEdit the policy, and the next call obeys; Ctrl-C ends everything:")
    click.echo(f"    {kubectl} edit mcppolicy files --namespace {TEAM}")
