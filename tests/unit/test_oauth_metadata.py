import json

import pytest

from oauth_parts import GITHUB, HOME, MANY, TOOLS, World
from ostiary_proxy.wire import Reply

RESOURCE = "/.well-known/oauth-protected-resource"


async def document(url: str) -> object:
    reply = await World().send("GET", url)
    assert ("access-control-allow-origin", "*") in reply.headers
    return json.loads(reply.body) if reply.status == 200 else reply.status


def resource(url: str, issuer: str, name: str) -> dict[str, object]:
    return {
        "resource": url,
        "resource_name": name,
        "authorization_servers": [issuer],
        "scopes_supported": ["mcp"],
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{TOOLS}{RESOURCE}/mcp", resource(f"{TOOLS}/mcp", TOOLS, "Tools")),
        (f"{TOOLS}{RESOURCE}", resource(f"{TOOLS}/mcp", TOOLS, "Tools")),
        (f"{GITHUB}{RESOURCE}", resource(f"{GITHUB}/", GITHUB, "Github")),
        (f"{GITHUB}{RESOURCE}/", resource(f"{GITHUB}/", GITHUB, "Github")),
        (f"{MANY}{RESOURCE}/a", resource(f"{MANY}/a", MANY, "First")),
        (f"{MANY}{RESOURCE}", 404),
        (f"{MANY}{RESOURCE}/", 404),
        (f"{MANY}{RESOURCE}/c", 404),
        (f"{MANY}{RESOURCE}/a/", 404),
        (f"{MANY}{RESOURCE}x", 404),
        (f"{HOME}{RESOURCE}", 404),
    ],
)
async def test_resource_metadata_stands_at_exact_paths_only(url: str, expected: object) -> None:
    assert await document(url) == expected


async def test_both_issuer_documents_name_the_issuer_they_stand_at() -> None:
    oauth = await document(f"{TOOLS}/.well-known/oauth-authorization-server")
    openid = await document(f"{TOOLS}/.well-known/openid-configuration")
    expected = {
        "issuer": TOOLS,
        "authorization_endpoint": f"{TOOLS}/authorize",
        "token_endpoint": f"{TOOLS}/token",
        "registration_endpoint": f"{TOOLS}/register",
        "revocation_endpoint": f"{TOOLS}/revoke",
        "scopes_supported": ["mcp"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        "revocation_endpoint_auth_methods_supported": [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }
    assert oauth == expected
    assert openid == {
        **expected,
        "jwks_uri": f"{TOOLS}/.well-known/jwks.json",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration/mcp",
        "/.well-known/oauth-authorization-serverx",
    ],
)
async def test_no_document_names_another_issuer_than_its_place_says(path: str) -> None:
    assert await document(f"{TOOLS}{path}") == 404


async def test_other_paths_and_origins_are_left_to_others() -> None:
    world = World()
    for url in (
        f"{TOOLS}/mcp",
        f"{TOOLS}/mcp/.well-known/openid-configuration",
        f"{TOOLS}/login/callback",
        "https://evil.example/register",
        f"{TOOLS}/.well-known/other",
    ):
        assert await world.serve("GET", url) is None


async def test_an_origin_without_routes_is_no_issuer() -> None:
    for path in ("/register", "/token", "/authorize", "/account"):
        assert await World().serve("POST", f"{HOME}{path}") is None


async def test_no_header_of_the_request_changes_what_we_say_of_ourselves() -> None:
    lies = {
        "host": "evil.example",
        "forwarded": "host=evil.example",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "http",
        "x-forwarded-prefix": "/evil",
    }
    url = f"{TOOLS}/.well-known/oauth-authorization-server"
    assert await World().send("GET", url, headers=lies) == await World().send("GET", url)


async def test_the_key_set_holds_public_access_keys_only() -> None:
    keys = await document(f"{TOOLS}/.well-known/jwks.json")
    assert isinstance(keys, dict)
    assert [sorted(key) for key in keys["keys"]] == [["alg", "crv", "kid", "kty", "use", "x", "y"]]


async def test_browser_clients_may_ask_first() -> None:
    reply = await World().send("OPTIONS", f"{TOOLS}/token")
    assert reply == Reply(
        status=204,
        headers=(
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "WWW-Authenticate"),
            ("access-control-allow-methods", "GET, POST, OPTIONS"),
            ("access-control-allow-headers", "Authorization, Content-Type, MCP-Protocol-Version"),
            ("access-control-max-age", "600"),
        ),
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/token"), ("GET", "/register"), ("POST", "/authorize"), ("OPTIONS", "/authorize")],
)
async def test_other_methods_are_refused(method: str, path: str) -> None:
    assert (await World().send(method, f"{TOOLS}{path}")).status == 405
