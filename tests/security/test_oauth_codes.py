"""Codes: replay, PKCE, another client, another resource (rules 78, 84, 85, security decision 3)."""

from typing import Any

import pytest

from oauth_parts import APP, HOME, MANY, TOOLS, VERIFIER, Browser, World, authorize, query_of
from ostiary_proxy.refused import Refused


async def a_code(world: World) -> tuple[str, str]:
    client = (await world.register())["client_id"]
    return client, query_of(await Browser(world).walk(authorize(client)))["code"]


async def test_a_replayed_code_gives_nothing_and_kills_what_it_gave() -> None:
    world = World()
    client, code = await a_code(world)
    _, tokens = await world.redeem(client, code)
    assert (await world.redeem(client, code))[1]["error"] == "invalid_grant"
    assert (await world.refresh(client, tokens["refresh_token"]))[1]["error"] == "invalid_grant"
    world.clock.now += 0.5
    with pytest.raises(Refused, match="InvalidToken"):
        await world.authority.present(tokens["access_token"], world.config.routes[0], world.clock())
    assert "grant-revoked" in world.log.events


async def test_a_replay_that_comes_while_the_grant_is_being_made_wins() -> None:
    world = World()
    client, code = await a_code(world)
    write = world.store.put
    replays: list[Any] = []

    async def put(table: str, key: str, value: bytes, **more: object) -> int:
        if table == "grant" and not replays:
            replays.append(key)
            await world.redeem(client, code)
        return await write(table, key, value, **more)  # type: ignore[arg-type]

    world.store.put = put  # type: ignore[method-assign]
    assert (await world.redeem(client, code))[1]["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"redirect_uri": "https://app.example/other"}, "invalid_grant"),
        ({"resource": f"{MANY}/a"}, "invalid_target"),
        ({"resource": f"{TOOLS}/mcp/"}, "invalid_target"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_secret": "guess"}, "invalid_client"),
    ],
)
async def test_a_code_redeems_only_as_it_was_asked_for(changed: dict[str, str], error: str) -> None:
    world = World()
    client, code = await a_code(world)
    assert (await world.redeem(client, code, **changed))[1]["error"] == error
    assert (await world.redeem(client, "made-up"))[1]["error"] == "invalid_grant"


async def test_a_code_of_one_client_is_nothing_to_another_client_or_issuer() -> None:
    world = World()
    client, code = await a_code(world)
    other = (await world.register())["client_id"]
    assert (await world.redeem(other, code))[1]["error"] == "invalid_grant"
    elsewhere = (await world.register(MANY))["client_id"]
    assert (await world.redeem(elsewhere, code, MANY))[1]["error"] == "invalid_grant"
    assert (await world.redeem(client, code, MANY))[1]["error"] == "invalid_client"
    assert (await world.redeem(client, code))[0] == 200


async def test_two_resources_are_refused_even_where_both_are_right() -> None:
    world = World()
    client, code = await a_code(world)
    fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("resource", f"{TOOLS}/mcp"),
        ("resource", f"{TOOLS}/mcp"),
    ]
    reply = await world.form(f"{TOOLS}/token", fields)
    assert reply.status == 400
    assert b"invalid_target" in reply.body
    reply = await world.form(f"{TOOLS}/token", [*fields[:-2], ("code", code)])
    assert b"invalid_request" in reply.body


async def test_a_code_ends_after_a_minute() -> None:
    world = World()
    client, code = await a_code(world)
    world.clock.now += 60
    assert (await world.redeem(client, code))[1]["error"] == "invalid_grant"


async def test_a_code_of_a_person_cut_off_since_gives_nothing() -> None:
    from ostiary_proxy.oauth.grants import revoke_person

    world = World()
    client, code = await a_code(world)
    await revoke_person(world.context, "https://idp.example", "anna", reason="test")
    assert (await world.redeem(client, code))[1]["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request_uri": "https://evil.example/r"}, "invalid_request"),
        ({"resource": f"{MANY}/a"}, "invalid_target"),
        ({"resource": HOME}, "invalid_target"),
    ],
)
async def test_a_request_without_pkce_or_for_another_resource_gets_no_page(
    changed: dict[str, str], error: str
) -> None:
    world = World()
    client = (await world.register(TOOLS, "http://localhost/cb"))["client_id"]
    uri = "http://localhost:5000/cb"
    end = await Browser(world).to_page(authorize(client, redirect_uri=uri, **changed))
    assert isinstance(end, str)
    answer = query_of(end)
    assert end.startswith(f"{uri}?error=")
    assert (answer["error"], answer["iss"], answer["state"]) == (error, TOOLS, "st")


async def test_two_resources_at_authorize_are_refused() -> None:
    world = World()
    client = (await world.register(TOOLS, "http://localhost/cb"))["client_id"]
    url = authorize(client, redirect_uri="http://localhost/cb") + f"&resource={TOOLS}/mcp"
    assert query_of(str(await Browser(world).to_page(url)))["error"] == "invalid_target"


async def test_without_a_resource_an_origin_with_several_routes_refuses() -> None:
    world = World()
    client = (await world.register(MANY, "http://localhost/cb"))["client_id"]
    url = authorize(client, MANY, redirect_uri="http://localhost/cb")
    assert query_of(str(await Browser(world).to_page(url)))["error"] == "invalid_target"


@pytest.mark.parametrize("uri", [f"{APP}/", f"{APP}?x=1", "https://evil.example/", "javascript:a"])
async def test_an_unregistered_redirect_uri_gets_a_page_and_no_redirect(uri: str) -> None:
    world = World()
    client = (await world.register())["client_id"]
    reply = await world.send("GET", authorize(client, redirect_uri=uri))
    assert reply.status == 400
    assert "location" not in dict(reply.headers)
    reply = await world.send("GET", authorize("unknown-client"))
    assert (reply.status, "location" in dict(reply.headers)) == (400, False)


async def test_a_request_with_a_fault_does_not_make_us_an_open_redirector() -> None:
    world = World()
    client = (await world.register(TOOLS, "https://evil.example/cb"))["client_id"]
    url = authorize(client, redirect_uri="https://evil.example/cb", response_type="bad")
    reply = await world.send("GET", url)
    assert reply.status == 400
    assert "location" not in dict(reply.headers)
