"""`ostiary render`: what a cluster would get from a folder, without any secret value."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ostiary.translate.plan import Plan, plan
from ostiary.translate.render import PlannedBundle
from ostiary.translate.world import DevIdentity, Observed, Platform
from ostiary_cli.manifests import read_world
from ostiary_cli.options import folder
from ostiary_cli.yaml_text import write_documents

__all__ = ["SHOWN_PLATFORM", "command", "documents_of"]

SHOWN_PLATFORM = Platform(
    dev_identity=DevIdentity(issuer="http://127.0.0.1", client_id="ostiary-dev")
)
"""Stands for the development identity provider, whose port is known only while it runs."""


@click.command(
    epilog="""\b
Examples:
  ostiary render -f manifests/
  ostiary render -f manifests/ | less
"""
)
@folder
def command(place: Path) -> None:
    """Print what a cluster would get: each gateway's configuration, each object's status.

    Secret values are not printed, and `${NAME}` in Secrets need not be set.
    """
    loaded = read_world(place, _Anything(os.environ), platform=SHOWN_PLATFORM)
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
    """Yield each bundle, then each status, as plain values."""
    for bundle in planned.bundles.values():
        yield _bundle(bundle)
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
