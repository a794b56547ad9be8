"""What an operator process is told at its start."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary.translate.world import Cluster
from ostiary_operator.sources import Scope

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where to act and as whom.

    `namespace` is the operator's own, where its Lease is; `identity` is its name in that Lease.
    `proxy_template` is the PodTemplate that says the image of proxies; None: `cluster` does.
    `kubeconfig` is None inside a cluster. `default_gateway` is the MCPGateway to make once;
    without a `webhook_port` there is no webhook.
    """

    scope: Scope
    namespace: str
    identity: str
    port: int
    cluster: Cluster
    proxy_template: str | None = None
    kubeconfig: Path | None = None
    default_gateway: Mapping[str, Any] | None = None
    webhook_port: int | None = None
