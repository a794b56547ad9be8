"""`ostiary dev`: a whole gateway on this machine, from YAML or from one URL."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

import click

from ostiary_cli.connect import label
from ostiary_cli.dev.children import ChildFailed
from ostiary_cli.dev.development import Development, DevelopmentFailed, Serving
from ostiary_cli.dev.quick import Quick, refuse_command, write_quick
from ostiary_cli.dev.table import describe
from ostiary_cli.places import Places, find_places
from ostiary_proxy.edge.endpoint import Endpoint, EndpointType
from ostiary_proxy.oauth.snippets import snippets
from ostiary_proxy.whole_file import write_whole

__all__ = ["command"]

_FOLDER = click.Path(path_type=Path)
_EPILOG = """\b
Examples:
  ostiary dev --to http://127.0.0.1:3000/mcp     put one MCP server behind Ostiary
  ostiary dev --to URL --save my-gateway         … and keep the YAML to edit
  ostiary dev -f my-gateway                      serve a folder of YAML, follow every edit
  ostiary dev reset -f my-gateway                forget logins, grants, keys and the audit log
"""


@click.group(invoke_without_command=True, epilog=_EPILOG)
@click.option("-f", "--folder", type=_FOLDER, help="Folder of YAML, or one file.")
@click.option("--to", "target", help="URL of an MCP server; needs no YAML.")
@click.option("--save", type=_FOLDER, help="With --to: write the YAML here, for you to edit.")
@click.option("--listen", type=EndpointType(), help="Where to listen; default: publicUrl's port.")
@click.option("--state", type=_FOLDER, help="Folder of store and audit log.")
@click.option("--keys", type=_FOLDER, help="Folder of keys and checkpoints.")
@click.option("--ready-file", type=_FOLDER, help="Written with URLs as JSON once it serves.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    folder: Path | None,
    target: str | None,
    save: Path | None,
    listen: Endpoint | None,
    state: Path | None,
    keys: Path | None,
    ready_file: Path | None,
) -> None:
    """Run a gateway on this machine: login, consent, policy and audit around MCP servers."""
    places = _places(folder, target, state, keys) if folder or target else None
    ctx.obj = places
    if ctx.invoked_subcommand is not None:
        return
    if places is None or (folder and target):
        raise click.UsageError("give either -f FOLDER or --to URL")
    quick = None
    if target is not None:
        if refusal := refuse_command(target):
            raise click.UsageError(refusal)
        quick = write_quick(target, save or places.state / "yaml", entropy=os.urandom)
    place = quick.folder if quick else folder
    assert place is not None
    development = Development(
        place, places, listen=(listen.host, listen.port) if listen else None, tell=_tell
    )
    raise SystemExit(asyncio.run(_run(development, quick, ready_file)))


@command.command()
@click.option("-f", "--folder", type=_FOLDER, help="The folder that `dev` was started with.")
@click.option("--to", "target", help="The URL that `dev` was started with.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset(given: Places | None, *, folder: Path | None, target: str | None, yes: bool) -> None:
    """Forget everything that `ostiary dev` keeps: logins, grants, accounts, keys, the audit log."""
    places = _places(folder, target, None, None) if folder or target else given
    if places is None:
        raise click.UsageError("give the -f FOLDER or --to URL that `dev` was started with")
    both = dict.fromkeys((places.state, places.keys))
    folders = [path for path in both if path.exists()]
    if not folders:
        click.echo("nothing is kept for it")
        return
    for path in folders:
        click.echo(f"  {path}")
    if not yes:
        click.confirm("Delete these folders?", abort=True)
    for path in folders:
        shutil.rmtree(path)


def _places(
    folder: Path | None, target: str | None, state: Path | None, keys: Path | None
) -> Places:
    subject = str(folder) if folder is not None else str(target)
    return find_places(subject, environment=os.environ, home=Path.home(), state=state, keys=keys)


def _tell(text: str) -> None:
    click.secho(text, err=True, fg="yellow")


async def _run(development: Development, quick: Quick | None, ready_file: Path | None) -> int:
    """Serve until interrupted; return the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    click.echo("Starting …", err=True)
    try:
        serving = await development.start()
        _show(serving, quick)
        _say_ready(serving, ready_file)
        return await _until(stop, development, ready_file)
    except (DevelopmentFailed, ChildFailed, OSError) as error:
        click.secho(str(error), err=True, fg="red")
        return 1
    finally:
        await development.stop()


async def _until(stop: asyncio.Event, development: Development, ready_file: Path | None) -> int:
    """Follow the folder until asked to stop (0) or until a part ends by itself (1)."""

    def served(serving: Serving) -> None:
        click.echo(f"\n{describe(serving)}", err=True)
        _say_ready(serving, ready_file)

    tasks = [
        asyncio.create_task(stop.wait()),
        asyncio.create_task(development.wait()),
        asyncio.create_task(development.follow(served)),
    ]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    for task in rest:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    if tasks[0] in done:
        return 0
    ended = done.pop().result()
    click.secho(str(ended), err=True, fg="red")
    return 1


def _show(serving: Serving, quick: Quick | None) -> None:
    click.echo(f"\n{describe(serving)}", err=True)
    if quick is not None:
        for route in serving.bundle.config.routes:
            for snippet in snippets(label(route.url), route.url):
                click.secho(f"\n{snippet.client}, {snippet.place}:", bold=True, err=True)
                click.echo("\n".join(f"  {line}" for line in snippet.text.splitlines()), err=True)
        click.echo(f"\nLog in as {quick.username} with password {quick.password}", err=True)
        click.echo(f"Edit the YAML in {quick.folder}; every change is taken at once", err=True)
    click.echo("\nServing. Press Ctrl-C to stop.", err=True)


def _say_ready(serving: Serving, path: Path | None) -> None:
    if path is None:
        return
    write_whole(path, json.dumps(serving.ready(), indent=2).encode(), private=False)
