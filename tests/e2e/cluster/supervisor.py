"""PID 1 of the cluster's namespaces: starts every component, reaps, and ends all when one ends.

    unshare --net --mount --pid ... python -m e2e.cluster.supervisor FOLDER BINARIES 3<LISTENER

Killing this one process ends every pod, mount, interface and firewall rule of the cluster.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from e2e.cluster.api import Api, ApiError
from e2e.cluster.components import commands
from e2e.cluster.doorway import open_doorway
from e2e.cluster.isolation import isolate
from e2e.cluster.layout import LISTENER, NODE, Layout
from e2e.cluster.objects import create_objects
from e2e.cluster.storage import provision_forever

_TICK = 0.1
_PATIENCE = 120.0
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_FIRST = ("etcd", "kube-apiserver", "containerd")
_SECOND = ("kube-controller-manager", "kubelet", "kube-scheduler", "kube-proxy", "coredns")
"""What needs the API server to serve."""


class Supervisor:
    """The life of one cluster, seen from inside."""

    def __init__(self, layout: Layout, binaries: Path) -> None:
        self._layout = layout
        self._binaries = binaries
        self._commands = commands(layout, binaries)
        self._names: dict[int, str] = {}
        self._begun = time.monotonic()
        self._times: dict[str, float] = {}

    def start(self, listener: socket.socket) -> None:
        """Start everything; return once the node is Ready."""
        isolate(self._layout)
        self._mark("namespaces")
        open_doorway(listener)
        for name in _FIRST:
            self._spawn(name)
        self._wait("containerd", _containerd_answers)
        _import_image(self._binaries / "pause.tar")
        api = Api(self._layout)
        self._wait("API server", api.is_ready)
        for name in _SECOND:
            self._spawn(name)
        create_objects(api)
        self._wait("service account", lambda: _has_account(api))
        self._wait("node", lambda: _is_ready(api))
        provision_forever(api)

    def serve(self) -> None:
        """Say that the cluster is ready; then reap until a component ends."""
        whole = self._layout.ready.with_suffix(".tmp")
        whole.write_text(json.dumps(self._times))
        whole.rename(self._layout.ready)
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in self._names:
                raise RuntimeError(f"{self._names[pid]} ended with status {status}")
            if pid == 0:
                time.sleep(_TICK)
                self._restart_on_demand()

    def _restart_on_demand(self) -> None:
        """Restart the component that a test has named, as hard as a crash would."""
        demand = self._layout.restart
        if not demand.exists():
            return
        wanted = demand.read_text()
        (pid,) = (pid for pid, name in self._names.items() if name == wanted)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        del self._names[pid]
        self._spawn(wanted)
        demand.unlink()

    def _spawn(self, name: str) -> None:
        command = self._commands[name]
        # Not subprocess: its objects reap on their own, and a death would go unseen.
        pid = os.posix_spawnp(
            command[0],
            command,
            {"PATH": _PATH, "HOME": "/root"},
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, self._layout.logs / f"{name}.log", _APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ),
            setsid=True,
        )
        self._names[pid] = name

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not done():
            for pid, name in self._names.items():
                if os.waitpid(pid, os.WNOHANG) != (0, 0):
                    raise RuntimeError(f"{name} ended at once")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not ready after {_PATIENCE:.0f} s")
            time.sleep(_TICK)
        self._mark(what)

    def _mark(self, what: str) -> None:
        self._times[what] = round(time.monotonic() - self._begun, 1)


def _containerd_answers() -> bool:
    ended = subprocess.run(["ctr", "version"], capture_output=True, check=False)
    return ended.returncode == 0


def _import_image(archive: Path) -> None:
    command = ["ctr", "-n", "k8s.io", "images", "import", str(archive)]
    subprocess.run(command, check=True, capture_output=True)


def _has_account(api: Api) -> bool:
    try:
        api.get("/api/v1/namespaces/default/serviceaccounts/default")
    except ApiError:
        return False
    return True


def _is_ready(api: Api) -> bool:
    try:
        node = api.get(f"/api/v1/nodes/{NODE}")
    except ApiError:
        return False
    conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")


def main() -> None:
    """Run a cluster until one of its components, or somebody, ends it."""
    folder, binaries = sys.argv[1:]
    supervisor = Supervisor(Layout(folder=Path(folder)), Path(binaries))
    supervisor.start(socket.socket(fileno=LISTENER))
    supervisor.serve()


if __name__ == "__main__":
    main()
