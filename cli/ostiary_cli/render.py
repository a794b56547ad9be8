"""`ostiary render`: what a cluster would get from a folder, without any secret value."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ostiary import __version__
from ostiary.translate.plan import Plan, plan
from ostiary.translate.render import PlannedBundle
from ostiary.translate.world import Cluster, Observed, Platform
from ostiary_cli.manifests import read_world
from ostiary_cli.options import folder
from ostiary_cli.yaml_text import write_documents

__all__ = ["command", "documents_of"]

_PLATFORM = Platform(
    cluster=Cluster(
        image=f"ostiary-proxy:{__version__}",
        operator_url="http://ostiary-operator.ostiary-system.svc:8082",
    )
)
"""Stands for a cluster: its operator knows where it runs itself, and where its images come from."""


@click.command(
    epilog="""\b
Examples:
  ostiary render -f manifests/
  ostiary render -f manifests/ | less
"""
)
@folder
def command(place: Path) -> None:
    """Print what a cluster would get.

    That is each gateway's configuration, the objects that its proxies run as, and the status of
    each object. Secret values are not printed, and `${NAME}` in Secrets need not be set; Secrets
    that the operator makes (bundle, keys, certificates) are left out.
    """
    loaded = read_world(place, _Anything(os.environ), platform=_PLATFORM)
    if loaded.faults:
        for fault in loaded.faults:
            click.echo(str(fault), err=True)
        raise SystemExit(1)
    planned = plan(loaded.world, Observed(), time.time())  # noqa: TID251 - the edge has the clock
    click.echo(write_documents(documents_of(planned)), nl=False)


class _Anything(dict[str, str]):
    """An environment in which every variable is set: no value is printed anyway."""

    def __contains__(self, key: object) -> bool:
        return True


def documents_of(planned: Plan) -> Iterator[dict[str, Any]]:
    """Yield each bundle, then each object as it is applied, then each status, as plain values."""
    for bundle in planned.bundles.values():
        yield _bundle(bundle)
    for objects in planned.objects.values():
        yield from (dict(planned_object.body) for planned_object in objects)
    for key, status in planned.statuses.items():
        kind, namespace, name = key.split("/")
        yield {"kind": kind, "namespace": namespace, "name": name, "status": status}


def _bundle(bundle: PlannedBundle) -> dict[str, Any]:
    refs = {**{f"routes.{key}.clientId": ref for key, ref in bundle.client_ids.items()}}
    return {
        "bundle": bundle.gateway,
        "revision": bundle.revision,
        "digest": bundle.digest,
        "config": bundle.config.plain(),
        "credentials": {
            name: {"secret": f"{ref.namespace}/{ref.name}", "key": ref.key}
            for name, ref in {**bundle.credentials, **refs}.items()
        },
    }
