import json

from oauth_parts import (
    APP,
    GITHUB,
    LOOPBACK,
    MANY,
    TOOLS,
    Browser,
    World,
    authorize,
    query_of,
    text,
)
from ostiary_proxy.identity import Client, Person
from ostiary_proxy.wire import Reply


async def test_a_person_logs_in_consents_and_the_client_gets_tokens_for_one_route() -> None:
    world = World()
    client = (await world.register())["client_id"]
    end = await Browser(world).walk(authorize(client))

    answer = query_of(end)
    assert end.startswith(f"{APP}?")
    assert {**answer, "code": ""} == {"code": "", "state": "st", "iss": TOOLS}
    status, tokens = await world.redeem(client, answer["code"])
    assert status == 200
    assert {**tokens, "access_token": "", "refresh_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 600,
        "refresh_token": "",
        "scope": "mcp",
    }
    route = world.config.routes[0]
    presented = await world.authority.present(tokens["access_token"], route, world.clock())
    assert presented.grant.person == Person(
        issuer="https://idp.example",
        subject="anna",
        email="anna@example.com",
        groups=frozenset({"engineering"}),
        claims={"groups": ["engineering"]},
        auth_time=world.clock() - 5,
        login_source="192.0.2.1",
    )
    assert presented.grant.client == Client(id=client, name="Agent")
    assert (presented.grant.route, presented.grant.resource) == ("apps/tools", f"{TOOLS}/mcp")
    assert world.log.events == [
        "client-registered",
        "logged-in",
        "consent-given",
        "code-issued",
        "token-issued",
    ]


async def test_nothing_secret_is_in_the_audit_log_or_stored_in_clear() -> None:
    world = World()
    client = (await world.register())["client_id"]
    browser = Browser(world)
    end = await browser.walk(authorize(client))
    code = query_of(end)["code"]
    _, tokens = await world.redeem(client, code)
    cookies = [value for jar in browser.cookies.values() for value in jar.values()]
    secrets = [code, tokens["access_token"], tokens["refresh_token"], *cookies]
    stored = repr(world.store._rows)
    assert not [secret for secret in secrets if secret in world.log.text() or secret in stored]


async def test_an_access_token_says_who_and_for_what_but_no_email_and_no_groups() -> None:
    world = World()
    client, tokens = await world.logged_in()
    claims = world.rings.access.verify(
        tokens["access_token"], iss=TOOLS, aud=f"{TOOLS}/mcp", now=world.clock()
    )
    assert {**claims, "jti": "", "gid": ""} == {
        "iss": TOOLS,
        "sub": "anna",
        "aud": f"{TOOLS}/mcp",
        "client_id": client,
        "scope": "mcp",
        "gid": "",
        "jti": "",
        "iat": int(world.clock()),
        "exp": int(world.clock()) + 600,
    }


async def test_consent_names_everything_that_matters() -> None:
    world = World()
    client = (await world.register(TOOLS, APP, client_name="Claude"))["client_id"]
    page = await Browser(world).to_page(authorize(client))
    assert isinstance(page, Reply)
    shown = text(page)
    for part in ("Claude", "unverified", "app.example", "anna@example.com", "Tools", "search_*"):
        assert part in shown
    headers = dict(page.headers)
    assert "form-action" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert "<script" not in page.body.decode()


async def test_a_no_goes_back_to_the_client_as_access_denied() -> None:
    world = World()
    client = (await world.register())["client_id"]
    answer = query_of(await Browser(world).walk(authorize(client), approve="no"))
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "st", TOOLS)
    assert world.log.events[-1] == "consent-denied"


async def test_consent_is_remembered_for_an_https_client_and_the_same_question_only() -> None:
    world = World()
    client = (await world.register())["client_id"]
    browser = Browser(world)
    await browser.walk(authorize(client))
    assert "code" in query_of(str(await browser.to_page(authorize(client))))
    assert isinstance(await browser.to_page(authorize(client, prompt="consent")), Reply)
    other = (await world.register())["client_id"]
    assert isinstance(await browser.to_page(authorize(other)), Reply)


