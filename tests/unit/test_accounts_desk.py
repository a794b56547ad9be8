"""The admin port's accounts desk: what people connected is found, forgotten and revoked."""

import os
from dataclasses import dataclass
from typing import Any

import pytest

from log_parts import Clock, Log
from ostiary.config.document import Config, Gateway, IdentityProvider
from ostiary_proxy.edge.accounts import AccountsDesk
from ostiary_proxy.oauth.context import Context as OAuthContext
from ostiary_proxy.oauth.grants import GrantRow, new_gid, write
from ostiary_proxy.oauth.kept import KeptPerson
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.wakes import LocalWakes
from ostiary_proxy.upstream.connect import Connector
from upstream_parts import ANNA, BEN, RINGS, Service, connect, context, route

CONFIG = Config(
    gateway=Gateway(
        namespace="platform",
        name="main",
        public_url="https://gate.example",
        identity_provider=IdentityProvider(issuer=ANNA.issuer, client_id="ostiary"),
    ),
    routes=(route(), route(name="other", url="https://other.example/mcp")),
)


@dataclass
class Served:
    """Stands where a Runtime does."""

    oauth: OAuthContext
    connector: Connector


class World:
    """ANNA has an account behind both routes, BEN behind one; ANNA has a grant."""

    def __init__(self) -> None:
        self.service, self.log, clock = Service(), Log(), Clock()
        self.around = context(self.service, clock=clock, log=self.log, configured=CONFIG)
        self.oauth = OAuthContext(
            config=CONFIG,
            rings=RINGS,
            store=self.around.store,
            log=self.log,
            clock=clock,
            entropy=os.urandom,
            new_id=self.around.new_id,
            wakes=LocalWakes(),
        )
        served = Served(self.oauth, Connector(self.around))
        self.desk = AccountsDesk(current=lambda: served)  # type: ignore[arg-type, return-value]  # stands for a Runtime

    async def begin(self) -> AccountsDesk:
        await connect(self.around, ANNA)
        await connect(self.around, ANNA, to=CONFIG.routes[1])
        await connect(self.around, BEN)
        row = GrantRow(
            gid=new_gid(self.oauth, ANNA),
            issuer=route().issuer,
            person=KeptPerson.of(ANNA),
            client_id="c",
            client_name="A client",
            resource=route().url,
            route=route().key,
            scopes=("mcp",),
            upstream_scopes=("repo",),
            created=self.oauth.clock(),
            expires=self.oauth.clock() + 60,
        )
        await write(self.oauth, row, version=0)
        return self.desk


async def count(desk: AccountsDesk, **asked: str) -> int:
    page: Any = await desk.list(asked)
    return len(page["accounts"])


async def test_accounts_are_found_by_email_and_by_subject() -> None:
    desk = await World().begin()

    by_email: Any = await desk.list({"user": "anna@example.com"})
    only = {
        "user": "anna@example.com", "subject": "anna", "route": "apps/github",
        "service": "https://github.example", "scopes": ["repo"], "connected": Clock().now,
        "dead": False,
    }  # fmt: skip

    assert by_email["accounts"] == [only, {**only, "route": "apps/other"}]
    assert await count(desk, user="anna") == 2
    assert await count(desk, user="anna", route="apps/other") == 1
    assert await desk.list({"user": "nobody"}) == {"accounts": []}


async def test_revoking_forgets_accounts_here_and_at_the_service_and_touches_nobody_else() -> None:
    world = World()
    desk = await world.begin()

    assert await desk.revoke({"user": "anna@example.com"}) == 2
    assert await desk.revoke({"user": "anna@example.com"}) == 0

    assert world.service.revoked == ["CANARY-refresh-1", "CANARY-refresh-2"]
    assert world.log.events[-2:] == ["account-disconnected"] * 2
    assert await desk.list({"user": "anna"}) == {"accounts": []}
    assert await count(desk, user="ben") == 1


async def test_a_person_without_any_grant_is_found_by_subject() -> None:
    assert await (await World().begin()).revoke({"user": "ben", "route": "apps/github"}) == 1


async def test_everybody_at_once_is_not_offered() -> None:
    desk = await World().begin()

    for asking in (desk.list, desk.revoke):
        with pytest.raises(Refused, match="name a user"):
            await asking({})
