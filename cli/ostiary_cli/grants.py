"""`ostiary grants`: what people gave clients, listed and taken back, through the admin port."""

import asyncio
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import click

from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty
from ostiary.decode.strict_json import Json, read_json
from ostiary_cli.options import PATH, served
from ostiary_cli.outward import outward
from ostiary_cli.places import find_places
from ostiary_proxy.audit.text import escape
from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.outbound.provider import is_loopback

__all__ = ["command"]

_LIMIT: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Admin:
    """The admin port of a running proxy, and the token it wrote to a file."""

    url: str
    token: Secret


_located = served(
    click.option("--admin-url", help="The proxy's admin URL; default: from its ready file."),
    click.option("--token-file", type=PATH, help="The file with the admin port's token."),
)
"""Says which proxy is meant."""


@click.group()
def command() -> None:
    """List and revoke what people gave MCP clients."""


@command.command("list")
@_located
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
    filters = {"user": user, "client": client, "route": route}
    chosen = {name: value for name, value in filters.items() if value}
    rows = [*_pages(_admin(source, state, admin_url, token_file), chosen)]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(_row(row))
    if not rows:
        click.echo("no grants", err=True)


@command.command("revoke")
@_located
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
    answer = _ask(_admin(source, state, admin_url, token_file), "POST", "/grants/revoke", selector)
    revoked = answer.get("revoked") if isinstance(answer, dict) else None
    if not isinstance(revoked, int):
        raise _misread()
    click.echo(f"revoked {revoked} grant{'' if revoked == 1 else 's'}")
    if revoked == 0:
        raise click.exceptions.Exit(1)


def _pages(admin: _Admin, filters: Mapping[str, str]) -> Iterator[dict[str, Json]]:
    """Iterate over grants until the proxy names no next page."""
    after: Json = ""
    while isinstance(after, str):
        query = urlencode({**filters, **({"after": after} if after else {})})
        page = _ask(admin, "GET", f"/grants?{query}" if query else "/grants")
        if not isinstance(page, dict) or not isinstance(grants := page.get("grants"), list):
            raise _misread()
        yield from (row for row in grants if isinstance(row, dict))
        after = page.get("next")


def _misread() -> click.ClickException:
    return click.ClickException("the proxy's answer can't be read; is it of this version?")


def _admin(
    source: str, state: Path | None, admin_url: str | None, token_file: Path | None
) -> _Admin:
    places = find_places(source, environment=os.environ, home=Path.home(), state=state)
    url = (admin_url or _ready_url(places.ready)).rstrip("/")
    if not is_loopback(urlsplit(url).hostname) and urlsplit(url).scheme != "https":
        raise click.ClickException("an admin URL that is not loopback must be https")
    return _Admin(url=url, token=_token(token_file or places.admin_token))


def _ready_url(ready: Path) -> str:
    try:
        found = read_json(ready.read_bytes())
    except OSError:
        raise click.ClickException(
            f"no proxy has written {ready}; start `ostiary dev`, name what it was started on with "
            "-f or --state, or give --admin-url"
        ) from None
    except Faulty:
        raise click.ClickException(f"{ready} can't be read; give --admin-url") from None
    said = found if isinstance(found, dict) else {}
    for name, prefix in (("adminUrl", ""), ("admin", "http://")):  # of `ostiary dev`, of the proxy
        if isinstance(address := said.get(name), str):
            return prefix + address
    raise click.ClickException(f"{ready} names no adminUrl; give --admin-url")


def _token(path: Path) -> Secret:
    """Return the token; a file that others can read gives nothing, as its token may be known."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise click.ClickException(f"{path} can be read by others; run: chmod 600 {path}")
        return Secret(path.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError):
        raise click.ClickException(
            f"the admin token in {path} can't be read; give --token-file"
        ) from None


def _ask(admin: _Admin, method: str, path: str, body: Mapping[str, str] | None = None) -> Json:
    request = Outgoing(
        method=method,
        url=admin.url + path,
        headers=(
            ("authorization", f"Bearer {admin.token.reveal()}"),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ),
        body=json.dumps(body).encode() if body is not None else b"",
        named_by="platform",
        timeout=10.0,
    )
    try:
        return asyncio.run(_fetch(request))
    except OutboundFailed as failed:
        raise click.ClickException(
            f"no proxy answers at {admin.url} ({failed.reason}); is it running?"
        ) from None


async def _fetch(request: Outgoing) -> Json:
    async with outward(request.url) as http:
        answer = await http.fetch(request, _LIMIT)
    try:
        found = read_json(answer.body)
    except Faulty:
        found = None
    if answer.status != 200:
        said = found.get("error") if isinstance(found, dict) else None
        raise click.ClickException(
            f"the proxy refused ({answer.status}): {said or 'no reason given'}"
        )
    return found


def _row(row: Mapping[str, Json]) -> str:
    def text(name: str) -> str:
        return escape(str(row.get(name) or "-"))

    expires = row.get("expires")
    until = _day(expires) if isinstance(expires, int | float) else "-"
    who: Sequence[str] = (text("gid"), text("user"), text("client"), text("route"))
    return "  ".join([*who, f"until {until}", *(["revoked"] if row.get("revoked") else [])])


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
