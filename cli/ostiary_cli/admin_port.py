"""The admin port of a running proxy, as the commands that administer it ask it."""

import asyncio
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.outbound.provider import is_loopback

__all__ = ["Admin", "located", "pages", "revoke", "show"]

_LIMIT: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """The admin port of a running proxy, and the token it wrote to a file."""

    url: str
    token: Secret

    @classmethod
    def found(
        cls, source: str, state: Path | None, admin_url: str | None, token_file: Path | None
    ) -> "Admin":
        """Return the port that the options of `located` mean."""
        places = find_places(source, environment=os.environ, home=Path.home(), state=state)
        url = (admin_url or _ready_url(places.ready)).rstrip("/")
        if not is_loopback(urlsplit(url).hostname) and urlsplit(url).scheme != "https":
            raise click.ClickException("an admin URL that is not loopback must be https")
        return cls(url=url, token=_token(token_file or places.admin_token))


located = served(
    click.option("--admin-url", help="The proxy's admin URL; default: from its ready file."),
    click.option("--token-file", type=PATH, help="The file with the admin port's token."),
)
"""Says which proxy is meant."""


def pages(admin: Admin, what: str, filters: Mapping[str, str | None]) -> Iterator[dict[str, Json]]:
    """Iterate over grants or accounts (`what`) until the proxy names no next page."""
    chosen = {name: value for name, value in filters.items() if value}
    after: Json = ""
    while isinstance(after, str):
        query = urlencode({**chosen, **({"after": after} if after else {})})
        page = _ask(admin, "GET", f"/{what}?{query}" if query else f"/{what}")
        if not isinstance(page, dict) or not isinstance(rows := page.get(what), list):
            raise _misread()
        yield from (row for row in rows if isinstance(row, dict))
        after = page.get("next")


def show(
    rows: Sequence[dict[str, Json]],
    what: str,
    line: Callable[[Mapping[str, Json]], str],
    *,
    output: str,
) -> None:
    """Print what was listed, a `line` each or all as JSON."""
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(line(row))
    if not rows:
        click.echo(f"no {what}", err=True)


def revoke(admin: Admin, what: str, selector: Mapping[str, str]) -> None:
    """Revoke grants or accounts (`what`) and say how many; exit 1 where there were none."""
    answer = _ask(admin, "POST", f"/{what}/revoke", selector)
    revoked = answer.get("revoked") if isinstance(answer, dict) else None
    if not isinstance(revoked, int):
        raise _misread()
    click.echo(f"revoked {revoked} {what[:-1] if revoked == 1 else what}")
    if revoked == 0:
        raise click.exceptions.Exit(1)


def _misread() -> click.ClickException:
    return click.ClickException("the proxy's answer can't be read; is it of this version?")


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


def _ask(admin: Admin, method: str, path: str, body: Mapping[str, str] | None = None) -> Json:
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