async def test_a_loopback_client_always_gets_one_click_and_a_warning() -> None:
    world = World()
    client = (await world.register(TOOLS, "http://127.0.0.1/callback"))["client_id"]
    browser = Browser(world)
    url = authorize(client, redirect_uri=LOOPBACK)
    assert (await browser.walk(url)).startswith(f"{LOOPBACK}?code=")
    page = await browser.to_page(url)
    assert isinstance(page, Reply)
    assert "a program on this computer" in text(page)


async def test_the_upstream_account_is_connected_after_consent_and_before_the_code() -> None:
    world = World()
    client = (await world.register(GITHUB))["client_id"]
    browser = Browser(world)
    page = await browser.to_page(authorize(client, GITHUB))
    assert isinstance(page, Reply)
    assert world.accounts.started == []
    assert "github.com" in text(page)
    assert "read:user" in text(page)
    end = await browser.to_page(await browser.answer(page, "yes"))
    assert world.accounts.connected == {("apps/github", "anna")}
    status, tokens = await world.redeem(client, query_of(str(end))["code"], GITHUB)
    assert status == 200
    presented = await world.authority.present(
        tokens["access_token"], world.config.routes[3], world.clock()
    )
    assert presented.grant.upstream_scopes == ("repo", "read:user")


async def test_a_login_serves_every_route_of_its_origin_but_no_other_origin() -> None:
    world = World()
    browser = Browser(world)
    many = (await world.register(MANY))["client_id"]
    await browser.walk(authorize(many, MANY, resource=f"{MANY}/a"))
    await browser.walk(authorize(many, MANY, resource=f"{MANY}/b"))
    assert world.log.events.count("logged-in") == 1
    await browser.walk(authorize((await world.register())["client_id"]))
    assert world.log.events.count("logged-in") == 2


async def test_a_confidential_client_proves_itself_as_it_registered() -> None:
    world = World()
    registered = await world.register(token_endpoint_auth_method="client_secret_post")
    client, secret = registered["client_id"], registered["client_secret"]
    code = query_of(await Browser(world).walk(authorize(client)))["code"]
    assert (await world.redeem(client, code))[0] == 401
    assert (await world.redeem(client, code, client_secret="wrong"))[0] == 401
    status, _ = await world.redeem(client, code, client_secret=secret)
    assert status == 200


async def test_the_account_page_lists_grants_revokes_one_and_logs_out() -> None:
    world = World()
    client = (await world.register())["client_id"]
    browser = Browser(world)
    code = query_of(await browser.walk(authorize(client)))["code"]
    _, tokens = await world.redeem(client, code)
    page = await browser.to_page(f"{TOOLS}/account")
    assert isinstance(page, Reply)
    assert "Agent uses Tools" in text(page)
    after = await browser.to_page(await browser.answer(page, ""))
    assert isinstance(after, Reply)
    assert "No MCP client has access" in text(after)
    assert (await world.refresh(client, tokens["refresh_token"]))[0] == 400
    assert isinstance(await browser.to_page(authorize(client)), Reply)  # consent is forgotten too
    proof = await browser.get(f"{TOOLS}/account")
    fields = {"proof": proof.body.decode().split('name="proof" value="')[1].split('"')[0]}
    assert (await browser.post(f"{TOOLS}/login/end", fields)).status == 200
    assert "__Host-ostiary-login" not in browser.cookies[TOOLS]


async def test_a_code_works_on_any_replica() -> None:
    world = World()
    client = (await world.register())["client_id"]
    code = query_of(await Browser(world).walk(authorize(client)))["code"]
    world.again()
    status, tokens = await world.redeem(client, code)
    world.again()
    assert status == 200
    assert (await world.refresh(client, tokens["refresh_token"]))[0] == 200


async def test_errors_are_oauth_errors_with_their_address() -> None:
    world = World()
    reply = await world.form(f"{TOOLS}/token", {"grant_type": "x", "client_id": "unknown-client"})
    assert (reply.status, json.loads(reply.body)) == (
        401,
        {
            "error": "invalid_client",
            "error_description": "this client is not registered here; register it again"
            " (https://ostiary.dev/docs/errors#invalidclient)",
        },
    )
