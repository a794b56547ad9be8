"""Handing a value from one request to another, across replicas too."""

import asyncio
import os

from ostiary.crypto.seal import SealRing
from ostiary_proxy.pipeline.mailbox import MAIL, Mailbox
from ostiary_proxy.store.memory import MemoryStore


def replicas(count: int) -> tuple[MemoryStore, list[Mailbox]]:
    store, seal = MemoryStore(lambda: 1_000.0), SealRing([b"k" * 32])
    return store, [
        Mailbox(store, seal, clock=lambda: 1_000.0, entropy=os.urandom) for _ in range(count)
    ]


async def test_what_is_put_later_reaches_whoever_waits_already():
    _, (box,) = replicas(1)
    waiting = asyncio.create_task(box.wait("k", seconds=5))
    await asyncio.sleep(0)

    await box.put("k", b"the answer", seconds=60)

    assert await waiting == b"the answer"


async def test_what_another_replica_put_is_found():
    _, (here, there) = replicas(2)
    waiting = asyncio.create_task(here.wait("k", seconds=5))
    await asyncio.sleep(0)

    await there.put("k", b"the answer", seconds=60)

    assert await waiting == b"the answer"


async def test_a_value_is_taken_once():
    _, (box,) = replicas(1)
    await box.put("k", b"the answer", seconds=60)

    assert await box.wait("k", seconds=1) == b"the answer"
    assert await box.wait("k", seconds=0.01) is None


async def test_the_store_never_sees_the_value_and_a_row_moved_to_another_key_opens_nothing():
    store, (box,) = replicas(1)
    await box.put("k", b"the answer", seconds=60)
    row = await store.get(MAIL, "k")
    assert row is not None
    await store.put(MAIL, "other", row.value, expires=None)

    assert b"the answer" not in row.value
    assert await box.wait("other", seconds=0.01) is None
