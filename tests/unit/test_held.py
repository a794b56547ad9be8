"""What is kept between two requests of a person: bounded, and ended in the end."""

import asyncio
from dataclasses import dataclass, field

from legacy_parts import until
from ostiary_proxy.identity import Person
from ostiary_proxy.pipeline.bridge.older.held import Held
from ostiary_proxy.pipeline.streams import Streams

ANNA = Person(issuer="https://idp.example", subject="anna")
BEN = Person(issuer="https://idp.example", subject="ben")


@dataclass(eq=False)
class Thing:
    """Something that is kept; `ended` says how often it was told to end."""

    person: Person = ANNA
    busy: bool = False
    lives: bool = True
    ended: list[bool] = field(default_factory=list)

    async def living(self) -> bool:
        return self.lives

    async def end(self) -> None:
        self.ended.append(True)


def shelf(*, seconds: float = 60, each: int = 2, most: int = 3) -> tuple[Streams, Held[Thing]]:
    streams = Streams()
    return streams, Held(streams, seconds=seconds, each=each, most=most)


async def test_what_nobody_uses_for_its_time_is_ended_once():
    _, held = shelf(seconds=0.02)
    thing = Thing()
    held.put("a", thing)

    await until(lambda: thing.ended == [True])

    assert (held.get("a"), len(held)) == (None, 0)


async def test_what_is_busy_stays_until_it_was_idle_for_its_time():
    _, held = shelf(seconds=0.02)
    thing, later = Thing(busy=True), Thing()
    held.put("a", thing)
    held.put("b", later)
    await until(lambda: later.ended == [True])
    assert held.get("a") is thing

    thing.busy = False
    held.used("a")

    await until(lambda: thing.ended == [True])


async def test_one_too_many_of_a_person_ends_their_oldest_idle_one_and_nobody_elses():
    _, held = shelf()
    bens, busy, idle = Thing(person=BEN), Thing(busy=True), Thing()
    for key, thing in (("b", bens), ("c", busy), ("d", idle)):
        held.put(key, thing)

    held.take("b")
    assert held.room(ANNA)

    await until(lambda: idle.ended == [True])
    assert (busy.ended, bens.ended) == ([], [])


async def test_a_person_whose_things_are_all_busy_gets_no_room():
    _, held = shelf()
    for key in ("a", "b"):
        held.put(key, Thing(busy=True))

    assert not held.room(ANNA)
    assert held.room(BEN)


async def test_what_is_still_coming_takes_up_room_until_it_is_there_or_fails():
    _, held = shelf()

    with held.coming(ANNA) as first, held.coming(ANNA) as second, held.coming(ANNA) as third:
        assert (first, second, third) == (True, True, False)
        with held.coming(BEN) as bens:
            assert bens
            assert not held.room(BEN)

    assert held.room(ANNA)


async def test_there_is_no_room_beyond_the_most_for_all():
    _, held = shelf(each=9)
    for key in ("a", "b", "c"):
        held.put(key, Thing())

    assert not held.room(BEN)


async def test_a_wake_ends_what_lives_no_more():
    streams, held = shelf()
    gone, there = Thing(lives=False), Thing(person=BEN)
    held.put("a", gone)
    held.put("b", there)

    streams.wake()

    await until(lambda: gone.ended == [True])
    assert (held.get("b"), there.ended) == (there, [])


async def test_wakes_during_a_look_cost_one_more_look_which_counts():
    streams, held = shelf()
    looks: list[int] = []
    let = asyncio.Event()

    class Slow(Thing):
        async def living(self) -> bool:
            looks.append(1)
            lived = self.lives
            await let.wait()
            return lived

    thing = Slow()
    held.put("a", thing)
    streams.wake()
    await until(lambda: looks == [1])

    thing.lives = False
    for _ in range(9):
        streams.wake()
    let.set()

    await until(lambda: thing.ended == [True])
    assert looks == [1, 1]


async def test_when_the_process_ends_what_is_idle_ends_and_what_is_busy_as_soon_as_it_is_not():
    streams, held = shelf()
    idle, busy = Thing(), Thing(busy=True)
    held.put("a", idle)
    held.put("b", busy)

    streams.leave()
    await until(lambda: idle.ended == [True])
    assert busy.ended == []
    busy.busy = False
    held.used("b")

    await until(lambda: busy.ended == [True])
