"""Rules 116, 117, 127, 128, 134: who began connecting an account ends it, there and then."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from ostiary_proxy.identity import Person
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.upstream.connect import Connector
from ostiary_proxy.upstream.context import Context
from ostiary_proxy.upstream.credentials import UpstreamCredentials
from ostiary_proxy.upstream.link import link
from upstream_parts import (
    ANNA,
    BEN,
    ISSUER,
    NOW,
    SERVICE,
    Clock,
    Log,
    Service,
    call,
    config,
    connect,
    context,
    route,
)

Query = list[tuple[str, str]]


async def departed(around: Context, person: Person = ANNA) -> str:
    """Begin connecting; returns the state."""
    url = await Connector(around).start(route(), person, browser="anna's browser", back="/back")
    return dict(parse_qsl(urlsplit(url).query))["state"]


async def landed(
    around: Context,
    query: Query,
    *,
    person: Person = ANNA,
    browser: str = "anna's browser",
    issuer: str = ISSUER,
) -> str:
    """Return `back`, or the code of the refusal."""
    try:
        return await Connector(around).finish(
            issuer, query, person=person, browser=browser, now=NOW
        )
    except Refused as refused:
        return refused.code


async def connected(around: Context, person: Person = ANNA) -> bool:
    return not await Connector(around).needed(route(), person)


async def test_the_browser_goes_to_the_service_with_pkce_and_comes_back_to_where_it_began() -> None:
    around = context(Service())
    url = await Connector(around).start(route(), ANNA, browser="anna's browser", back="/back")
    asked = dict(parse_qsl(urlsplit(url).query))

    assert url.startswith(f"{SERVICE}/authorize?")
    assert {key: asked[key] for key in ("client_id", "redirect_uri", "scope")} == {
        "client_id": "ostiary",
        "redirect_uri": f"{ISSUER}/account/callback",
        "scope": "repo",
    }
    assert asked["code_challenge_method"] == "S256"
    assert await landed(around, [("code", "c"), ("state", asked["state"])]) == "/back"
    assert await connected(around)


async def test_a_flight_lands_once() -> None:
    around = context(Service())
    query = [("code", "c"), ("state", await departed(around))]

    assert await landed(around, query) == "/back"
    assert await landed(around, query) == "FlowEnded"


async def test_a_flight_ends_after_ten_minutes() -> None:
    clock = Clock()
    around = context(Service(), clock=clock)
    query = [("code", "c"), ("state", await departed(around))]
    clock.now = NOW + 601

    assert await landed(around, query) == "FlowEnded"
    assert not await connected(around)


async def test_a_callback_in_another_browser_connects_nothing() -> None:
    around = context(Service())
    query = [("code", "c"), ("state", await departed(around))]

    assert await landed(around, query, browser="mallory's browser") == "FlowEnded"
    assert await landed(around, query) == "FlowEnded"
    assert not await connected(around)


async def test_a_callback_of_another_person_connects_nothing_to_either() -> None:
    around = context(Service())
    query = [("code", "c"), ("state", await departed(around))]

    assert await landed(around, query, person=BEN) == "OtherPerson"
    assert not await connected(around, ANNA)
    assert not await connected(around, BEN)


async def test_a_callback_at_another_host_connects_nothing() -> None:
    around = context(Service())
    query = [("code", "c"), ("state", await departed(around))]

    assert await landed(around, query, issuer="https://other.example") == "FlowEnded"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ([("state", "guessed")], "FlowEnded"),
        ([], "FlowEnded"),
        ([("state", "{state}"), ("state", "{state}")], "FlowEnded"),
        ([("state", "{state}"), ("code", "other")], "LoginFailed"),
        ([("state", "{state}"), ("iss", "https://evil.example")], "LoginFailed"),
        ([("state", "{state}"), ("iss", f"{SERVICE}/")], "LoginFailed"),
        ([("state", "{state}"), ("error", "x"), ("iss", "https://evil.example")], "LoginFailed"),
        ([("state", "{state}"), ("error", "access_denied")], "AccessDenied"),
    ],
)
async def test_a_service_that_lies_or_says_no_connects_nothing(changed: Query, code: str) -> None:
    log, service = Log(), Service()
    around = context(service, log=log)
    state = await departed(around)
    query = [("code", "c"), *((name, value.format(state=state)) for name, value in changed)]

    assert await landed(around, query) == code
    assert not await connected(around)
    assert service.issued == []
    assert log.events == ([] if code == "FlowEnded" else ["account-refused"])


async def test_a_service_that_is_away_is_said_to_be_away() -> None:
    service = Service()
    around = context(service)
    state = await departed(around)
    service.broken = "connect"

    assert await landed(around, [("code", "c"), ("state", state)]) == "UpstreamUnavailable"


async def test_a_route_that_was_pointed_elsewhere_meanwhile_gets_no_account() -> None:
    store = MemoryStore(Clock())
    state = await departed(context(Service(), store=store))
    moved = config(route(url="https://evil.example/mcp"))

    around = context(Service(), store=store, configured=moved)
    assert await landed(around, [("code", "c"), ("state", state)]) == "FlowEnded"


async def test_an_account_that_can_not_be_written_down_is_not_connected() -> None:
    log = Log()
    around = context(Service(), log=log)
    state = await departed(around)
    log.full = True

    assert await landed(around, [("code", "c"), ("state", state)]) == "AuditUnavailable"
    assert not await connected(around)


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "back", "/a\\b", "/a\n"]
)
async def test_the_way_back_is_a_path_of_ours(back: str) -> None:
    with pytest.raises(Refused, match="FlowEnded"):
        await Connector(context(Service())).start(route(), ANNA, browser="b", back=back)


def opened(around: Context, query: Query, person: Person, issuer: str = ISSUER) -> str:
    try:
        return Connector(around).opened(issuer, query, person=person).key
    except Refused as refused:
        return refused.code


async def test_the_link_in_a_calls_error_opens_for_the_person_of_the_call_only() -> None:
    around = context(Service())
    with pytest.raises(Refused) as refused:
        await UpstreamCredentials(around).attach(call(ANNA))
    assert isinstance(refused.value.data, dict)
    query = parse_qsl(urlsplit(str(refused.value.data["url"])).query)

    assert opened(around, query, ANNA) == "apps/github"
    assert opened(around, query, BEN) == "OtherPerson"
    assert opened(around, query, ANNA, "https://other.example") == "FlowEnded"
    assert opened(around, [("route", "apps/github")], ANNA) == "OtherPerson"
    assert opened(around, [*query, *query], ANNA) == "FlowEnded"
    assert opened(around, [("route", "apps/none"), query[1]], ANNA) == "FlowEnded"


def test_the_link_carries_no_personal_data_and_no_secret() -> None:
    around = context(Service())
    url = link(around.rings.seal, route(), ANNA)

    assert [part for part in ("anna", "example.com", "idp") if part in url] == []
    assert link(around.rings.seal, route(), BEN) != url


async def test_connecting_anew_replaces_the_account() -> None:
    service, log = Service(), Log()
    around = context(service, log=log)

    await connect(around)
    await connect(around)

    headers = await UpstreamCredentials(around).attach(call())
    assert headers == (("authorization", "Bearer CANARY-access-2"),)
    assert log.events == ["account-connected", "account-connected"]
    assert log.records[0].personal == {
        "identity_issuer": "https://idp.example",
        "subject": "anna",
    }
