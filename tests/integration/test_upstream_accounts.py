"""Rules 123 and 124: a real service's tokens are used, rotated and revoked, and never shown.

The service is the demo's pretend GitHub as a process of its own, asked over real sockets.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from ostiary.config.document import OAuth2Auth
from ostiary.crypto.secret import Secret
from ostiary.decode.json_text import write_json
from ostiary_cli.headless import Headless, Stuck
from ostiary_proxy.outbound.exchange import Outgoing
from ostiary_proxy.outbound.guard import Guard
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.transport import PooledTransport
from ostiary_proxy.refused import Refused
from ostiary_proxy.upstream.connect import Connector
from ostiary_proxy.upstream.context import Context
from ostiary_proxy.upstream.credentials import UpstreamCredentials
from upstream_parts import ANNA, BEN, ISSUER, NOW, Clock, Log, Service, call, config, context, route

pytest.importorskip("mcp")
CALLBACK = f"{ISSUER}/account/callback"
CREATE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
    "protocolVersion": "2025-11-25", "capabilities": {},
    "clientInfo": {"name": "t", "version": "1"},
}}  # fmt: skip


@dataclass
class GitHub:
    url: str
    folder: Path

    @property
    def issued(self) -> list[str]:
        return (self.folder / "issued").read_text().split()


@asynccontextmanager
async def pretend_github(folder: Path) -> AsyncIterator[GitHub]:
    ready = folder / "ready.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ostiary_cli.demo.github", "--listen", "127.0.0.1:0", "--redirect-uri", CALLBACK),
        *("--issued-file", str(folder / "issued"), "--ready-file", str(ready)),
        env={**os.environ, "PRETEND_GITHUB_CLIENT_SECRET": "CANARY-our-secret"},
    )
    try:
        async with asyncio.timeout(60):
            while not ready.exists():
                assert process.returncode is None
                await asyncio.sleep(0.02)
        yield GitHub(url=json.loads(ready.read_text())["url"], folder=folder)
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[GitHub]:
    async with pretend_github(tmp_path) as running:
        yield running


@pytest.fixture
async def transport() -> AsyncIterator[PooledTransport]:
    made = PooledTransport(Guard(allow_loopback=True))
    yield made
    await made.close()


def surroundings(github: GitHub, transport: PooledTransport, log: Log, clock: Clock) -> Context:
    auth = OAuth2Auth(
        issuer=github.url,
        authorization_endpoint=f"{github.url}/login/oauth/authorize",
        token_endpoint=f"{github.url}/login/oauth/access_token",
        revocation_endpoint=f"{github.url}/login/oauth/revoke",
        client_id="ostiary-demo",
        client_secret="github-secret",
        scopes=("repo", "read:user"),
    )
    to = config(route(auth, url=f"{github.url}/mcp"))
    around = context(Service(), clock=clock, log=log, configured=to)
    return replace(
        around,
        http=HttpClient(transport, allow_loopback=True),
        credentials={"github-secret": Secret("CANARY-our-secret")},
    )


async def connected(around: Context, password: str = "wonderland", approve: str = "yes") -> None:
    """Connect Anna's account as her browser would, through the real pages."""
    connector = Connector(around)
    url = await connector.start(around.config.routes[0], ANNA, browser="b", back="/back")
    fields = {"username": "alice", "password": password, "approve": approve}
    end = await asyncio.to_thread(Headless().walk, url, fields=fields, until=CALLBACK)
    query = parse_qsl(urlsplit(end).query)
    assert await connector.finish(ISSUER, query, person=ANNA, browser="b", now=NOW) == "/back"


async def status(github: GitHub, transport: PooledTransport, around: Context) -> int:
    one = call(to=around.config.routes[0], scopes=("repo", "read:user"))
    headers = await UpstreamCredentials(around).attach(one)
    return await asked(github, transport, headers)


async def asked(
    github: GitHub, transport: PooledTransport, headers: tuple[tuple[str, str], ...]
) -> int:
    kind = (("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"))  # fmt: skip
    request = Outgoing(
        method="POST", url=f"{github.url}/mcp", headers=(*kind, *headers), body=write_json(CREATE)
    )
    exchange = await transport.send(request)
    await exchange.close()
    return exchange.status


async def test_an_account_is_connected_used_rotated_and_revoked(
    github: GitHub, transport: PooledTransport
) -> None:
    log, clock = Log(), Clock()
    around = surroundings(github, transport, log, clock)
    await connected(around)

    assert await asked(github, transport, ()) == 401
    assert await asked(github, transport, (("authorization", "Bearer guessed"),)) == 401
    assert await status(github, transport, around) == 200
    clock.now = NOW + 29
    assert await status(github, transport, around) == 200
    assert len(github.issued) == 4
    assert await Connector(around).disconnect(around.config.routes[0], ANNA) is True
    last = (("authorization", f"Bearer {github.issued[2]}"),)
    assert await asked(github, transport, last) == 401
    assert log.events == ["account-connected", "account-refreshed", "account-disconnected"]
    assert [token for token in github.issued if token in repr(log.records)] == []


async def test_a_refresh_token_used_behind_our_back_ends_the_account_for_all(
    github: GitHub, transport: PooledTransport
) -> None:
    log, clock = Log(), Clock()
    around = surroundings(github, transport, log, clock)
    await connected(around)
    stolen = github.issued[1]
    clock.now = NOW + 29
    await status(github, transport, around)
    body = f"grant_type=refresh_token&refresh_token={stolen}".encode()
    pair = (("authorization", "Basic b3N0aWFyeS1kZW1vOkNBTkFSWS1vdXItc2VjcmV0"),)
    thief = Outgoing(
        method="POST", url=f"{github.url}/login/oauth/access_token", headers=pair, body=body
    )

    answer = await HttpClient(transport).fetch(thief, 1000)

    assert answer.body == b"error=bad_refresh_token"
    clock.now = NOW + 58
    with pytest.raises(Refused, match="AccountNotConnected"):
        await status(github, transport, around)
    assert log.events[-1] == "account-ended"


async def test_the_pages_of_the_service_can_say_no(
    github: GitHub, transport: PooledTransport
) -> None:
    around = surroundings(github, transport, Log(), Clock())

    with pytest.raises(Stuck):
        await connected(around, password="wrong")
    with pytest.raises(Refused, match="AccessDenied"):
        await connected(around, approve="no")
    assert await Connector(around).needed(around.config.routes[0], BEN) is True
    assert github.issued == []
