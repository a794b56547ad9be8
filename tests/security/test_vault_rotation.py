"""Replicas hear of new keys at different times: what one seals the other opens, at every step."""

import os
from dataclasses import replace

import pytest

from log_parts import NOW, Clock
from ostiary.config.keys import KeyDocument
from ostiary.config.rotation import KNOWN_AFTER, advance, begin, drop_older, replace_key
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.store.port import Row, StoreUnavailable
from ostiary_proxy.upstream.accounts import Accounts, Place
from ostiary_proxy.upstream.context import Context
from ostiary_proxy.upstream.credentials import UpstreamCredentials
from upstream_parts import ANNA, AUTH, Service, call, connect, context

OLD = KeyDocument.generate(os.urandom)
PUBLISHED = begin(OLD, "seal", now=0, entropy=os.urandom)
SIGNING = advance(PUBLISHED, now=KNOWN_AFTER)
DROPPED = drop_older(SIGNING, "seal")


def among(around: Context, document: KeyDocument) -> Context:
    """Return what another replica with these keys works with."""
    return replace(around, rings=document.rings())


async def sealed_with(store: MemoryStore, document: KeyDocument) -> list[bool]:
    """Say of each account whether it is found and opened by the first seal key alone."""
    alone = drop_older(document, "seal").rings().seal
    around = context(Service(), store=store)
    place = Place.of(around.config.gateway, around.config.routes[0], AUTH, ANNA)
    rows = await store.scan("account", "", limit=10)
    held = await Accounts(store, alone, os.urandom).read(place)
    return [held.account is not None and row.key == held.key for row in rows]


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        (OLD, PUBLISHED), (PUBLISHED, OLD), (PUBLISHED, SIGNING), (SIGNING, PUBLISHED),
        (SIGNING, SIGNING),
    ],
)  # fmt: skip
async def test_an_account_that_one_replica_keeps_another_uses_and_refreshes(
    writer: KeyDocument, reader: KeyDocument
) -> None:
    store, clock, service = MemoryStore(Clock()), Clock(), Service()
    around = context(service, store=store, clock=clock)
    await connect(among(around, writer))

    before = await UpstreamCredentials(among(around, reader)).attach(call())
    clock.now = NOW + 590
    refreshed = await UpstreamCredentials(among(around, reader)).attach(call())
    seen = await UpstreamCredentials(among(around, writer)).attach(call())

    assert before != refreshed == seen
    assert service.refreshes == 1


async def test_an_account_comes_under_the_newest_key_when_it_is_used_and_the_old_one_may_go() -> (
    None
):
    store = MemoryStore(Clock())
    around = context(Service(), store=store)
    await connect(among(around, OLD))

    await UpstreamCredentials(among(around, PUBLISHED)).attach(call())
    assert await sealed_with(store, OLD) == [True]  # it is not brought to a key that may not seal
    await UpstreamCredentials(among(around, SIGNING)).attach(call())
    assert await sealed_with(store, SIGNING) == [True]
    await UpstreamCredentials(among(around, DROPPED)).attach(call())


async def test_two_replicas_that_bring_an_account_to_the_newest_key_keep_one_row() -> None:
    store = MemoryStore(Clock())
    around = context(Service(), store=store)
    await connect(among(around, OLD))
    for document in (SIGNING, PUBLISHED, SIGNING, PUBLISHED):
        await UpstreamCredentials(among(around, document)).attach(call())

    assert await sealed_with(store, SIGNING) == [True]


class Breaking(MemoryStore):
    """A store that goes away once, when a row is to be taken."""

    broken = True

    async def take(self, table: str, key: str) -> Row | None:
        if self.broken and table == "account":
            self.broken = False
            raise StoreUnavailable("away")
        return await super().take(table, key)


async def test_a_move_to_the_newest_key_that_broke_off_is_made_up_for() -> None:
    store = Breaking(Clock())
    around = context(Service(), store=store)
    await connect(among(around, OLD))

    with pytest.raises(Refused, match="StoreUnavailable"):
        await UpstreamCredentials(among(around, SIGNING)).attach(call())
    await UpstreamCredentials(among(around, SIGNING)).attach(call())

    assert await sealed_with(store, SIGNING) == [True]


async def test_under_a_key_that_was_taken_away_nothing_opens_any_more() -> None:
    around = context(Service(), store=MemoryStore(Clock()))
    await connect(among(around, OLD))
    replaced = replace_key(OLD, "seal", entropy=os.urandom)

    with pytest.raises(Refused, match="AccountNotConnected"):
        await UpstreamCredentials(among(around, replaced)).attach(call())


def test_what_others_know_people_by_stays_while_keys_are_rotated() -> None:
    rings = [document.rings().seal for document in (OLD, PUBLISHED, SIGNING)]

    assert len({ring.steady_hash("pairwise subject", "anna") for ring in rings}) == 1
