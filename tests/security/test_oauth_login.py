"""Login: lying providers, hand-off fixation, replay, cookies (rules 129, 134; decision 2)."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from oauth_parts import (
    CALLBACK,
    HOME,
    IDP,
    MANY,
    TOOLS,
    Browser,
    World,
    authorize,
    location,
    query_of,
    text,
)
from ostiary.config.document import IdentityProvider
from ostiary_proxy.oauth.grants import listed, revoke_person
from ostiary_proxy.wire import Reply


async def to_provider(world: World, browser: Browser) -> str:
    """Return the provider's address that `browser` is sent to."""
    client = (await world.register())["client_id"]
    onward = location(await browser.get(authorize(client)))
    leave = location(await browser.get(onward))
    assert leave.startswith(f"{IDP}/authorize?")
    return leave


def unsigned(claims: dict[str, Any]) -> str:
    return f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(claims)}."


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def with_public_key(world: World) -> Any:
    def sign(claims: dict[str, Any]) -> str:
        signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims)}"
        key = json.dumps(world.idp.keys.jwks()["keys"][0]).encode()
        mac = hmac.new(key, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    return sign


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["ostiary", "another"]},
        {"aud": ["ostiary", "another"], "azp": "another"},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"iss": f"{IDP}/"},
        {"exp": 1},
        {"exp": None},
        {"iat": 9_999_999_999},
        {"sub": None},
        {"sub": ""},
        {"sub": "a" * 256},
        {"sub": 7},
        {"groups": [1]},
        {"groups": {"a": 1}},
        {"large": "x" * 20_000},
    ],
)
async def test_an_id_token_that_does_not_hold_logs_nobody_in(lie: dict[str, Any]) -> None:
    world = World()
    browser = Browser(world)
    leave = await to_provider(world, browser)
    world.idp.claims = lie
    reply = await browser.to_page(leave)
    assert isinstance(reply, Reply)
    assert reply.status == 403
    assert "could not be trusted" in text(reply)
    assert "logged-in" not in world.log.events
    assert world.log.records[-1].facts["code"] == "LoginFailed"


@pytest.mark.parametrize("how", ["none", "public key as secret", "another key"])
async def test_an_id_token_with_another_signature_logs_nobody_in(how: str) -> None:
    world = World()
    forger = World()
    world.idp.sign = {
        "none": unsigned,
        "public key as secret": with_public_key(world),
        "another key": forger.idp.keys.sign,
    }[how]
    world.idp.algorithms = ["ES256", "HS256", "none"]
    reply = await Browser(world).to_page(await to_provider(world, Browser(world)))
    assert isinstance(reply, Reply)
    assert reply.status == 403


async def test_new_keys_of_the_provider_are_fetched_once_and_not_on_every_lie() -> None:
    world = World()
    await Browser(world).walk(authorize((await world.register())["client_id"]))
    world.clock.now += 31
    world.idp.rotate()
    await Browser(world).walk(authorize((await world.register())["client_id"]))
    assert world.idp.jwks_fetches == 2
    world.idp.sign = World().idp.keys.sign
    for _ in range(3):
        reply = await Browser(world).to_page(authorize((await world.register())["client_id"]))
        assert isinstance(reply, Reply)
    assert world.idp.jwks_fetches == 2


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_unverified_email_is_no_email(verified: object) -> None:
    world = World()
    world.idp.claims = {"email_verified": verified}
    await world.logged_in()
    person = (await anext(listed(world.context))).person
    assert (person.email, person.claims) == (None, {"groups": ["engineering"]})


async def test_groups_that_the_provider_does_not_send_are_unknown_and_not_none() -> None:
    world = World()
    world.idp.claims = {"groups": None}
    await world.logged_in()
    assert (await anext(listed(world.context))).grant().person.groups is None


async def test_userinfo_fills_in_what_the_id_token_leaves_out() -> None:
    world = World()
    world.idp.claims = {"groups": None, "email": None, "email_verified": None}
    world.idp.userinfo = {
        "sub": "anna",
        "groups": ["on-call"],
        "email": "anna@example.com",
        "email_verified": True,
    }
    await world.logged_in()
    person = (await anext(listed(world.context))).person
    assert (person.email, person.groups) == ("anna@example.com", ("on-call",))


async def test_userinfo_verifies_no_email_of_the_id_token() -> None:
    world = World()
    world.idp.claims = {"groups": None, "email": "boss@example.com", "email_verified": None}
    world.idp.userinfo = {"sub": "anna", "email": "anna@example.com", "email_verified": True}
    await world.logged_in()
    assert (await anext(listed(world.context))).person.email is None


async def test_userinfo_of_somebody_else_logs_nobody_in() -> None:
    world = World()
    world.idp.claims = {"groups": None}
    world.idp.userinfo = {"sub": "ben", "groups": ["admins"]}
    reply = await Browser(world).to_page(authorize((await world.register())["client_id"]))
    assert isinstance(reply, Reply)
    assert reply.status == 403


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        ("a, b c", ("a", "b", "c")),
        (["with space"], ("with space",)),
        ([], ()),
        ("", ()),
    ],
)
async def test_groups_are_a_list_or_words(claim: object, groups: tuple[str, ...]) -> None:
    world = World()
    world.idp.claims = {"groups": claim}
    await world.logged_in()
    assert (await anext(listed(world.context))).person.groups == groups


async def test_the_same_subject_at_two_providers_is_two_people() -> None:
    world = World()
    await world.logged_in()
    other = "https://other.example"
    assert await revoke_person(world.context, other, "anna", reason="test") == 0
    assert [row.revoked async for row in listed(world.context)] == [None]


