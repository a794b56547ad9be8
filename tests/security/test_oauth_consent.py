"""Consent: bypass, forged forms, other clients, remembered too much (rules 130-134, decision 8)."""

import pytest

from oauth_parts import (
    APP,
    GITHUB,
    IDP,
    TOOLS,
    Browser,
    World,
    authorize,
    form_of,
    location,
    query_of,
    text,
)
from ostiary.config.document import OAuth2Auth
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth.consents import forget
from ostiary_proxy.oauth.redirects import CURSOR
from ostiary_proxy.wire import Reply

EVIL = "https://evil.example"


async def asked(world: World, browser: Browser, url: str = "") -> tuple[Reply, dict[str, str]]:
    """Return a consent page and its hidden fields."""
    page = await browser.to_page(url or authorize((await world.register())["client_id"]))
    assert isinstance(page, Reply)
    return page, form_of(page)[1]


@pytest.mark.parametrize("origin", [EVIL, "null", None])
async def test_a_form_of_another_page_decides_nothing(origin: str | None) -> None:
    world = World()
    browser = Browser(world)
    _, fields = await asked(world, browser)
    url = f"{TOOLS}/authorize/decision"
    reply = await browser.post(url, fields | {"approve": "yes"}, origin)
    assert reply.status == 403
    assert "consent-given" not in world.log.events


async def test_a_form_without_or_with_anothers_proof_decides_nothing() -> None:
    world = World()
    browser, other = Browser(world), Browser(world, "mallory")
    _, fields = await asked(world, browser)
    _, foreign = await asked(world, other)
    url = f"{TOOLS}/authorize/decision"
    for proof in ("", "x", foreign["proof"]):
        reply = await browser.post(url, fields | {"proof": proof, "approve": "yes"})
        assert reply.status == 403
    assert "consent-given" not in world.log.events


async def test_a_yes_for_one_request_is_none_for_another() -> None:
    world = World()
    browser = Browser(world)
    _, fields = await asked(world, browser)
    _, other = await asked(world, browser)
    fields["tx"] = other["tx"]
    reply = await browser.post(f"{TOOLS}/authorize/decision", fields | {"approve": "yes"})
    assert reply.status == 403


async def test_a_transaction_of_another_browser_is_nobodys() -> None:
    world = World()
    browser, other = Browser(world), Browser(world, "mallory")
    _, fields = await asked(world, browser)
    await asked(world, other)
    reply = await other.get(f"{TOOLS}/authorize/continue?tx={fields['tx']}")
    assert reply.status == 400
    reply = await other.post(f"{TOOLS}/authorize/decision", fields | {"approve": "yes"})
    assert reply.status == 400


async def test_opening_the_later_steps_directly_skips_no_consent() -> None:
    world = World()
    browser = Browser(world)
    client = (await world.register(GITHUB))["client_id"]
    _, fields = await asked(world, browser, authorize(client, GITHUB))
    for _ in range(2):
        page = await browser.get(f"{GITHUB}/authorize/continue?tx={fields['tx']}")
        assert page.status == 200
    assert world.accounts.started == []
    reply = await browser.get(f"{GITHUB}/authorize/continue?tx={'x' * 43}")
    assert reply.status == 400
    assert (await Browser(world).get(f"{GITHUB}/account/callback?state=0")).status == 400


async def test_a_yes_can_not_be_sent_twice() -> None:
    world = World()
    browser = Browser(world)
    _, fields = await asked(world, browser)
    url = f"{TOOLS}/authorize/decision"
    onward = location(await browser.post(url, fields | {"approve": "yes"}))
    assert "code" in query_of(str(await browser.to_page(onward)))
    assert (await browser.post(url, fields | {"approve": "yes"})).status == 400
    assert (await browser.get(onward)).status == 400


@pytest.mark.parametrize("approve", ["no", "", "true", "YES"])
async def test_anything_but_a_yes_is_a_no(approve: str) -> None:
    world = World()
    browser = Browser(world)
    _, fields = await asked(world, browser)
    reply = await browser.post(f"{TOOLS}/authorize/decision", fields | {"approve": approve})
    assert query_of(location(reply))["error"] == "access_denied"
    assert (await browser.get(f"{TOOLS}/authorize/continue?tx={fields['tx']}")).status == 400


