"""How soon an edit of a policy is obeyed by every proxy of a fleet, seen as callers see it."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from door_parts import Door, Tokens
from e2e.gateways import ALL, READ, Fleet, policy
from gateway_parts import until

__all__ = ["edits_obeyed", "figures"]


def edits_obeyed(fleet: Fleet, edits: int) -> list[float]:
    """Forbid `write_file` and allow it again, in turn; return what each took after its apply."""
    taken = []
    with fleet.doors() as doors, ThreadPoolExecutor(len(doors)) as pool:
        tokens = fleet.log_in(authorize=doors[0], redeem=doors[0])
        for number in range(edits):
            allowed = number % 2 == 1
            fleet.kubectl.apply(policy(ALL if allowed else READ))
            began = time.monotonic()
            obeyed = _as_edited(fleet, tokens, allowed=allowed)
            list(pool.map(lambda door, obeyed=obeyed: until(lambda: obeyed(door)), doors))
            taken.append(time.monotonic() - began)
    return taken


def _as_edited(fleet: Fleet, tokens: Tokens, *, allowed: bool) -> Callable[[Door], bool]:
    """Return a check whether writing is answered as the policy that was applied has it."""

    def obeyed(door: Door) -> bool:
        answer = fleet.call(door, tokens.access, tool="write_file").json()
        return ("error" not in answer) == allowed

    return obeyed


def figures(taken: Sequence[float]) -> str:
    """Return median, 95th percentile and the worst, in seconds."""
    p95 = statistics.quantiles(taken, n=20)[-1]
    return f"p50 {statistics.median(taken):.2f} s, p95 {p95:.2f} s, worst {max(taken):.2f} s"
