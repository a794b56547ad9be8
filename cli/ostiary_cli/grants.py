"""`ostiary grants`: what people gave clients, listed and taken back, through the admin port."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from ostiary.decode.strict_json import Json
from ostiary_cli.admin_port import Admin, located, pages, revoke, show
from ostiary_proxy.audit.text import escape

__all__ = ["command"]


@click.group()
def command() -> None:
    """List and revoke what people gave MCP clients."""


@command.command("list")
@located
@click.option("--user", help="Only of this person: e-mail or subject.")
@click.option("--client", help="Only of this client id.")
@click.option("--route", help="Only for this route: namespace/name.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def list_command(
    *, source: str, state: Path | None, admin_url: str | None, token_file: Path | None,
    user: str | None, client: str | None, route: str | None, output: str,
) -> None:  # fmt: skip
    """List grants: which person gave which client access to which route, and until when.

    \b
    ostiary grants list
    ostiary grants list --user mara@example.com -o json
    """  # noqa: D301 - click reads the backspace
    admin = Admin.found(source, state, admin_url, token_file)
    rows = [*pages(admin, "grants", {"user": user, "client": client, "route": route})]
    show(rows, "grants", _row, output=output)


@command.command("revoke")
@located
@click.argument("gid", required=False)
@click.option("--user", help="Every grant of this person: e-mail or subject.")
@click.option("--client", help="Every grant to this client id.")
def revoke_command(
    *, source: str, state: Path | None, admin_url: str | None, token_file: Path | None,
    gid: str | None, user: str | None, client: str | None,
) -> None:  # fmt: skip
    """Take grants back: their tokens stop working within half a second.

    Name one grant by its GID (see `ostiary grants list`), or --user, or --client.

    \b
    ostiary grants revoke 4f2a9c.Jd83kd
    ostiary grants revoke --user mara@example.com
    """  # noqa: D301 - click reads the backspace
    chosen = {"gid": gid, "user": user, "client": client}
    selector = {name: value for name, value in chosen.items() if value}
    if len(selector) != 1:
        raise click.UsageError("name exactly one of GID, --user and --client")
    revoke(Admin.found(source, state, admin_url, token_file), "grants", selector)


def _row(row: Mapping[str, Json]) -> str:
    def text(name: str) -> str:
        return escape(str(row.get(name) or "-"))

    expires = row.get("expires")
    until = _day(expires) if isinstance(expires, int | float) else "-"
    who: Sequence[str] = (text("gid"), text("user"), text("client"), text("route"))
    return "  ".join([*who, f"until {until}", *(["revoked"] if row.get("revoked") else [])])


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