async def test_another_person_in_the_same_browser_is_asked_again() -> None:
    world = World()
    browser = Browser(world)
    client = (await world.register())["client_id"]
    await browser.walk(authorize(client))
    world.clock.now += 8 * 3600
    browser.person = "ben"
    assert isinstance(await browser.to_page(authorize(client)), Reply)


async def test_a_yes_of_one_person_is_not_used_by_the_next_one_in_the_browser() -> None:
    world = World()
    browser = Browser(world)
    _, fields = await asked(world, browser)
    onward = location(
        await browser.post(f"{TOOLS}/authorize/decision", fields | {"approve": "yes"})
    )
    del browser.cookies[TOOLS]["__Host-ostiary-login"]
    browser.person = "ben"
    page = await browser.to_page(onward)
    assert isinstance(page, Reply)
    assert "ben@example.com" in text(page)


@pytest.mark.parametrize("changed", ["redirect", "upstream scopes", "name"])
async def test_remembered_consent_covers_exactly_what_was_shown(changed: str) -> None:
    world = World()
    browser = Browser(world)
    client = (await world.register(GITHUB, APP, f"{APP}/2"))["client_id"]
    await browser.walk(authorize(client, GITHUB))
    assert not isinstance(await browser.to_page(authorize(client, GITHUB)), Reply)
    url = authorize(client, GITHUB)
    if changed == "redirect":
        url = authorize(client, GITHUB, redirect_uri=f"{APP}/2")
    elif changed == "upstream scopes":
        route = world.config.routes[3]
        assert isinstance(route.auth, OAuth2Auth)
        wider = route.auth.model_copy(update={"scopes": ("repo", "read:user", "admin:org")})
        routes = (*world.config.routes[:3], route.model_copy(update={"auth": wider}))
        world.config = world.config.model_copy(update={"routes": routes})
        world.again()
    else:
        row = world.store._rows["client"][f"{GITHUB} {client}"]
        await world.store.put(
            "client", row.key, row.value.replace(b"Agent", b"Other"), expires=row.expires
        )
    assert isinstance(await browser.to_page(url), Reply)


@pytest.mark.parametrize("uri", ["http://localhost/cb", CURSOR])
async def test_a_receiver_that_any_program_can_pose_as_is_asked_every_time(uri: str) -> None:
    world = World()
    browser = Browser(world)
    client = (await world.register(TOOLS, uri))["client_id"]
    url = authorize(client, redirect_uri=uri)
    assert "code" in query_of(await browser.walk(url))
    assert isinstance(await browser.to_page(url), Reply)


async def test_forgotten_consent_is_asked_again() -> None:
    world = World()
    browser = Browser(world)
    client = (await world.register())["client_id"]
    await browser.walk(authorize(client))
    await forget(world.context, Person(issuer=IDP, subject="anna"), TOOLS, client)
    assert isinstance(await browser.to_page(authorize(client)), Reply)


async def test_a_connect_link_opened_by_another_person_is_refused() -> None:
    world = World()
    url = f"{GITHUB}/account/connect?route=apps/github&for=anna"
    reply = await Browser(world, "ben").to_page(url)
    assert isinstance(reply, Reply)
    assert (reply.status, "somebody else" in text(reply)) == (403, True)
    reply = await Browser(world).to_page(url)
    assert isinstance(reply, Reply)
    assert "Your account is connected" in text(reply)


async def test_a_grant_of_somebody_else_is_not_revoked_from_ones_page() -> None:
    world = World()
    await world.logged_in()
    from ostiary_proxy.oauth.grants import listed

    gid = (await anext(listed(world.context))).gid
    browser = Browser(world, "ben")
    await world.logged_in(person="ben")
    page = await browser.to_page(f"{TOOLS}/account")
    assert isinstance(page, Reply)
    proof = form_of(page)[1]["proof"]
    reply = await browser.post(f"{TOOLS}/account/revoke", {"proof": proof, "grant": gid})
    assert reply.status == 403
    assert [row.revoked async for row in listed(world.context)] == [None, None]


async def test_a_closed_route_is_not_consented_to() -> None:
    world = World()
    routes = tuple(r.model_copy(update={"suspended": True}) for r in world.config.routes)
    world.config = world.config.model_copy(update={"routes": routes})
    world.again()
    client = (await world.register(TOOLS, "http://localhost/cb"))["client_id"]
    end = await Browser(world).to_page(authorize(client, redirect_uri="http://localhost:1/cb"))
    assert query_of(str(end))["error"] == "temporarily_unavailable"
