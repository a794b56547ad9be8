"""Refresh tokens: rotation, grace, reuse, revocation in between (security decisions 10 and 15)."""

import asyncio

import pytest

from oauth_parts import RINGS, TOOLS, Browser, World, authorize, query_of
from ostiary.crypto.rings import Rings
from ostiary.crypto.seal import SealRing
from ostiary_proxy.oauth.grants import listed, revoke_client, revoke_grant, revoke_person
from ostiary_proxy.refused import Refused


async def test_for_thirty_seconds_the_old_token_returns_the_same_successor() -> None:
    world = World()
    client, first = await world.logged_in()
    _, second = await world.refresh(client, first["refresh_token"])
    world.clock.now += 29.9
    status, again = await world.refresh(client, first["refresh_token"])
    assert (status, again["refresh_token"]) == (200, second["refresh_token"])
    assert again["access_token"] != second["access_token"]
    assert (await world.refresh(client, second["refresh_token"]))[0] == 200


async def test_after_the_grace_the_old_token_kills_the_family() -> None:
    world = World()
    client, first = await world.logged_in()
    _, second = await world.refresh(client, first["refresh_token"])
    world.clock.now += 30
    assert (await world.refresh(client, first["refresh_token"]))[1]["error"] == "invalid_grant"
    assert (await world.refresh(client, second["refresh_token"]))[1]["error"] == "invalid_grant"
    with pytest.raises(Refused, match="InvalidToken"):
        await world.authority.present(second["access_token"], world.config.routes[0], world.clock())
    assert [
        r.facts["reason"] for r in world.log.records if r.facts["event"] == "grant-revoked"
    ] == ["refresh-token-reused"]


async def test_the_grace_ends_when_the_successor_is_used() -> None:
    world = World()
    client, first = await world.logged_in()
    _, second = await world.refresh(client, first["refresh_token"])
    _, third = await world.refresh(client, second["refresh_token"])
    assert (await world.refresh(client, first["refresh_token"]))[0] == 400
    assert (await world.refresh(client, third["refresh_token"]))[0] == 400


async def test_two_replicas_at_once_give_the_same_successor() -> None:
    world = World()
    client, first = await world.logged_in()
    held, write = asyncio.Event(), world.store.put
    waiting: list[str] = []

    async def put(table: str, key: str, value: bytes, **more: object) -> int:
        if table == "grant":
            waiting.append(key)
            if len(waiting) == 2:
                held.set()
            await asyncio.wait_for(held.wait(), 5)
        return await write(table, key, value, **more)  # type: ignore[arg-type]

    world.store.put = put  # type: ignore[method-assign]
    one, other = await asyncio.gather(
        world.refresh(client, first["refresh_token"]),
        world.refresh(client, first["refresh_token"]),
    )
    assert (one[0], other[0]) == (200, 200)
    assert one[1]["refresh_token"] == other[1]["refresh_token"]


async def test_the_grace_survives_a_rotation_of_the_seal_key() -> None:
    world = World()
    client, first = await world.logged_in()
    _, second = await world.refresh(client, first["refresh_token"])
    old = RINGS.seal
    ring = SealRing([b"n" * 32, b"o" * 32])
    ring._wraps |= old._wraps
    ring._hash_keys = [ring._hash_keys[0], *old._hash_keys]
    world.rings = Rings(RINGS.access, RINGS.internal, RINGS.audit, ring)
    world.again()
    _, again = await world.refresh(client, first["refresh_token"])
    assert again["refresh_token"] == second["refresh_token"]
    status, third = await world.refresh(client, second["refresh_token"])
    assert status == 200
    assert (await world.refresh(client, third["refresh_token"]))[0] == 200


