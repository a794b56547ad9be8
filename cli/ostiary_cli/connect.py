"""`ostiary connect`: what to paste into which MCP client."""

import re
from urllib.parse import urlsplit

import click

from ostiary_proxy.oauth.snippets import snippets

__all__ = ["command", "label"]


@click.command()
@click.argument("route_url")
@click.option("--name", help="How the client shall call the server; default: from the URL.")
def command(*, route_url: str, name: str | None) -> None:
    """Print what to paste into an MCP client to use the server at ROUTE_URL."""
    parts = urlsplit(route_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.BadParameter("give the route's URL, as `ostiary dev` prints it")
    for snippet in snippets(name or label(route_url), route_url):
        click.secho(f"{snippet.client}, {snippet.place}:", bold=True)
        click.echo("\n".join(f"  {line}" for line in snippet.text.splitlines()) + "\n")


def label(url: str) -> str:
    """Return a name for the server at `url`: its last path segment, or its first host label."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2] or (parts.hostname or "").partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", last).strip("-")[:48] or "mcp"
