"""What a machine must be and have for a cluster, and how it comes to have it."""

import os
import shutil
from pathlib import Path

from e2e.cluster.binaries import build, built
from setup_parts import PartMissing, install_programs

__all__ = ["missing", "prepare"]

_PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "nft": "nftables",
    "iptables": "iptables",
    "ip": "iproute2",
}
"""Program → Debian package."""


def prepare() -> Path:
    """Install and build what is missing, once; return the folder of the binaries."""
    if lack := _unfit():
        raise PartMissing(f"this machine can't run the cluster: {lack}")
    install_programs(_PROGRAMS)
    return build()


def missing() -> str:
    """Return what a cluster lacks here; empty where nothing is."""
    if lack := _unfit():
        return lack
    lacking = [package for program, package in _PROGRAMS.items() if not shutil.which(program)]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    return "" if built() else "Kubernetes is not built yet"


def _unfit() -> str:
    if os.geteuid() != 0:
        return "it makes namespaces and mounts, so it needs root"
    if not Path("/sys/fs/cgroup/memory").is_dir():
        return "it needs the hierarchies of cgroup version 1"
    return ""
