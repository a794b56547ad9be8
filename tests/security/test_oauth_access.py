"""Access tokens: forged, foreign, stale (rules 62, 63, 85; security decisions 3, 5, 15)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from oauth_parts import IDP, OTHER_RINGS, TOOLS, World
from ostiary.config.document import Route
from ostiary.crypto.jose import SigningRing
from ostiary_proxy.oauth.grants import listed, revoke_grant
from ostiary_proxy.oauth.person import person_key
from ostiary_proxy.refused import Refused


async def refusal(world: World, token: str, route: Route) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        await world.authority.present(token, route, world.clock())
    return refused.value.code, refused.value.detail


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    head, body, signature = token.split(".")
    return decoded(head), decoded(body), signature


def decoded(part: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return value


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def unsigned(_world: World, token: str) -> str:
    head, body, _ = parts(token)
    return f"{encoded({**head, 'alg': 'none'})}.{encoded(body)}."


def hs256(world: World, token: str) -> str:
    head, body, _ = parts(token)
    signed = f"{encoded({**head, 'alg': 'HS256'})}.{encoded(body)}"
    key = json.dumps(world.rings.access.jwks()["keys"][0]).encode()
    mac = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def changed(_world: World, token: str) -> str:
    head, body, signature = parts(token)
    return f"{encoded(head)}.{encoded({**body, 'exp': body['exp'] + 9999})}.{signature}"


def other_key(_world: World, token: str) -> str:
    return OTHER_RINGS.access.sign(parts(token)[1])


def other_typ(world: World, token: str) -> str:
    return SigningRing(world.rings.access._keys, typ="jwt").sign(parts(token)[1])


def internal(world: World, token: str) -> str:
    return str(world.rings.internal.sign(parts(token)[1]))


def signed_anew(**claims: Any) -> Callable[[World, str], str]:
    def forge(world: World, token: str) -> str:
        merged = {**parts(token)[1], **claims}
        kept = {name: value for name, value in merged.items() if value is not None}
        return str(world.rings.access.sign(kept))

    return forge


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        hs256,
        changed,
        other_key,
        other_typ,
        internal,
        signed_anew(aud=f"{TOOLS}/mcp/"),
        signed_anew(aud=f"{TOOLS}/MCP"),
        signed_anew(aud=f"{TOOLS}/mcp/more"),
        signed_anew(aud=[f"{TOOLS}/mcp"]),
        signed_anew(iss="https://many.example"),
        signed_anew(exp=None),
        signed_anew(exp="never"),
        signed_anew(nbf=9_999_999_999),
        signed_anew(gid=None),
        signed_anew(gid="unknown"),
        signed_anew(gid=7),
        signed_anew(sub="ben"),
        signed_anew(client_id="another"),
        lambda _world, token: token + "x",
        lambda _world, token: token[:-2],
        lambda _world, _token: "",
        lambda _world, _token: "\udcff.\udcff.\udcff",
        lambda _world, _token: "a" * 100_000,
    ],
)
async def test_a_token_that_we_did_not_issue_so_is_refused(
    forge: Callable[[World, str], str],
) -> None:
    world = World()
    _, tokens = await world.logged_in()
    route = world.config.routes[0]
    code, _ = await refusal(world, forge(world, tokens["access_token"]), route)
    assert code == "InvalidToken"
    await world.authority.present(tokens["access_token"], route, world.clock())


async def test_a_token_is_refused_on_every_other_route_known_or_not() -> None:
    world = World()
    _, tokens = await world.logged_in()
    mine, *others = world.config.routes
    for _ in range(2):
        for route in others:
            assert await refusal(world, tokens["access_token"], route) == ("InvalidToken", "iss")
        await world.authority.present(tokens["access_token"], mine, world.clock())
    renamed = mine.model_copy(update={"name": "taken-over"})
    assert (await refusal(world, tokens["access_token"], renamed))[0] == "InvalidToken"
    await world.authority.present(tokens["access_token"], mine, world.clock())


async def test_a_refresh_token_is_no_access_token() -> None:
    world = World()
    _, tokens = await world.logged_in()
    code, _ = await refusal(world, tokens["refresh_token"], world.config.routes[0])
    assert code == "InvalidToken"


async def test_a_token_ends_when_it_says_although_it_is_cached() -> None:
    world = World()
    _, tokens = await world.logged_in()
    route = world.config.routes[0]
    world.clock.now += 599
    await world.authority.present(tokens["access_token"], route, world.clock())
    world.clock.now += 1
    assert await refusal(world, tokens["access_token"], route) == ("InvalidToken", "expired")


async def test_a_revocation_holds_everywhere_within_half_a_second() -> None:
    world = World()
    _, tokens = await world.logged_in()
    route = world.config.routes[0]
    await world.authority.present(tokens["access_token"], route, world.clock())
    await revoke_grant(world.context, (await anext(listed(world.context))).gid, reason="test")
    world.clock.now += 0.5
    assert (await refusal(world, tokens["access_token"], route))[0] == "InvalidToken"


@pytest.mark.parametrize("whose", ["person", "client"])
async def test_a_cut_off_holds_although_no_grant_was_marked(whose: str) -> None:
    """A revocation that was interrupted after its first write has already stopped everything."""
    world = World()
    client, tokens = await world.logged_in()
    key = person_key(world.context, IDP, "anna") if whose == "person" else f"{TOOLS} {client}"
    cut = repr(world.clock()).encode()
    await world.store.put("not-before", f"{whose} {key}", cut, expires=None)
    route = world.config.routes[0]
    assert (await refusal(world, tokens["access_token"], route))[0] == "InvalidToken"
    assert (await world.refresh(client, tokens["refresh_token"]))[1]["error"] == "invalid_grant"
    assert [row.revoked async for row in listed(world.context)] == [None]


async def test_a_clock_that_steps_back_asks_the_store_again() -> None:
    world = World()
    _, tokens = await world.logged_in()
    route = world.config.routes[0]
    await world.authority.present(tokens["access_token"], route, world.clock())
    await revoke_grant(world.context, (await anext(listed(world.context))).gid, reason="test")
    assert (
        await refusal_at(world, tokens["access_token"], route, world.clock() - 1)
    ) == "InvalidToken"


async def refusal_at(world: World, token: str, route: Route, now: float) -> str:
    with pytest.raises(Refused) as refused:
        await world.authority.present(token, route, now)
    return refused.value.code


async def test_a_hit_gives_the_very_same_value() -> None:
    world = World()
    _, tokens = await world.logged_in()
    route = world.config.routes[0]
    first = await world.authority.present(tokens["access_token"], route, world.clock())
    world.clock.now += 3
    assert await world.authority.present(tokens["access_token"], route, world.clock()) is first
