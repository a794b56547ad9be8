"""Who acts: what a Lease says, and whether it may be taken.

Pure. Expiry is measured from when this process saw the Lease change last, on its own monotonic
clock; the times written in it are for people, and clocks that differ do no harm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["DURATION", "LeaseView", "claimed", "may_take", "new_lease", "released", "view"]

DURATION: Final = 15
"""Seconds after which a Lease that nobody renews may be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """A Lease as it stands and when it was first seen so."""

    holder: str
    duration: float
    version: str
    since: float


def view(lease: Mapping[str, Any], before: LeaseView | None, now: float) -> LeaseView:
    """Return how `lease` looks at monotonic time `now`, after it looked like `before`."""
    spec, version = lease.get("spec", {}), lease["metadata"]["resourceVersion"]
    unchanged = before is not None and before.version == version
    return LeaseView(
        holder=spec.get("holderIdentity") or "",
        duration=float(spec.get("leaseDurationSeconds") or DURATION),
        version=version,
        since=before.since if before is not None and unchanged else now,
    )


def may_take(seen: LeaseView, me: str, now: float) -> bool:
    """Say whether the Lease is mine, released, or was not renewed for its whole duration."""
    return seen.holder in ("", me) or now - seen.since > seen.duration


def new_lease(namespace: str, name: str, me: str, wall: float) -> dict[str, Any]:
    """Return a Lease that I hold."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": namespace, "name": name},
        "spec": _spec(me, acquired=_micro_time(wall), renewed=_micro_time(wall), transitions=0),
    }


def claimed(lease: Mapping[str, Any], me: str, wall: float) -> dict[str, Any]:
    """Return the Lease as I take it, or renew it where it is mine already."""
    spec, now = lease.get("spec", {}), _micro_time(wall)
    mine = spec.get("holderIdentity") == me
    changed = _spec(
        me,
        acquired=spec.get("acquireTime", now) if mine else now,
        renewed=now,
        transitions=int(spec.get("leaseTransitions") or 0) + (0 if mine else 1),
    )
    return {**lease, "spec": {**spec, **changed}}


def released(lease: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Lease as nobody holds it."""
    return {**lease, "spec": {**lease.get("spec", {}), "holderIdentity": ""}}


def _spec(me: str, *, acquired: str, renewed: str, transitions: int) -> dict[str, Any]:
    return {
        "holderIdentity": me,
        "leaseDurationSeconds": DURATION,
        "acquireTime": acquired,
        "renewTime": renewed,
        "leaseTransitions": transitions,
    }


def _micro_time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
