"""Words among replicas: each is said at once, and a flood of one as now and then one."""

import asyncio

import pytest

from ostiary_proxy.store import wakes
from ostiary_proxy.store.wakes import Crier, LocalWakes


async def test_a_word_that_comes_again_and_again_is_published_at_once_and_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wakes, "_PAUSE", 0.01)
    carrier, heard, tasks = LocalWakes(), list[str](), list[asyncio.Task[None]]()
    carrier.listen(heard.append)
    crier = Crier(carrier, lambda call: tasks.append(asyncio.ensure_future(call)))

    for _ in range(100):
        crier.cry("a")
    crier.cry("b")
    await asyncio.sleep(0)
    first = list(heard)
    crier.cry("a")
    await asyncio.gather(*tasks)

    assert first == ["a", "b"]
    assert heard == ["a", "b", "a"]


async def test_a_word_can_be_cried_again_after_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakes, "_PAUSE", 0.0)
    carrier, heard, tasks = LocalWakes(), list[str](), list[asyncio.Task[None]]()
    carrier.listen(heard.append)
    crier = Crier(carrier, lambda call: tasks.append(asyncio.ensure_future(call)))

    for _ in range(2):
        crier.cry("a")
        await asyncio.gather(*tasks)

    assert heard == ["a", "a"]
