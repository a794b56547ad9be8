"""What came back from the cluster and from proxies, as conditions and counts that don't flutter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ostiary.decode.yaml_documents import Plain
from ostiary.translate.conditions import Said, timestamp
from ostiary.translate.problem import Reason
from ostiary.translate.world import Reported, Rollout

__all__ = ["Traffic", "available", "left_out", "reachable", "traffic", "would_deny"]

_STEADY: Final = 60
"""Seconds for which a count that is shown stays: each change is a write that others watch."""


def available(rollout: Rollout | None) -> Said:
    """Return Available of a gateway: whether its Deployment has proxies that are ready."""
    if rollout is None:
        return Said("Unknown", Reason.PENDING, "its Deployment is not there yet")
    if rollout.message:
        return Said("False", Reason.ROLLOUT_BLOCKED, rollout.message)
    said = f"{rollout.ready}/{rollout.replicas} proxies are ready"
    if rollout.ready == 0:
        return Said("False", Reason.ROLLING_OUT, said)
    return Said("True", Reason.AVAILABLE, said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What requests showed of a route's servers."""

    reachable: Said | None
    left_out: tuple[str, ...]


def traffic(servers: Sequence[str], reported: Sequence[Reported]) -> Traffic:
    """Return what proxies report of the servers, by `server_key`."""
    return Traffic(reachable=reachable(servers, reported), left_out=left_out(servers, reported))


def reachable(servers: Sequence[str], reported: Sequence[Reported]) -> Said | None:
    """Return UpstreamReachable of a route by the last requests to its servers, by `server_key`.

    None where no proxy is ready.
    """
    ready = [proxy for proxy in reported if proxy.ready]
    if not ready:
        return None
    last = {
        key: [proxy.upstreams[key] for proxy in ready if key in proxy.upstreams] for key in servers
    }
    failed = {key: min(errors) for key, errors in last.items() if errors and all(errors)}
    if not any(last.values()):
        return Said("Unknown", Reason.PENDING, "no request has gone to the server yet")
    if not failed:
        return Said("True", Reason.REACHABLE, "the server answers")
    if len(servers) == 1:
        return Said("False", Reason.UPSTREAM_FAILED, *failed.values())
    said = "; ".join(f"{key.rpartition('/')[2]}: {error}" for key, error in failed.items())
    if len(failed) == len(servers):
        return Said("False", Reason.UPSTREAM_FAILED, said)
    return Said("False", Reason.PARTLY_REACHABLE, f"{said}; the others' part is served")


def left_out(servers: Sequence[str], reported: Sequence[Reported]) -> tuple[str, ...]:
    """Return the names of tools that clients are not shown, the first 16."""
    names = {name for proxy in reported for key in servers for name in proxy.unfit.get(key, ())}
    return tuple(sorted(names)[:16])


def would_deny(before: Mapping[str, Plain], calls: int, now: float) -> dict[str, Any] | None:
    """Return `wouldDeny` of a policy whose last status is `before`; None where it has none.

    It changes at most once a minute, and only from or to nothing or by more than a tenth.
    """
    shown = before.get("wouldDeny")
    known = dict(shown) if isinstance(shown, dict) else None
    last = known.get("calls") if known else 0
    if not isinstance(last, int) or known is None:
        return {"calls": calls, "lastChanged": timestamp(now)} if calls else None
    near = bool(calls) and bool(last) and abs(calls - last) * 10 <= last
    if calls == last or near or 0 <= now - _seconds(known.get("lastChanged")) < _STEADY:
        return known
    return {"calls": calls, "lastChanged": timestamp(now)}


def _seconds(time: Plain) -> float:
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return 0.0
