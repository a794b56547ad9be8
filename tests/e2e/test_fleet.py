"""Three proxies on one Redis, rolled out by the operator: whichever is asked, they are one."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from door_parts import Door, Tokens
from e2e.gateways import ALL, READ, Fleet, policy, route, three_on_redis
from e2e.kubectl import Kubectl
from gateway_parts import until

EDITS = 20


@pytest.fixture(scope="module")
def fleet(installed: Kubectl, demo_image: str, redis_image: str) -> Iterator[Fleet]:
    with three_on_redis(demo_image, redis_image, ALL) as fleet:
        yield fleet


def test_login_on_one_token_on_another_call_on_a_third_and_revoked_on_all(fleet: Fleet) -> None:
    with fleet.doors() as doors:
        one, two, three = doors
        tokens = fleet.log_in(authorize=one, redeem=two)
        for door in (three, two, one):
            assert fleet.call(door, tokens.access, tool="list_files").status == 200

        revoked = one.form("/revoke", token=tokens.refresh, client_id=tokens.client_id)
        began = time.monotonic()

        assert revoked.status == 200
        for door in doors:
            until(partial(refuses, fleet, tokens, door))
        print(f"revoked on all {time.monotonic() - began:.2f} s after the answer")


def refuses(fleet: Fleet, tokens: Tokens, door: Door) -> bool:
    return fleet.call(door, tokens.access, tool="list_files").status == 401


def test_every_edit_of_a_policy_is_obeyed_by_all(fleet: Fleet) -> None:
    with fleet.doors() as doors, ThreadPoolExecutor(len(doors)) as pool:
        tokens = fleet.log_in(authorize=doors[0], redeem=doors[0])
        taken = []
        for number in range(EDITS):
            allowed = number % 2 == 1
            fleet.kubectl.apply(policy(ALL if allowed else READ))
            began = time.monotonic()
            obeyed = as_edited(fleet, tokens, allowed=allowed)
            list(pool.map(lambda door, obeyed=obeyed: until(lambda: obeyed(door)), doors))
            taken.append(time.monotonic() - began)
    print(f"{EDITS} edits obeyed by all of {len(doors)} proxies after: {figures(taken)}")


def as_edited(fleet: Fleet, tokens: Tokens, *, allowed: bool) -> Callable[[Door], bool]:
    """Return a check whether writing is answered as the policy that was applied has it."""

    def obeyed(door: Door) -> bool:
        answer = fleet.call(door, tokens.access, tool="write_file").json()
        return ("error" not in answer) == allowed

    return obeyed


def figures(taken: Sequence[float]) -> str:
    """Return median, 95th percentile and the worst, in seconds."""
    p95 = statistics.quantiles(taken, n=20)[-1]
    return f"p50 {statistics.median(taken):.2f} s, p95 {p95:.2f} s, worst {max(taken):.2f} s"


def test_a_new_route_is_ready_while_proxies_run_on(fleet: Fleet) -> None:
    pods = fleet.pods()
    taken = []
    for number in range(5):
        fleet.kubectl.apply(route(fleet.upstream, name=f"more-{number}"))
        began = time.monotonic()
        fleet.kubectl.wait_for(f"mcproute/more-{number}")
        taken.append(time.monotonic() - began)
    print(f"5 routes Ready after their apply: {figures(taken)}")

    assert fleet.pods() == pods
