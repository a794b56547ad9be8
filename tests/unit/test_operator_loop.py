"""The loop plans what changed, once for many changes, and outlives every failure."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from operator_parts import gateway, policy, route
from ostiary.translate.plan import Plan
from ostiary.translate.world import History, Platform, Reported, Rollout
from ostiary_operator.feed import Feed
from ostiary_operator.hands import NotCarriedOut
from ostiary_operator.loop import Clocks, Loop
from ostiary_operator.metrics import Metrics
from ostiary_operator.pace import Pace, backoff
from ostiary_operator.seen import Seen
from ostiary_operator.sources import OURS

CLOCKS = Clocks(wall=lambda: 1_800_000_000.0, monotonic=lambda: 0.0, jitter=lambda: 0.0)


class Time:
    """A clock that moves where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rings: list[float] = []
        self.pace = Pace(lambda: self.now, self.sleep)

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while self.rings and self.rings[0] <= end:
            self.now = self.rings.pop(0)
            self.pace.ring()
        self.now = end


async def test_it_is_planned_shortly_after_one_change() -> None:
    time = Time()
    time.pace.ring()

    await time.pace.due(1)

    assert time.now == pytest.approx(0.05)


async def test_many_changes_are_planned_once() -> None:
    time = Time()
    time.rings = [0.04, 0.08, 0.12]
    time.pace.ring()

    await time.pace.due(1)

    assert time.now == pytest.approx(0.17)


async def test_a_storm_does_not_put_it_off_for_ever() -> None:
    time = Time()
    time.rings = [step / 100 for step in range(1, 1000)]
    time.pace.ring()

    await time.pace.due(1)

    assert time.now == pytest.approx(0.5)


async def test_a_change_grows_old_until_it_is_carried_out() -> None:
    time = Time()
    time.pace.ring()
    await time.pace.due(1)
    time.pace.ring()
    time.now = 3.0

    before = time.pace.age
    time.pace.done()

    assert (before, time.pace.age) == (3.0, pytest.approx(2.95))


@pytest.mark.parametrize(
    ("failures", "jitter", "seconds"),
    [(1, 0, 0.1), (1, 1, 0.2), (3, 1, 0.8), (50, 0, 15), (5000, 0, 15)],
)
def test_pauses_grow_up_to_an_end(failures: int, jitter: float, seconds: float) -> None:
    assert backoff(failures, jitter) == pytest.approx(seconds)


class Hands:
    """Keeps what it was to carry out; fails as often as it is told to."""

    def __init__(self, failures: int = 0, history: Mapping[str, History] | None = None) -> None:
        self.failures = failures
        self.history = history or {}
        self.recalled = 0
        self.carried: asyncio.Queue[Plan] = asyncio.Queue()

    async def recall(self, seen: Seen) -> Mapping[str, History]:
        del seen
        self.recalled += 1
        return self.history

    def rollouts(self, seen: Seen) -> Mapping[str, Rollout]:
        return seen.rollouts

    def reported(self, seen: Seen) -> Mapping[str, tuple[Reported, ...]]:
        del seen
        return {}

    async def carry_out(self, seen: Seen, planned: Plan) -> None:
        del seen
        if self.failures:
            self.failures -= 1
            raise NotCarriedOut("team/gw: over quota")
        self.carried.put_nowait(planned)


class Running:
    """A loop on a real feed."""

    def __init__(self, hands: Hands) -> None:
        self.metrics = Metrics()
        self.pace = Pace(asyncio.get_running_loop().time)
        self.feed = Feed(Platform(), ("",), self.pace.ring)
        self.broken = False
        self.loop = Loop(self.seen, hands, self.pace, self.metrics, CLOCKS)
        self.hands = hands

    async def seen(self) -> Seen | None:
        seen = self.feed.seen(())
        return Seen(world=None) if self.broken else seen  # type: ignore[arg-type]  # a bug of ours

    def plans(self, outcome: str) -> float:
        said = self.metrics.registry.get_sample_value(
            "ostiary_operator_plans_total", {"outcome": outcome}
        )
        return said or 0.0

    async def carried(self) -> Plan:
        return await asyncio.wait_for(self.hands.carried.get(), 10)


@asynccontextmanager
async def running(hands: Hands) -> AsyncIterator[Running]:
    made = Running(hands)
    task = asyncio.create_task(made.loop.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_what_changed_is_planned_and_carried_out() -> None:
    async with running(Hands()) as made:
        for source, found in zip(OURS, (gateway(), route(), policy()), strict=True):
            made.feed.put(source, found)

        planned = await made.carried()

    assert set(planned.statuses) == {
        "MCPGateway/team/gw",
        "MCPPolicy/team/allow",
        "MCPRoute/team/tools",
    }


async def test_what_is_not_carried_out_is_counted_and_tried_again_and_leaves_us_ready() -> None:
    async with running(Hands(failures=2)) as made:
        made.pace.ring()
        await made.carried()

    assert made.plans("not_carried_out") == 2
    assert made.loop.failure is None


async def test_a_bug_in_planning_does_not_end_the_loop() -> None:
    async with running(Hands()) as made:
        made.broken = True
        made.pace.ring()
        async with asyncio.timeout(10):
            while made.loop.failure is None:
                await asyncio.sleep(0.01)
        told = made.loop.failure
        made.broken = False
        await made.carried()

    assert told == "no plan can be made (AttributeError); the log says more"


async def test_revisions_go_on_from_what_was_rendered_last_which_is_recalled_once() -> None:
    hands = Hands(history={"team/gw": History(revision=7, digest="")})
    async with running(hands) as made:
        assert made.loop.revisions is None
        for version in (1, 2):
            made.feed.put(OURS[0], gateway(version=version, uid=f"uid-{version}"))
            await made.carried()

    assert hands.recalled == 1
    assert made.loop.revisions == {"uid-2": 8}
