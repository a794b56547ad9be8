"""The status of a gateway: whether it is accepted, rolled out and served."""

from collections.abc import Mapping
from typing import Any

from ostiary.resources.status import GatewayStatus, KeyRotation, Replicas, Truth
from ostiary.translate.conditions import Ladder, Said, last_error, timestamp
from ostiary.translate.gateways import ResolvedGateway
from ostiary.translate.problem import Condition, Reason
from ostiary.translate.reports import available
from ostiary.translate.world import Cluster, Rollout

__all__ = ["gateway_status"]


def gateway_status(
    gateway: ResolvedGateway,
    *,
    reached: Said,
    routes: int,
    cluster: Cluster | None,
    rollout: Rollout | None,
) -> Mapping[str, Any]:
    """Return a gateway's status; `reached` is Programmed, `routes` how many are served."""
    ladder = Ladder(manifest=gateway.manifest, problems=gateway.problems)
    ladder.step(Condition.ACCEPTED, Reason.ACCEPTED, "the gateway can be served")
    ladder.step(Condition.RESOLVED_REFS, Reason.RESOLVED, "every reference resolves")
    if cluster is not None:
        ladder.say(Condition.AVAILABLE, available(rollout))
    ladder.say(Condition.PROGRAMMED, reached)
    ladder.ready(tuple(ladder.said), "the gateway serves")
    _rolling(ladder, rollout)
    if gateway.paused:
        _paused(ladder)
    _beside_the_ladder(ladder)
    config = gateway.config
    provider = config.identity_provider if config else None
    return GatewayStatus(
        observed_generation=gateway.manifest.meta.generation,
        conditions=ladder.conditions(),
        last_error=last_error(gateway.problems),
        callback_url=f"{config.public_url}/login/callback" if config else None,
        issuer=provider.issuer if provider else None,
        attached_routes=routes,
        replicas=_replicas(rollout),
        image=_image(gateway, cluster),
        key_rotations=_rotations(rollout),
    ).plain()


def _rolling(ladder: Ladder, rollout: Rollout | None) -> None:
    """Say Reconciling while proxies are replaced or added, though enough of them serve."""
    if rollout is None or min(rollout.updated, rollout.ready) >= rollout.replicas:
        return
    if ladder.said[Condition.READY].holds:
        said = f"{rollout.updated}/{rollout.replicas} proxies are up to date, {rollout.ready} ready"
        ladder.say(Condition.RECONCILING, Said("True", Reason.ROLLING_OUT, said))


def _beside_the_ladder(ladder: Ladder) -> None:
    """Say what is said only while it is so, and keeps nothing from being Ready."""
    truths: dict[Condition, Truth] = {Condition.CONFLICTED: "True", Condition.KEYS_ROTATED: "False"}
    for problem in ladder.problems:
        if truth := truths.get(problem.condition):
            ladder.say(problem.condition, Said(truth, problem.reason, problem.message))


def _paused(ladder: Ladder) -> None:
    ladder.said.pop(Condition.RECONCILING, None)
    said = (
        "the annotation ostiary.dev/reconcile says disabled: nothing is changed in the cluster "
        "until it goes"
    )
    ladder.say(Condition.READY, Said("Unknown", Reason.SUSPENDED, said))


def _replicas(rollout: Rollout | None) -> Replicas | None:
    return None if rollout is None else Replicas(desired=rollout.replicas, ready=rollout.ready)


def _rotations(rollout: Rollout | None) -> tuple[KeyRotation, ...] | None:
    if rollout is None or not rollout.rotations:
        return None
    return tuple(
        KeyRotation(ring=found.ring, stage=found.stage, since=timestamp(found.since))
        for found in rollout.rotations
    )


def _image(gateway: ResolvedGateway, cluster: Cluster | None) -> str | None:
    if cluster is None or gateway.gateway is None:
        return None
    return gateway.gateway.spec.proxy.image or cluster.image
