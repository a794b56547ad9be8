"""`ostiary check`: everything that is wrong with a folder, each fault with its place and mend."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from ostiary.decode.fault import Fault
from ostiary.resources.manifest import Kind
from ostiary.translate.plan import Plan, plan
from ostiary.translate.problem import Condition, Reason
from ostiary.translate.world import DevIdentity, Observed, Platform
from ostiary_cli.manifests import Loaded, read_world
from ostiary_cli.options import folder

__all__ = ["SHOWN_PLATFORM", "command", "findings"]

SHOWN_PLATFORM: Final = Platform(
    dev_identity=DevIdentity(issuer="http://127.0.0.1", client_id="ostiary-dev")
)
"""Stands for the development identity provider, whose port is known only while it runs."""

_WARNINGS: Final = frozenset(
    {Reason.SECRET_NOT_FOUND, Reason.BACKEND_NOT_FOUND, Reason.NO_POLICY, Reason.DEFAULT_CONFLICT}
)
"""Secrets and Services may well stand in the cluster only."""
_FOLDERS: Final = (
    (Reason.GATEWAY_NOT_FOUND, frozenset({Kind.GATEWAY})),
    (Reason.TARGET_NOT_FOUND, frozenset({Kind.GATEWAY, Kind.ROUTE})),
)
"""What is missing by design where a folder holds none of these kinds: another team keeps them."""


@click.command(
    epilog="""\b
Examples:
  ostiary check -f manifests/
  ostiary check -f manifests/ && git push
"""
)
@folder
def command(place: Path) -> None:
    """Say what is wrong with the YAML in a folder, and how to mend it.

    Prints `file:line:col: path: what is wrong`. Exit code 1 if anything is wrong, 0 otherwise;
    warnings (a route without policy, a Secret that is not in the folder) do not count. A folder of
    routes needs no gateway in it, a folder of policies no routes: their faults are warnings there.
    """
    loaded = read_world(place, os.environ, platform=SHOWN_PLATFORM)
    planned = plan(loaded.world, Observed(), time.time())  # noqa: TID251 - the edge has the clock
    faults, warnings = findings(loaded, planned, elsewhere=_elsewhere(loaded))
    for fault in sorted({*loaded.faults, *faults}, key=_order):
        click.echo(str(fault))
    for fault in sorted({*loaded.notices, *warnings}, key=_order):
        click.echo(f"warning: {fault}", err=True)
    count = len({*loaded.faults, *faults})
    if count:
        click.echo(f"{count} fault{'s' if count > 1 else ''}", err=True)
        raise SystemExit(1)
    click.echo(
        f"{len(loaded.world.manifests)} objects in {len(loaded.files)} files: good", err=True
    )


def findings(
    loaded: Loaded, planned: Plan, *, elsewhere: frozenset[Reason] = frozenset()
) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """Return what keeps objects from working as faults, and what may be meant as warnings.

    `elsewhere` are the reasons that speak of objects which are kept in another folder.
    """
    faults: list[Fault] = []
    warnings: list[Fault] = []
    for key, status in planned.statuses.items():
        for problem in planned.problems[key]:
            fault = _placed(loaded, key, Fault(path=problem.path, message=problem.message))
            meant = problem.reason in _WARNINGS | elsewhere
            (warnings if meant else faults).append(fault)
        warnings += [_placed(loaded, key, fault) for fault in _of_conditions(status)]
    return tuple(faults), tuple(warnings)


def _elsewhere(loaded: Loaded) -> frozenset[Reason]:
    here = {manifest.kind for manifest in loaded.world.manifests}
    return frozenset(reason for reason, kinds in _FOLDERS if not kinds & here)


def _of_conditions(status: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is said about a route's policies: none, or one that is reported itself."""
    for condition in status["conditions"]:
        if condition["type"] == Condition.POLICY_ATTACHED and condition["status"] == "False":
            yield Fault(path="", message=condition["message"])


def _placed(loaded: Loaded, key: str, fault: Fault) -> Fault:
    document = loaded.documents.get(key)
    if document is None:
        return replace(fault, file=key)
    (located,) = document.locate([fault])
    return located


def _order(fault: Fault) -> tuple[str, int, int, str, str]:
    return (fault.file or "", fault.line or 0, fault.column or 0, fault.path, fault.message)
