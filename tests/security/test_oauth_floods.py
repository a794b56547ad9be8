"""Floods: registrations and requests of one source, hosted clients beside them (decision 11)."""

from oauth_parts import APP, CLAUDE, TOOLS, World, authorize


async def test_one_source_registers_thirty_times_a_minute_and_evicts_nobody() -> None:
    world = World()
    first = (await world.register())["client_id"]
    for _ in range(29):
        await world.register()
    answer = await world.register(TOOLS, expect=429)
    assert answer["error"] == "temporarily_unavailable"
    await world.register(source="192.0.2.2")
    assert (await world.refresh(first, "x"))[1]["error"] == "invalid_grant"


async def test_a_flood_does_not_keep_hosted_clients_out() -> None:
    world = World()
    for number in range(1200):
        await world.register(source=f"198.51.{number // 20}.1")
    await world.register(TOOLS, expect=429, source="203.0.113.9")
    await world.register(TOOLS, CLAUDE, source="203.0.113.9")
    await world.register(TOOLS, CLAUDE, APP, expect=429, source="203.0.113.9")


async def test_an_ipv6_source_is_its_network() -> None:
    world = World()
    for number in range(30):
        await world.register(source=f"2001:db8::{number:x}")
    await world.register(TOOLS, expect=429, source="2001:db8::ffff")
    await world.register(source="2001:db8:0:1::1")


async def test_a_busy_source_is_told_when_to_come_back() -> None:
    world = World()
    url = authorize("unknown-client")
    replies = [await world.send("GET", url) for _ in range(301)]
    assert [reply.status for reply in replies] == [400] * 300 + [429]
    assert int(dict(replies[-1].headers)["retry-after"]) >= 1
    world.clock.now += 60
    assert (await world.send("GET", url)).status == 400


async def test_a_body_beyond_eight_kilobytes_is_refused() -> None:
    answer = await World().register(TOOLS, expect=413, padding="x" * 8192)
    assert answer["error"] == "invalid_request"
