"""Events come late, twice or not at all; what is known comes true all the same."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from operator_parts import body, route
from ostiary_operator.api import Listing
from ostiary_operator.facts import our_fact
from ostiary_operator.shelf import Shelf


def thing(name: str = "x", version: int = 1, uid: str = "u", **meta: Any) -> dict[str, Any]:
    return body("v1", "Thing", name, uid=uid, version=version, **meta)


def shelf() -> Shelf[tuple[str, str]]:
    return Shelf(lambda found: (found["metadata"]["uid"], found["metadata"]["resourceVersion"]))


def listing(version: int, *items: dict[str, Any]) -> Listing:
    return Listing(items=items, resource_version=str(version))


def test_an_older_event_changes_nothing() -> None:
    known = shelf()
    known.put(thing(version=5))

    assert not known.put(thing(version=4))
    assert list(known.facts()) == [("u", "5")]


def test_an_object_that_has_gone_is_not_brought_back_by_a_late_event() -> None:
    known = shelf()
    known.put(thing(version=5))
    known.drop(thing(version=7))

    assert not known.put(thing(version=6))
    assert list(known.facts()) == []


def test_one_that_comes_back_with_its_label_is_taken() -> None:
    known = shelf()
    known.drop(thing(version=7))

    assert known.put(thing(version=8))


def test_the_end_of_an_older_object_of_the_same_name_changes_nothing() -> None:
    known = shelf()
    known.put(thing(version=9, uid="new"))

    assert not known.drop(thing(version=8, uid="old"))
    assert list(known.facts()) == [("new", "9")]


def test_a_sweep_lets_go_what_is_absent_or_another() -> None:
    known = shelf()
    known.put(thing("absent", 1, "a"))
    known.put(thing("another", 2, "b"))
    known.put(thing("there", 3, "c"))

    changed = known.sweep(listing(9, thing("another", 8, "d"), thing("there", 3, "c")), "")

    assert changed
    assert list(known.facts()) == [("c", "3")]


def test_an_object_newer_than_the_listing_stays() -> None:
    known = shelf()
    known.put(thing(version=10))

    assert not known.sweep(listing(9), "")
    assert list(known.facts()) == [("u", "10")]


def test_a_sweep_of_one_namespace_leaves_the_others_alone() -> None:
    known = shelf()
    known.put(thing("x", 1, "a", namespace="one"))
    known.put(thing("x", 2, "b", namespace="two"))

    known.sweep(listing(9), "one")

    assert list(known.facts()) == [("b", "2")]


def test_what_is_missing_or_older_is_behind() -> None:
    known = shelf()
    known.put(thing("old", 1, "a"))
    known.put(thing("same", 2, "b"))
    found = listing(9, thing("old", 5, "a"), thing("same", 2, "b"), thing("new", 6, "c"))

    assert known.behind(found) == {("team", "old"), ("team", "new")}
    assert known.missing(found)


def test_an_object_whose_head_can_not_be_read_is_left_out() -> None:
    known = Shelf(our_fact)

    known.put(route("ok"))
    known.put(route("not.a.label"))

    assert [found.manifest.key for found in known.facts()] == ["team/ok"]


STATES = st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=12)


@given(STATES, st.randoms(use_true_random=False))
def test_whatever_was_missed_a_listing_makes_true(
    states: list[tuple[str, bool]], random: Any
) -> None:
    events: list[tuple[bool, dict[str, Any]]] = []
    truth: dict[str, dict[str, Any]] = {}
    for version, (name, exists) in enumerate(states, start=1):
        uid = truth[name]["metadata"]["uid"] if name in truth else f"{name}{version}"
        found = thing(name, version, uid)
        if exists:
            truth[name] = found
        elif truth.pop(name, None) is None:
            continue
        events.append((exists, found))
    heard = [event for event in events if random.random() < 0.7] * 2
    random.shuffle(heard)

    known = shelf()
    for exists, found in heard:
        (known.put if exists else known.drop)(found)
    now = listing(len(states), *truth.values())
    for key in known.behind(now):
        known.put(truth[key[1]])
    known.sweep(now, "")

    assert sorted(known.facts()) == sorted(
        (found["metadata"]["uid"], found["metadata"]["resourceVersion"]) for found in truth.values()
    )
