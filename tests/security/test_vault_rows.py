"""Security decision 14, rules 118 and 123: an account is never another person's or place's."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ostiary.config.keys import KeyDocument
from ostiary_proxy.identity import Person
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.store.port import Row
from ostiary_proxy.store.sqlite import SqliteStore
from ostiary_proxy.upstream.accounts import Accounts, Place, origin
from ostiary_proxy.upstream.context import Context
from ostiary_proxy.upstream.credentials import UpstreamCredentials
from upstream_parts import (
    ANNA,
    AUTH,
    BEN,
    NOW,
    Clock,
    Log,
    Service,
    call,
    config,
    connect,
    context,
    route,
)


def place(person: Person, around: Context) -> Place:
    return Place.of(around.config.gateway, around.config.routes[0], AUTH, person)


def accounts(around: Context) -> Accounts:
    return Accounts(around.store, around.rings.seal, around.entropy)


async def rows(store: MemoryStore) -> list[Row]:
    return list(await store.scan("account", "", limit=100))


async def opens(around: Context, person: Person = ANNA) -> bool:
    held = await accounts(around).read(place(person, around))
    return held.account is not None


async def test_one_persons_account_is_never_used_for_another() -> None:
    around = context(Service())
    await connect(around, ANNA)
    credentials = UpstreamCredentials(around)

    with pytest.raises(Refused, match="AccountNotConnected"):
        await credentials.attach(call(BEN))
    await connect(around, BEN)

    assert await credentials.attach(call(ANNA)) == (("authorization", "Bearer CANARY-access-1"),)
    assert await credentials.attach(call(BEN)) == (("authorization", "Bearer CANARY-access-2"),)


async def test_the_same_subject_at_another_identity_provider_is_another_person() -> None:
    around = context(Service())
    await connect(around, ANNA)

    with pytest.raises(Refused, match="AccountNotConnected"):
        await UpstreamCredentials(around).attach(
            call(replace(ANNA, issuer="https://other.example"))
        )


async def test_rows_that_somebody_swapped_in_the_store_do_not_open() -> None:
    store = MemoryStore(Clock())
    around = context(Service(), store=store)
    await connect(around, ANNA)
    await connect(around, BEN)
    first, second = await rows(store)

    await store.put("account", first.key, second.value, expires=None)
    await store.put("account", second.key, first.value, expires=None)

    assert [await opens(around, ANNA), await opens(around, BEN)] == [False, False]
    for person in (ANNA, BEN):
        with pytest.raises(Refused, match="AccountNotConnected"):
            await UpstreamCredentials(around).attach(call(person))


async def test_an_old_version_of_a_row_that_is_put_back_does_not_open() -> None:
    store, clock = MemoryStore(Clock()), Clock()
    around = context(Service(), store=store, clock=clock)
    await connect(around)
    (old,) = await rows(store)
    clock.now = NOW + 590
    await UpstreamCredentials(around).attach(call())

    await store.put("account", old.key, old.value, expires=None)

    assert await opens(around) is False


async def test_a_row_of_another_kind_does_not_open() -> None:
    around = context(Service())
    held = await accounts(around).read(place(ANNA, around))
    aad = place(ANNA, around).bound("session", version=1, key=held.key)
    sealed = around.rings.seal.seal(b"{}", aad=aad, entropy=os.urandom)
    await around.store.put("account", held.key, sealed, expires=None)

    assert await opens(around) is False


async def test_a_route_that_is_made_again_keeps_its_accounts_but_another_origin_opens_none() -> (
    None
):
    store, service = MemoryStore(Clock()), Service()
    await connect(context(service, store=store))

    same = context(service, store=store, configured=config(route(url="https://UP.example:443/v2")))
    moved = context(service, store=store, configured=config(route(url="https://evil.example/mcp")))

    assert await opens(same) is True
    assert await opens(moved) is False


async def test_another_gateway_with_the_same_keys_opens_nothing() -> None:
    store, service = MemoryStore(Clock()), Service()
    around = context(service, store=store)
    await connect(around)
    gateway = around.config.gateway.model_copy(update={"public_url": "https://other.example"})
    other = replace(around, config=around.config.model_copy(update={"gateway": gateway}))

    assert await opens(other) is False


async def test_the_stored_secret_of_one_authorization_server_is_not_sent_to_another() -> None:
    service = Service()
    around = context(service)
    await connect(around)
    moved = route(
        AUTH.model_copy(
            update={"issuer": "https://evil.example", "token_endpoint": "https://evil.example/t"}
        )
    )

    with pytest.raises(Refused, match="AccountNotConnected"):
        await UpstreamCredentials(around).attach(call(to=moved, now=NOW + 1))
    assert service.refreshes == 0


async def test_accounts_are_found_and_opened_after_a_rotation_of_the_seal_key() -> None:
    old, new = KeyDocument.generate(os.urandom), KeyDocument.generate(os.urandom)
    rotated = old.model_copy(update={"seal": (*new.seal, *old.seal)}).rings()
    store, clock, service = MemoryStore(Clock()), Clock(), Service()
    await connect(context(service, store=store, rings=old.rings()))
    around = context(service, store=store, rings=rotated, clock=clock)

    assert await opens(around) is True
    clock.now = NOW + 590
    await UpstreamCredentials(around).attach(call())
    assert await opens(around) is True
    assert len(await rows(store)) == 1


async def test_fifty_calls_on_two_replicas_refresh_once(tmp_path: Path) -> None:
    service, clock = Service(), Clock()
    stores = [SqliteStore(tmp_path / "state.db", clock), SqliteStore(tmp_path / "state.db", clock)]
    replicas = [context(service, clock=clock, store=store) for store in stores]
    await connect(replicas[0])
    clock.now = NOW + 599
    credentials = [UpstreamCredentials(replica) for replica in replicas]

    headers = await asyncio.gather(*(credentials[n % 2].attach(call()) for n in range(50)))

    assert service.refreshes == 1
    assert set(headers) == {(("authorization", "Bearer CANARY-access-2"),)}
    for store in stores:
        await store.close()


async def test_nothing_that_a_service_or_a_bundle_gave_shows_in_store_log_or_refusals() -> None:
    service, clock, log, store = Service(), Clock(), Log(), MemoryStore(Clock())
    around = context(service, clock=clock, log=log, store=store)
    await connect(around)
    clock.now = NOW + 590
    credentials = UpstreamCredentials(around)
    await credentials.attach(call())
    service.live.clear()
    clock.now = NOW + 1180
    shown = []
    with pytest.raises(Refused) as refused:
        await credentials.attach(call())
    shown.append(f"{refused.value} {refused.value.detail} {refused.value.data}")
    shown += [repr(record) for record in log.records]
    shown += [repr(row.value) + row.key for row in await rows(store)]
    shown += [repr(await accounts(around).read(place(ANNA, around))), repr(around)]

    assert len(log.records) == 3
    assert [text for text in shown if "CANARY" in text] == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://UP.example:443/mcp?x", "https://up.example"),
        ("http://up.example:80", "http://up.example"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://up.example:8080/a", "http://up.example:8080"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, expected: str) -> None:
    assert origin(url) == expected
