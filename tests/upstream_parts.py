"""A service behind a route with its authorization server in memory, and people with accounts."""

import itertools
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from log_parts import NOW, Clock, Log
from ostiary.config.document import (
    Config,
    Gateway,
    OAuth2Auth,
    Route,
    Upstream,
    UpstreamAuth,
)
from ostiary.config.keys import KeyDocument
from ostiary.crypto.rings import Rings
from ostiary.crypto.secret import Secret
from ostiary.decode.json_text import write_json
from ostiary_proxy.identity import Client, Grant, Person, Presented
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed, Outgoing
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.store.port import Store
from ostiary_proxy.upstream.calls import UpstreamCall
from ostiary_proxy.upstream.connect import Connector
from ostiary_proxy.upstream.context import Context

ISSUER = "https://mcp.example"
SERVICE = "https://github.example"
RINGS = KeyDocument.generate(os.urandom).rings()
ANNA = Person(issuer="https://idp.example", subject="anna", email="anna@example.com")
BEN = Person(issuer="https://idp.example", subject="ben", email="ben@example.com")
AUTH = OAuth2Auth(
    issuer=SERVICE,
    authorization_endpoint=f"{SERVICE}/authorize",
    token_endpoint=f"{SERVICE}/token",
    revocation_endpoint=f"{SERVICE}/revoke",
    client_id="ostiary",
    client_secret="github-secret",
    scopes=("repo",),
)


@dataclass
class Answer:
    """One whole answer as an Exchange."""

    status: int
    value: object
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def arrived(self) -> bool:
        return True

    async def chunks(self) -> AsyncIterator[bytes]:
        yield await self.body(1 << 20)

    async def body(self, limit: int) -> bytes:
        return write_json(self.value)

    async def close(self) -> None:
        return None


class Service:
    """An authorization server with rotation: each refresh token is good once.

    `rotating` off leaves refresh tokens out; `broken` names the failure of every request.
    """

    def __init__(self, *, rotating: bool = True, lifetime: float | None = 600) -> None:
        self.rotating = rotating
        self.lifetime = lifetime
        self.broken: str | None = None
        self.refreshes = 0
        self.live: set[str] = set()
        self.revoked: list[str] = []
        self.issued: list[str] = []
        self._numbers = itertools.count(1)

    async def send(self, request: Outgoing) -> Exchange:
        if self.broken is not None:
            raise OutboundFailed(self.broken)
        form = dict(parse_qsl(request.body.decode()))
        if urlsplit(request.url).path == "/revoke":
            self.revoked.append(form["token"])
            self.live.discard(form["token"])
            return Answer(200, {})
        return Answer(*self._token(form))

    def _token(self, form: Mapping[str, str]) -> tuple[int, object]:
        if form["grant_type"] == "refresh_token":
            self.refreshes += 1
            if form["refresh_token"] not in self.live:
                return 400, {"error": "invalid_grant"}
            self.live.remove(form["refresh_token"])
        number = next(self._numbers)
        answer: dict[str, object] = {
            "access_token": f"CANARY-access-{number}",
            "token_type": "bearer",
        }
        self.issued.append(f"CANARY-access-{number}")
        if self.rotating:
            answer["refresh_token"] = f"CANARY-refresh-{number}"
            self.issued.append(f"CANARY-refresh-{number}")
            self.live.add(f"CANARY-refresh-{number}")
        if self.lifetime is not None:
            answer["expires_in"] = self.lifetime
        return 200, answer


def route(
    auth: UpstreamAuth = AUTH, *, name: str = "github", url: str = "https://up.example/mcp"
) -> Route:
    return Route(
        namespace="apps",
        name=name,
        display_name="GitHub MCP",
        url=f"{ISSUER}/apps/{name}",
        issuer=ISSUER,
        upstream=Upstream(url=url),
        auth=auth,
    )


def config(*routes: Route) -> Config:
    gateway = Gateway(namespace="platform", name="main", public_url="https://gate.example")
    return Config(gateway=gateway, routes=routes or (route(),))


def context(
    service: Service,
    *,
    clock: Clock | None = None,
    store: Store | None = None,
    log: Log | None = None,
    configured: Config | None = None,
    rings: Rings = RINGS,
) -> Context:
    clock = clock or Clock()
    return Context(
        config=configured or config(),
        credentials={
            "github-secret": Secret("CANARY-our-secret"),
            "fixed": Secret("CANARY-fixed"),
        },
        rings=rings,
        store=store or MemoryStore(clock),
        log=log or Log(),
        http=HttpClient(service),
        clock=clock,
        entropy=os.urandom,
        new_id=lambda: os.urandom(8).hex(),
    )


def presented(person: Person = ANNA, *, scopes: tuple[str, ...] | None = ("repo",)) -> Presented:
    grant = Grant(
        gid=f"grant-{person.subject}",
        issuer=ISSUER,
        person=person,
        client=Client(id="client-1", name="An agent"),
        resource=f"{ISSUER}/apps/github",
        route="apps/github",
        scopes=("mcp",),
        upstream_scopes=scopes,
        created=NOW,
        expires=NOW + 86400,
    )
    return Presented(grant=grant, jti="jti-1", expires=NOW + 600)


def call(
    person: Person = ANNA,
    *,
    now: float = NOW,
    to: Route | None = None,
    scopes: tuple[str, ...] | None = ("repo",),
) -> UpstreamCall:
    return UpstreamCall(
        route=to or route(),
        presented=presented(person, scopes=scopes),
        http_method="POST",
        body=b'{"jsonrpc":"2.0"}',
        txn="record-1",
        now=now,
        method="tools/call",
        name="read_file",
        rpc_id=7,
        session="hashed-session",
    )


async def connect(surroundings: Context, person: Person = ANNA, *, to: Route | None = None) -> str:
    """Take `person` through connecting; returns where the browser goes afterwards."""
    connector = Connector(surroundings)
    url = await connector.start(
        to or route(), person, browser=f"b-{person.subject}", back="/back?x=1"
    )
    state = dict(parse_qsl(urlsplit(url).query))["state"]
    return await connector.finish(
        ISSUER,
        [("code", "c"), ("state", state)],
        person=person,
        browser=f"b-{person.subject}",
        now=surroundings.clock(),
    )
