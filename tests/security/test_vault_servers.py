"""Several servers behind one URL: the account at one is never used for another."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from ostiary.config.document import Backend, NoAuth, OAuth2Auth, Route, Upstream
from ostiary_proxy.oauth import pages
from ostiary_proxy.refused import Refused
from ostiary_proxy.upstream.connect import Connector
from ostiary_proxy.upstream.context import Context
from ostiary_proxy.upstream.credentials import UpstreamCredentials
from ostiary_proxy.upstream.link import link
from upstream_parts import ANNA, AUTH, ISSUER, Service, call, config, context, presented

BOTH = (
    "code https://github.example", "code https://github.example repo",
    "mail https://github.example", "mail https://github.example repo",
)  # fmt: skip
"""What a consent to both accounts covers."""


def desk(*, mail_url: str = "https://mail.example/mcp", mail: OAuth2Auth = AUTH) -> Route:
    """Return a route to two servers with accounts at one service, and a third without."""
    backends = (
        Backend(name="code", upstream=Upstream(url="https://code.example/mcp"), auth=AUTH),
        Backend(name="mail", upstream=Upstream(url=mail_url), auth=mail),
        Backend(name="open", upstream=Upstream(url="https://open.example/mcp"), auth=NoAuth()),
    )
    return Route(
        namespace="apps", name="desk", display_name="Desk", url=f"{ISSUER}/apps/desk",
        issuer=ISSUER, backends=backends,
    )  # fmt: skip


async def connect_one(around: Context, to: Route) -> None:
    """Connect the account that is missing next."""
    connector = Connector(around)
    url = await connector.start(to, ANNA, browser="b", back="/back")
    state = dict(parse_qsl(urlsplit(url).query))["state"]
    query = [("code", "c"), ("state", state)]
    await connector.finish(ISSUER, query, person=ANNA, browser="b", now=around.clock())


async def attached(around: Context, server: Route, scopes: tuple[str, ...] = BOTH) -> str:
    """Return the credential that a call to `server` gets, or the code of the refusal."""
    try:
        headers = await UpstreamCredentials(around).attach(call(to=server, scopes=scopes))
    except Refused as refused:
        return refused.code
    return dict(headers).get("authorization", "")


async def test_accounts_are_connected_one_after_the_other_and_each_serves_its_own_server() -> None:
    around, route = context(Service(), configured=config(desk())), desk()
    code, mail, other = route.servers
    seen = []

    while await Connector(around).needed(route, ANNA):
        seen.append([await attached(around, server) for server in route.servers])
        await connect_one(around, route)

    assert seen == [
        ["AccountNotConnected", "AccountNotConnected", ""],
        ["Bearer CANARY-access-1", "AccountNotConnected", ""],
    ]
    assert [await attached(around, server) for server in (code, mail, other)] == [
        "Bearer CANARY-access-1",
        "Bearer CANARY-access-2",
        "",
    ]


async def test_what_is_said_to_all_is_told_apart_by_the_accounts_that_are_there() -> None:
    around, route = context(Service(), configured=config(desk())), desk()
    names = []
    for _ in range(3):
        credentials = UpstreamCredentials(around)
        names.append(await credentials.connected(route, presented(scopes=BOTH)))
        if len(names) < 3:
            await connect_one(around, route)

    assert len(set(names)) == 3


async def test_a_consent_covers_the_servers_and_scopes_that_were_shown_and_no_other() -> None:
    wider = AUTH.model_copy(update={"scopes": ("repo", "admin")})
    around = context(Service(), configured=config(desk()))
    await connect_one(around, desk())
    await connect_one(around, desk())
    code, mail, _ = desk().servers

    assert desk().upstream_scopes == BOTH
    assert await attached(around, code, BOTH[:2]) == "Bearer CANARY-access-1"
    assert await attached(around, mail, BOTH[:2]) == "AccountNotConnected"
    assert await attached(around, mail, ("repo",)) == "AccountNotConnected"
    assert await attached(around, desk(mail=wider).servers[1]) == "AccountNotConnected"


def test_the_consent_page_names_every_account_with_what_is_asked_for_there() -> None:
    mail = AUTH.model_copy(update={"issuer": "https://mail.example", "scopes": ("read", "send")})
    page = pages.consent(
        pages.Question(
            client="Agent", redirect_uri="https://agent.example/callback", person=ANNA,
            route=desk(mail=mail), patterns=(), transaction="t", proof="p",
        ),
        (),
    )  # fmt: skip

    text = page.body.decode()
    found = ["github.example", "repo", "mail.example", "read", "send"]
    assert [word for word in found if f"<bdi>{word}</bdi>" in text] == found


async def test_the_link_in_a_calls_error_connects_the_account_of_that_server() -> None:
    around = context(Service(), configured=config(desk()))
    mail = desk().servers[1]
    query = parse_qsl(urlsplit(link(around.rings.seal, mail, ANNA)).query)

    opened = Connector(around).opened(ISSUER, query, person=ANNA)
    await connect_one(around, opened)

    assert opened.server_key == "apps/desk/mail"
    assert await attached(around, mail) == "Bearer CANARY-access-1"
    assert await attached(around, desk().servers[0]) == "AccountNotConnected"


@pytest.mark.parametrize("server", ["apps/desk", "apps/desk/open", "apps/desk/none"])
async def test_a_link_to_what_has_no_account_leads_nowhere(server: str) -> None:
    around = context(Service(), configured=config(desk()))

    with pytest.raises(Refused, match="FlowEnded"):
        Connector(around).opened(ISSUER, [("route", server), ("for", "x")], person=ANNA)


async def test_a_server_that_was_pointed_elsewhere_gets_no_account() -> None:
    around = context(Service(), configured=config(desk()))
    await connect_one(around, desk())
    await connect_one(around, desk())

    moved = desk(mail_url="https://evil.example/mcp").servers[1]

    assert await attached(around, moved) == "AccountNotConnected"


async def test_an_account_of_a_route_with_one_server_is_none_of_a_server_of_the_same_name() -> None:
    alone = Route(
        namespace="apps", name="desk", display_name="Desk", url=f"{ISSUER}/apps/desk",
        issuer=ISSUER, upstream=Upstream(url="https://code.example/mcp"), auth=AUTH,
    )  # fmt: skip
    around = context(Service(), configured=config(alone))
    await connect_one(around, alone)

    assert await attached(around, desk().servers[0]) == "AccountNotConnected"
