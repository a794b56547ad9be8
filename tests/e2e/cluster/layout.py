"""Where a running cluster keeps its things, and the addresses inside it.

The addresses are fixed: each cluster has a network namespace of its own.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "API_PORT", "API_SERVICE_IP", "CACHE", "DNS_IP", "KUBERNETES", "LISTENER", "NODE", "NODE_IP",
    "PAUSE_IMAGE", "POD_RANGE", "ROOT", "SERVICE_RANGE", "VOLUMES", "Layout",
]  # fmt: skip

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache"

KUBERNETES = "v1.34.4"
NODE = "node"
NODE_IP = "172.30.0.2"
API_PORT = 6443
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"
POD_RANGE = "10.244.0.0/24"
PAUSE_IMAGE = "ostiary.test/pause:1"
LISTENER = 3
"""The file descriptor of the port outside, which the supervisor inherits."""

VOLUMES = Path("/run/volumes")
"""Persistent volumes, in the node's own mount namespace: memory, gone with the cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The files of one cluster."""

    folder: Path = CACHE / "cluster"

    @property
    def name(self) -> str:
        """Name its cgroups; two checkouts run two clusters beside each other."""
        return f"ostiary-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}"

    @property
    def kubeconfig(self) -> Path:
        """Return the administrator's kubeconfig, for use outside."""
        return self.folder / "kubeconfig"

    @property
    def state(self) -> Path:
        """Return the file that says which process is the cluster."""
        return self.folder / "state.json"

    @property
    def ready(self) -> Path:
        """Return the file that is there once the node is Ready; it holds the times."""
        return self.folder / "ready.json"

    @property
    def restart(self) -> Path:
        """Return the file in which a component is named that the supervisor shall restart."""
        return self.folder / "restart"

    @property
    def logs(self) -> Path:
        """Return the folder of one log a component, and the API server's audit log."""
        return self.folder / "log"

    @property
    def audit(self) -> Path:
        """Return the API server's audit log: what service accounts asked for."""
        return self.logs / "audit.jsonl"

    @property
    def certificates(self) -> Path:
        """Return the folder of keys and certificates."""
        return self.folder / "pki"

    @property
    def settings(self) -> Path:
        """Return the folder of the components' configuration."""
        return self.folder / "etc"

    @property
    def data(self) -> Path:
        """Return the folder that etcd, containerd and the kubelet write to: memory, inside."""
        return self.folder / "data"

    def inner_kubeconfig(self, user: str) -> Path:
        """Return a component's kubeconfig, for use inside."""
        return self.settings / f"{user}.kubeconfig"
