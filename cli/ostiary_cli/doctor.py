"""`ostiary doctor`.

Asks the real parts that a folder of YAML names, one line each, with the mend.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import click

from ostiary.config.document import Config, OAuth2Auth, Route
from ostiary.crypto.secret import Secret
from ostiary.translate.fill import fill
from ostiary.translate.plan import plan
from ostiary.translate.world import Observed
from ostiary_cli.check import SHOWN_PLATFORM, findings
from ostiary_cli.examine_provider import examine_account_provider, examine_provider
from ostiary_cli.examine_store import examine_store
from ostiary_cli.examine_upstream import examine_upstream
from ostiary_cli.finding import Finding, Mark, good
from ostiary_cli.manifests import read_world
from ostiary_cli.options import folder
from ostiary_proxy.outbound.guard import Guard
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.transport import PooledTransport, trust

__all__ = ["command", "examine"]

_COLOURS: Mapping[Mark, str] = {Mark.GOOD: "green", Mark.BAD: "red", Mark.ODD: "yellow"}


@click.command()
@folder
def command(place: Path) -> None:
    """Ask identity providers, Redis and MCP servers whether they are as the YAML says.

    One line each: ✓ works, ✗ does not (with the mend), ! could not be told. Exit code 1 if anything
    does not work.
    """
    loaded = read_world(place, os.environ, platform=SHOWN_PLATFORM)
    planned = plan(loaded.world, Observed(), time.time())  # noqa: TID251 - the edge has the clock
    faults = (*loaded.faults, *findings(loaded, planned)[0])
    for fault in faults:
        click.echo(click.style(str(Mark.BAD), fg="red") + f" {fault}")
    configs = [fill(bundle, loaded.secret_values) for bundle in planned.bundles.values()]
    worked = asyncio.run(_examine_all(configs))
    if faults or not worked:
        raise SystemExit(1)


async def _examine_all(configs: list[tuple[Config, dict[str, Secret]]]) -> bool:
    worked = True
    for config, credentials in configs:
        async for finding in examine(config, credentials):
            mark = click.style(str(finding.mark), fg=_COLOURS[finding.mark])
            click.echo(mark + str(finding).removeprefix(str(finding.mark)))
            worked = worked and finding.mark is not Mark.BAD
    return worked


async def examine(config: Config, credentials: Mapping[str, Secret]) -> AsyncIterator[Finding]:
    """Yield what the parts of one gateway say, as they say it."""
    gateway = config.gateway
    identity = gateway.identity_provider
    bundle = credentials.get(identity.ca_bundle or "") if identity else None
    guard = Guard.of(gateway.upstreams, allow_loopback=gateway.allow_loopback, environ={})
    transport = PooledTransport(guard, tls=trust(bundle.reveal() if bundle else None))
    http = HttpClient(transport, allow_loopback=gateway.allow_loopback)
    try:
        if identity is not None and identity.development:
            subject = f"gateway {gateway.namespace}/{gateway.name}"
            yield good(subject, "logs people in by the provider that `ostiary dev` starts")
        elif identity is not None:
            secret = credentials.get(identity.client_secret or "")
            for finding in await examine_provider(gateway, identity, secret, http, time.time):  # noqa: TID251 - the edge has the clock
                yield finding
        for finding in await examine_store(gateway, credentials, time.time):  # noqa: TID251 - likewise
            yield finding
        for server in (server for route in config.routes for server in route.servers):
            for finding in await _examine_server(server, credentials, http):
                yield finding
    finally:
        await transport.close()


async def _examine_server(
    route: Route, credentials: Mapping[str, Secret], http: HttpClient
) -> list[Finding]:
    found = [await examine_upstream(route, http)]
    if isinstance(route.auth, OAuth2Auth):
        callback = f"{route.issuer}/account/callback"
        secret = credentials.get(route.auth.client_secret or "")
        subject = f"route {route.server_key}"
        found += await examine_account_provider(subject, route.auth, secret, callback, http)
    return found
