"""Makes a machine of its own out of new namespaces: mounts, cgroups, network.

Runs as PID 1 in there. Nothing here is visible outside, and all of it ends with the process.
"""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from e2e.cluster.layout import NODE, NODE_IP, SERVICE_RANGE, VOLUMES, Layout

__all__ = ["hierarchies", "isolate"]

_HIERARCHIES = Path("/sys/fs/cgroup")

# Where the kubelet, containerd and CNI insist on writing: each gets a private copy.
_PRIVATE = (
    "/var/lib/kubelet", "/var/lib/cni", "/var/lib/containerd", "/var/log/pods",
    "/var/log/containers",
)  # fmt: skip

# The kubelet writes these, which belong to the whole machine: it gets files that look like them.
_MACHINE_WIDE = {
    "/proc/sys/vm/overcommit_memory": "1",
    "/proc/sys/vm/panic_on_oom": "0",
    "/proc/sys/kernel/panic": "10",
    "/proc/sys/kernel/panic_on_oops": "1",
}

# One veth pair holds the node's address; without a route for services, connecting to one from the
# node fails before its address is translated. No default route: nothing leaves.
_NETWORK = (
    "ip link set lo up",
    "ip link add node0 type veth peer name node1",
    f"ip addr add {NODE_IP}/24 dev node0",
    "ip link set node0 up",
    "ip link set node1 up",
    f"ip route add {SERVICE_RANGE} dev node0",
)
_FORWARDING = {
    "/proc/sys/net/ipv4/ip_forward": "1",
    "/proc/sys/net/ipv4/conf/all/rp_filter": "0",
    "/proc/sys/net/ipv4/conf/all/route_localnet": "1",
}


def isolate(layout: Layout) -> None:
    """Set up the namespaces that this process is the first in."""
    socket.sethostname(NODE)
    _mount(layout)
    _limit(layout)
    for command in _NETWORK:
        _run(command)
    for file, value in _FORWARDING.items():
        Path(file).write_text(value)


def hierarchies() -> Iterator[Path]:
    """Return the mounted version 1 cgroup hierarchies, each by one name."""
    for folder in _HIERARCHIES.iterdir():
        if folder.is_dir() and not folder.is_symlink() and folder.name != "unified":
            yield folder


def _mount(layout: Layout) -> None:
    _run("mount --make-rshared /")
    _run("mount -t tmpfs -o mode=755 tmpfs /run")
    for folder in ("/run/netns", "/run/containerd", "/run/lock", VOLUMES):
        Path(folder).mkdir()
    # In memory: nothing is written to the disk, and nothing is left to delete.
    layout.data.mkdir()
    _run(f"mount -t tmpfs -o mode=700,size=8g tmpfs {layout.data}")
    for folder in _PRIVATE:
        own = Path(f"{layout.data}{folder}")
        own.mkdir(parents=True)
        Path(folder).mkdir(parents=True, exist_ok=True)
        _run(f"mount --bind {own} {folder}")
    for name, value in _MACHINE_WIDE.items():
        file = Path("/run") / name.replace("/", "_")
        file.write_text(f"{value}\n")
        _run(f"mount --bind {file} {name}")


def _limit(layout: Layout) -> None:
    for hierarchy in hierarchies():
        own = hierarchy / layout.name
        own.mkdir(exist_ok=True)
        if hierarchy.name == "cpuset":
            for name in ("cpuset.cpus", "cpuset.mems"):
                (own / name).write_text((hierarchy / name).read_text())


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)
