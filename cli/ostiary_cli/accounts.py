"""`ostiary accounts`: people's accounts at services, listed and taken back, by the admin port."""

from collections.abc import Mapping
from pathlib import Path

import click

from ostiary.decode.strict_json import Json
from ostiary_cli.admin_port import Admin, located, pages, revoke, show
from ostiary_proxy.audit.text import escape

__all__ = ["command"]


@click.group()
def command() -> None:
    """List and revoke the accounts that people connected at services behind routes."""


@command.command("list")
@located
@click.option("--user", required=True, help="Whose: e-mail or subject.")
@click.option("--route", help="Only behind this route: namespace/name.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def list_command(
    *, source: str, state: Path | None, admin_url: str | None, token_file: Path | None,
    user: str, route: str | None, output: str,
) -> None:  # fmt: skip
    """List a person's accounts: behind which route, at which service, with which scopes.

    \b
    ostiary accounts list --user mara@example.com
    """  # noqa: D301 - click reads the backspace
    admin = Admin.found(source, state, admin_url, token_file)
    rows = [*pages(admin, "accounts", {"user": user, "route": route})]
    show(rows, "accounts", _row, output=output)


@command.command("revoke")
@located
@click.option("--user", required=True, help="Whose: e-mail or subject.")
@click.option("--route", help="Only behind this route: namespace/name.")
def revoke_command(
    *, source: str, state: Path | None, admin_url: str | None, token_file: Path | None,
    user: str, route: str | None,
) -> None:  # fmt: skip
    """Forget a person's accounts, and have the services revoke their tokens.

    Grants stay: the next call asks the person to connect again. Where somebody leaves, revoke
    their grants first: `ostiary grants revoke --user`.

    \b
    ostiary accounts revoke --user mara@example.com --route team-a/github
    """  # noqa: D301 - click reads the backspace
    selector = {"user": user, **({"route": route} if route else {})}
    revoke(Admin.found(source, state, admin_url, token_file), "accounts", selector)


def _row(row: Mapping[str, Json]) -> str:
    scopes = row.get("scopes")
    granted = " ".join(map(str, scopes)) if isinstance(scopes, list) else ""
    shown = [escape(str(row.get(name) or "-")) for name in ("user", "route", "service")]
    return "  ".join([*shown, escape(granted) or "-", *(["dead"] if row.get("dead") else [])])