@pytest.mark.parametrize("query", ["", "?state=x&code=y", "?code=y", "?state=a&state=b&code=c"])
async def test_a_callback_without_a_login_under_way_is_refused(query: str) -> None:
    reply = await World().send("GET", f"{CALLBACK}{query}")
    assert (reply.status, "set-cookie" in dict(reply.headers)) == (400, False)


async def test_state_and_hand_off_work_once() -> None:
    world = World()
    browser = Browser(world)
    callback = world.idp.log_in(await to_provider(world, browser))
    handoff = location(await browser.get(callback))
    assert (await browser.get(callback)).status == 400
    assert (await browser.get(handoff)).status == 303
    assert (await browser.get(handoff)).status == 400


async def test_a_hand_off_code_is_worth_nothing_in_another_browser() -> None:
    """An attacker's login can't be planted in a victim's browser, nor a victim's be taken away."""
    world = World()
    left, other = Browser(world, "mallory"), Browser(world)
    callback = world.idp.log_in(await to_provider(world, left), "mallory")
    handoff = location(await left.get(callback))
    await to_provider(world, other)
    before = dict(other.cookies[TOOLS])
    reply = await other.get(handoff)
    assert reply.status == 400
    assert other.cookies[TOOLS] == before
    assert (await left.get(handoff)).status == 400


async def test_a_hand_off_code_is_worth_nothing_on_another_origin() -> None:
    world = World()
    browser = Browser(world)
    handoff = location(await browser.get(world.idp.log_in(await to_provider(world, browser))))
    browser.cookies[MANY] = browser.cookies[TOOLS]
    assert (await browser.get(handoff.replace(TOOLS, MANY))).status == 400


async def test_the_callback_is_served_at_home_only() -> None:
    world = World()
    assert await world.serve("GET", f"{TOOLS}/login/callback?state=x&code=y") is None


async def test_the_way_goes_back_to_the_issuer_it_left_from_whatever_the_query_says() -> None:
    world = World()
    browser = Browser(world)
    callback = world.idp.log_in(await to_provider(world, browser))
    handoff = location(await browser.get(f"{callback}&back=https://evil.example&issuer=x"))
    assert handoff.startswith(f"{TOOLS}/login/return?code=")
    onward = location(await browser.get(f"{handoff}&back=https://evil.example"))
    assert onward.startswith(f"{TOOLS}/authorize/continue?tx=")


async def test_a_planted_login_cookie_becomes_nobodys_and_the_id_is_new_after_login() -> None:
    world = World()
    browser = Browser(world)
    browser.cookies[TOOLS] = {"__Host-ostiary-login": "f" * 43}
    await browser.to_page(authorize((await world.register())["client_id"]))
    first = browser.cookies[TOOLS]["__Host-ostiary-login"]
    assert first != "f" * 43
    world.clock.now += 8 * 3600
    await browser.to_page(authorize((await world.register())["client_id"]))
    assert browser.cookies[TOOLS]["__Host-ostiary-login"] != first


async def test_a_cookie_that_stands_twice_is_no_cookie() -> None:
    world = World()
    browser = Browser(world)
    await browser.walk(authorize((await world.register())["client_id"]))
    login = browser.cookies[TOOLS]["__Host-ostiary-login"]
    twice = f"__Host-ostiary-login={login}; __Host-ostiary-login={login}"
    reply = await world.send("GET", f"{TOOLS}/account", headers={"cookie": twice})
    assert location(reply).startswith(IDP)


async def test_a_login_of_one_origin_is_none_on_another() -> None:
    world = World()
    browser = Browser(world)
    await browser.walk(authorize((await world.register())["client_id"]))
    browser.cookies[MANY] = browser.cookies[TOOLS]
    assert location(await browser.get(f"{MANY}/account")).startswith(IDP)


async def test_a_person_who_is_cut_off_logs_in_again() -> None:
    world = World()
    browser = Browser(world)
    await browser.walk(authorize((await world.register())["client_id"]))
    await revoke_person(world.context, IDP, "anna", reason="test")
    assert location(await browser.get(f"{TOOLS}/account")).startswith(IDP)


async def test_a_provider_that_is_away_is_a_clear_page_and_the_next_try_works() -> None:
    world = World()
    client = (await world.register())["client_id"]
    browser = Browser(world)
    world.idp.away = True
    reply = await browser.to_page(authorize(client))
    assert isinstance(reply, Reply)
    assert reply.status == 503
    assert "can't be reached" in text(reply)
    world.idp.away = False
    assert "code" in query_of(await browser.walk(authorize(client)))


async def test_the_development_provider_logs_nobody_in_where_the_gateway_is_public() -> None:
    world = World()
    provider = IdentityProvider(issuer=IDP, client_id="ostiary", development=True)
    gateway = world.config.gateway.model_copy(update={"identity_provider": provider})
    world.config = world.config.model_copy(update={"gateway": gateway})
    world.again()
    reply = await Browser(world).to_page(authorize((await world.register())["client_id"]))
    assert isinstance(reply, Reply)
    assert reply.status == 503


async def test_a_login_that_the_person_cancels_is_said_so() -> None:
    world = World()
    browser = Browser(world)
    state = query_of(await to_provider(world, browser))["state"]
    reply = await browser.get(f"{CALLBACK}?error=access_denied&state={state}&iss={IDP}")
    assert (reply.status, "the login was cancelled" in text(reply)) == (403, True)


async def test_an_answer_of_another_issuer_is_not_even_shown() -> None:
    world = World()
    browser = Browser(world)
    state = query_of(await to_provider(world, browser))["state"]
    reply = await browser.get(f"{CALLBACK}?error=lies&state={state}&iss=https://evil.example")
    assert reply.status == 403
    assert "lies" not in text(reply)
    assert HOME not in text(reply)
