"""`ostiary demo`: sets the stage, plays the scenes, and ends with 0 only if every claim held."""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import monotonic

import click

from ostiary_cli.demo.stage import Stage, set_stage
from ostiary_cli.demo.story import Story
from ostiary_cli.dev.children import ChildFailed
from ostiary_proxy.oauth.snippets import snippets

__all__ = ["command", "show_how_to_connect"]


@click.command()
@click.option(
    "--serve", is_flag=True, help="Keep everything running and say what to open and paste."
)
@click.option("--keep", is_flag=True, help="Keep the folder with configuration, state and logs.")
def command(*, serve: bool, keep: bool) -> None:
    """Watch an agent log in, consent, call tools of real MCP servers, and be refused.

    Everything runs on loopback; nothing needs the internet.
    """
    try:
        import mcp  # noqa: F401 - only whether it is there
    except ImportError:
        raise click.ClickException(
            'the demo needs its extra: pip install "ostiary[demo]"'
        ) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="ostiary-demo-"))
    worked = False
    try:
        worked = asyncio.run(_run(folder, serve=serve))
    except KeyboardInterrupt:
        worked = serve
    finally:
        if keep or not worked:
            click.echo(f"\nConfiguration, state and logs are kept in {folder}", err=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if worked else 1)


async def _run(folder: Path, *, serve: bool) -> bool:
    started = monotonic()
    click.secho("Ostiary: a real MCP client, through the proxy, to real MCP servers", bold=True)
    try:
        async with set_stage(folder) as stage:
            click.echo(f"Everything is up after {monotonic() - started:.1f} s:")
            for name in ("files", "github"):
                click.echo(f"  {name:<8} {stage.url(name)}")
            if serve:
                await _serve(stage)
                return True
            return await _play(stage, started)
    except ChildFailed as failed:
        click.secho(f"✗ {failed}", fg="red")
        return False


async def _play(stage: Stage, started: float) -> bool:
    from ostiary_cli.demo.calls import Show
    from ostiary_cli.demo.playing import play
    from ostiary_cli.demo.scenes import SCENES

    show = Show(stage=stage, story=Story())
    return await play(show, SCENES, log=stage.folder / "logs" / "demo.log", started=started)


async def _serve(stage: Stage) -> None:
    show_how_to_connect({name: stage.url(name) for name in ("files", "github")})
    click.echo(f"\nEdit {stage.policy} and watch the next call obey. Ctrl-C ends everything.")
    await asyncio.Event().wait()


def show_how_to_connect(urls: Mapping[str, str]) -> None:
    """Print what to paste where for each route, and who may log in."""
    click.secho(
        "\nOpen one of the URLs above in a browser, or paste into an MCP client:", bold=True
    )
    for name, url in urls.items():
        for snippet in snippets(f"demo-{name}", url):
            click.secho(f"\n  {name}: {snippet.client}, {snippet.place}", bold=True)
            click.echo("\n".join(f"    {line}" for line in snippet.text.splitlines()))
    click.secho("\nLog in as", bold=True)
    for who in ("alice / wonderland (engineering)", "bob / builder (engineering)",
                "carol / counting (finance)"):  # fmt: skip
        click.echo(f"    {who}")


if __name__ == "__main__":
    command()
