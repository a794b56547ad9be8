"""Three proxies on one Redis, rolled out by the operator: whichever is asked, they are one."""

import time
from functools import partial

import pytest

from door_parts import Door, Tokens
from e2e.edits import edits_obeyed, figures
from e2e.gateways import ALL, Fleet, route
from gateway_parts import until

EDITS = 20


@pytest.fixture(scope="module")
def fleet(three_proxies: Fleet) -> Fleet:
    three_proxies.obey(ALL)
    return three_proxies


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
    taken = edits_obeyed(fleet, EDITS)
    print(f"{EDITS} edits obeyed by all proxies after: {figures(taken)}")


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
