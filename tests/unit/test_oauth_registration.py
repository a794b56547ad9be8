import json
from typing import Any

import pytest

from oauth_parts import APP, CLAUDE, TOOLS, World
from ostiary_proxy.oauth.redirects import CURSOR


async def test_a_registration_is_echoed_without_nulls() -> None:
    world = World()
    answer = await world.register(TOOLS, CLAUDE, application_type="web", logo_uri="https://x/y.png")
    assert "://" not in answer["client_id"]
    assert {**answer, "client_id": ""} == {
        "client_id": "",
        "client_id_issued_at": int(world.clock()),
        "client_name": "Agent",
        "redirect_uris": [CLAUDE],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "mcp",
        "application_type": "web",
    }


async def test_without_a_method_the_client_gets_a_secret_as_the_rfc_says() -> None:
    world = World()
    reply = await world.send(
        "POST",
        f"{TOOLS}/register",
        headers={"content-type": "application/json"},
        body=json.dumps({"redirect_uris": [APP]}).encode(),
    )
    answer = json.loads(reply.body)
    assert answer["token_endpoint_auth_method"] == "client_secret_basic"
    assert answer["client_secret_expires_at"] == 0
    assert answer["client_name"] == "app.example"


async def test_cursor_registers_its_three_addresses_at_once() -> None:
    await World().register(
        TOOLS,
        CURSOR,
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    )


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": [APP] * 11}, "invalid_redirect_uri"),
        ({"redirect_uris": APP}, "invalid_redirect_uri"),
        ({"redirect_uris": [APP, "javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [7]}, "invalid_redirect_uri"),
        ({"client_name": "a" * 65}, "invalid_client_metadata"),
        ({"client_name": "Claude\u202e"}, "invalid_client_metadata"),
        ({"client_name": "a\nb"}, "invalid_client_metadata"),
        ({"client_name": "zero\u200bwidth"}, "invalid_client_metadata"),
        ({"client_name": ["x"]}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
    ],
)
async def test_a_registration_that_is_not_acceptable_says_why(
    changed: dict[str, Any], error: str
) -> None:
    answer = await World().register(TOOLS, expect=400, **changed)
    assert answer["error"] == error


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b'{"redirect_uris": ["https://a/"], "redirect_uris": ["https://b/"]}', "application/json"),
        (b"{}", "text/plain"),
    ],
)
async def test_a_body_that_can_not_be_read_for_sure_is_refused(body: bytes, media: str) -> None:
    reply = await World().send(
        "POST", f"{TOOLS}/register", headers={"content-type": media}, body=body
    )
    assert (reply.status, json.loads(reply.body)["error"]) == (400, "invalid_client_metadata")


async def test_a_registration_nobody_consents_to_ends_after_a_day_and_a_used_one_later() -> None:
    world = World()
    unused = (await world.register())["client_id"]
    used, tokens = await world.logged_in()
    world.clock.now += 86_401
    status, answer = await world.refresh(unused, "x")
    assert (status, answer["error"]) == (401, "invalid_client")
    status, tokens = await world.refresh(used, tokens["refresh_token"])
    assert status == 200
    world.clock.now += 25 * 86_400
    assert (await world.refresh(used, tokens["refresh_token"]))[0] == 200
