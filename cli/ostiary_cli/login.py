"""`ostiary login`: a real OAuth client that prints an access token, for curl and inspectors.

The token alone goes to stdout, the story to stderr.
"""

import asyncio
import json
import os
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import click

from ostiary_cli.headless import Headless, Stuck
from ostiary_cli.loopback import Landing, landing
from ostiary_cli.outward import outward
from ostiary_cli.protected import NotProtected, ask_route, register
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.relying_party import (
    FlowFailed,
    TokenAnswer,
    depart,
    discover,
    redeem,
)

__all__ = ["LoggedIn", "command", "log_in"]

PATIENCE: Final = 300.0
"""Seconds that a person has to come back from the browser."""

_MEANING: Final[Mapping[str, str]] = {
    "duplicate": "the answer names a parameter twice; somebody may have tampered with it",
    "state": "the answer belongs to another login; somebody may have tampered with it",
    "issuer": "the answer comes from another authorization server than the one asked",
    "denied": "the login was declined",
    "no-code": "the answer holds no code",
    "insecure": "an address of the authorization server is not https",
    "unreachable": "the authorization server does not answer",
    "unavailable": "the authorization server is not available; try again later",
    "refused": "the authorization server refused",
    "answer": "the authorization server's answer can't be read",
    "metadata": "the authorization server's metadata lacks what a login needs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """What a login gave, and what one needs to refresh it."""

    tokens: TokenAnswer
    client_id: str
    issuer: str
    resource: str

    def to_json(self) -> str:
        """Return everything in clear, for scripts."""
        tokens = self.tokens
        shown = {
            "access_token": tokens.access.reveal(),
            "refresh_token": tokens.refresh.reveal() if tokens.refresh else None,
            "expires_in": tokens.expires_in,
            "scope": " ".join(tokens.scopes),
            "client_id": self.client_id,
            "issuer": self.issuer,
            "resource": self.resource,
        }
        return json.dumps(shown, indent=2)


async def log_in(url: str, http: HttpClient, *, form: Mapping[str, str] | None) -> LoggedIn:
    """Log in at the route `url`, in the person's browser or, with `form`, by filling forms.

    Raises NotProtected, FlowFailed, Stuck, or TimeoutError where nobody comes back in time.
    """
    route = await ask_route(url, http)
    metadata = await discover(route.issuer, http, openid=False)
    async with landing() as back:
        client_id = await register(metadata, back.redirect_uri, http)
        provider = metadata.provider(
            client_id=client_id, scopes=route.scopes, resource=route.resource
        )
        away, flight = depart(provider, back.redirect_uri, entropy=os.urandom, nonce=False)
        back.expect(flight.state)
        await _visit(away, back, form)
        tokens = await redeem(provider, flight, await back.query(PATIENCE), http)
    return LoggedIn(
        tokens=tokens, client_id=client_id, issuer=metadata.issuer, resource=route.resource
    )


async def _visit(away: str, back: Landing, form: Mapping[str, str] | None) -> None:
    if form is not None:
        await asyncio.to_thread(_fill, away, back.redirect_uri, form)
        return
    _tell("Opening your browser. If none appears, open this address:")
    _tell(f"  {away}")
    await asyncio.to_thread(webbrowser.open, away)


def _fill(away: str, redirect_uri: str, form: Mapping[str, str]) -> None:
    browser = Headless()
    browser.get(browser.walk(away, fields=form, until=redirect_uri))


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _fields(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> Mapping[str, str] | None:
    pairs = [text.partition("=") for text in given]
    if any(not name or not equals for name, equals, _ in pairs):
        raise click.BadParameter("write it as NAME=VALUE, for example username=alice")
    return {name: value for name, _, value in pairs} or None


@click.command()
@click.argument("route_url")
@click.option(
    "--form",
    multiple=True,
    callback=_fields,
    metavar="NAME=VALUE",
    help="Fill this field of each page's form instead of opening a browser; repeatable.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["token", "json"]),
    default="token",
    help="Print the access token (the default), or everything that the login gave.",
)
def command(*, route_url: str, form: Mapping[str, str] | None, output: str) -> None:
    """Log in at ROUTE_URL as an MCP client would and print the access token.

    Fields given by --form go to whatever page on the way asks for them.

    \b
    curl -H "Authorization: Bearer $(ostiary login URL)" ...
    ostiary login URL --form username=alice --form password=... --form approve=yes
    """  # noqa: D301 - click reads the backspace
    try:
        done = asyncio.run(_run(route_url, form))
    except FlowFailed as failed:
        said = f"{_MEANING.get(failed.reason, failed.reason)}"
        more = ": ".join(part for part in (failed.error, failed.detail) if part)
        raise click.ClickException(f"{said} ({more})" if more else said) from None
    except TimeoutError:
        raise click.ClickException("nobody came back from the browser in time") from None
    except (NotProtected, Stuck) as problem:
        raise click.ClickException(str(problem)) from None
    lasts = done.tokens.expires_in
    _tell(f"Logged in at {done.resource}" + (f"; the token lasts {lasts:.0f} s." if lasts else "."))
    click.echo(done.to_json() if output == "json" else done.tokens.access.reveal())


async def _run(url: str, form: Mapping[str, str] | None) -> LoggedIn:
    async with outward(url) as http:
        return await log_in(url, http, form=form)