@pytest.mark.parametrize("how", ["grant", "person", "client"])
async def test_a_revocation_stops_refresh_even_during_the_grace(how: str) -> None:
    world = World()
    client, first = await world.logged_in()
    _, second = await world.refresh(client, first["refresh_token"])
    gid = (await anext(listed(world.context))).gid
    if how == "grant":
        assert await revoke_grant(world.context, gid, reason="test")
        assert not await revoke_grant(world.context, gid, reason="again")
    elif how == "person":
        idp = "https://idp.example"
        assert await revoke_person(world.context, idp, "anna", reason="test") == 1
    else:
        assert await revoke_client(world.context, TOOLS, client, reason="test") == 1
    for tokens in (first, second):
        assert (await world.refresh(client, tokens["refresh_token"]))[0] == 400


async def test_after_a_cut_off_a_new_login_gives_a_new_grant() -> None:
    world = World()
    client, _ = await world.logged_in()
    await revoke_client(world.context, TOOLS, client, reason="test")
    world.clock.now += 1
    _, tokens = await world.logged_in(client)
    assert (await world.refresh(client, tokens["refresh_token"]))[0] == 200


async def test_what_was_approved_before_a_cut_off_gets_no_code_after_it() -> None:
    world = World()
    client = (await world.register())["client_id"]
    browser = Browser(world)
    page = await browser.to_page(authorize(client))
    assert not isinstance(page, str)
    onward = await browser.answer(page, "yes")
    await revoke_client(world.context, TOOLS, client, reason="test")
    end = await browser.to_page(onward)
    assert not isinstance(end, str)
    assert end.status == 400


@pytest.mark.parametrize("made", ["x", "a.b.c", "..", ""])
async def test_a_made_up_token_kills_nothing(made: str) -> None:
    world = World()
    client, first = await world.logged_in()
    gid = (await anext(listed(world.context))).gid
    for forged in (made, f"{gid}.{'0' * 64}.{'0' * 32}", first["refresh_token"][:-1]):
        assert (await world.refresh(client, forged))[0] == 400
    assert (await world.refresh(client, first["refresh_token"]))[0] == 200


async def test_another_client_can_neither_use_nor_kill_a_family() -> None:
    world = World()
    client, first = await world.logged_in()
    other = (await world.register())["client_id"]
    assert (await world.refresh(other, first["refresh_token"]))[1]["error"] == "invalid_grant"
    assert (await world.refresh(client, first["refresh_token"]))[0] == 200


async def test_a_refresh_widens_neither_scope_nor_resource() -> None:
    world = World()
    client, first = await world.logged_in()
    token = first["refresh_token"]
    assert (await world.refresh(client, token, scope="mcp admin"))[1]["error"] == "invalid_scope"
    status, answer = await world.refresh(client, token, resource="https://many.example/a")
    assert (status, answer["error"]) == (400, "invalid_target")
    assert (await world.refresh(client, token, scope="mcp"))[0] == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_client_revokes_its_own_tokens_only(kind: str) -> None:
    world = World()
    client, tokens = await world.logged_in()
    other = (await world.register())["client_id"]
    for who, alive in ((other, True), (client, False), (client, False)):
        fields = {"client_id": who, "token": tokens[kind]}
        assert (await world.form(f"{TOOLS}/revoke", fields)).status == 200
        assert [row.revoked is None async for row in listed(world.context)] == [alive]


async def test_without_an_audit_log_nothing_is_issued() -> None:
    world = World()
    client = (await world.register())["client_id"]
    code = query_of(await Browser(world).walk(authorize(client)))["code"]
    world.log.full = True
    status, answer = await world.redeem(client, code)
    assert (status, answer["error"]) == (503, "temporarily_unavailable")


async def test_without_a_store_the_answer_is_503() -> None:
    world = World()
    client, tokens = await world.logged_in()
    await world.store.close()
    status, _ = await world.refresh(client, tokens["refresh_token"])
    assert status == 503
    world.clock.now += 1
    with pytest.raises(Refused, match="StoreUnavailable"):
        await world.authority.present(tokens["access_token"], world.config.routes[0], world.clock())
