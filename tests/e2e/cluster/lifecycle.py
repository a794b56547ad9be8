"""Starts and ends a cluster, from outside of it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from e2e.cluster.certificates import write_certificates
from e2e.cluster.isolation import hierarchies
from e2e.cluster.layout import LISTENER, ROOT, Layout
from e2e.cluster.settings import write_settings

__all__ = ["ClusterFailed", "down", "is_up", "kill", "load", "restart", "up"]

_STEP = 0.05
_NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts")


class ClusterFailed(Exception):  # noqa: N818 - a statement
    """The cluster does not start, or is not there; the text says why."""


def up(layout: Layout, binaries: Path) -> dict[str, float]:
    """Start a cluster; return when its node is Ready, with how long each part took."""
    down(layout)
    shutil.rmtree(layout.folder, ignore_errors=True)
    layout.folder.mkdir(mode=0o700, parents=True)  # it holds keys
    layout.logs.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        write_certificates(layout.certificates)
        write_settings(layout, listener.getsockname()[1])
        pid = _spawn(layout, binaries, listener)
    layout.state.write_text(json.dumps({"pid": pid, "began": _began(pid)}))
    _wait("start", lambda: layout.ready.exists() or _pid(layout) is None, seconds=150)
    if not layout.ready.exists():
        down(layout)
        raise ClusterFailed((layout.logs / "supervisor.log").read_text()[-4000:])
    times: dict[str, float] = json.loads(layout.ready.read_text())
    return times


def down(layout: Layout) -> None:
    """End the cluster, if one is up, and remove all that it left but its logs."""
    if (pid := _pid(layout)) is not None:
        os.kill(pid, signal.SIGKILL)  # its child, which is all the rest, dies with it
        _wait("end", lambda: _pid(layout) is None, seconds=10)
    for hierarchy in hierarchies():
        _wait("free its cgroups", partial(_removed, hierarchy / layout.name), seconds=10)
    for path in layout.folder.glob("*"):
        if path.is_file():
            path.unlink()
        elif path != layout.logs:
            shutil.rmtree(path)


def is_up(layout: Layout) -> bool:
    """Say whether a cluster runs and has become ready."""
    return _pid(layout) is not None and layout.ready.exists()


def load(layout: Layout, archive: Path) -> None:
    """Import an image archive into the node."""
    _containerd(layout, "images", "import", str(archive.resolve()))


def kill(layout: Layout, container: str) -> None:
    """Kill a container's first process as a crash would; the kubelet starts it again."""
    _containerd(layout, "tasks", "kill", "--signal", "SIGKILL", container)


def restart(layout: Layout, component: str) -> None:
    """Kill a component as a crash would and start it again; it may not serve yet on return."""
    if not is_up(layout):
        raise ClusterFailed("no cluster is up")
    whole = layout.restart.with_suffix(".tmp")
    whole.write_text(component)
    whole.rename(layout.restart)
    _wait(f"restart {component}", lambda: not layout.restart.exists(), seconds=20)


def _containerd(layout: Layout, *command: str) -> None:
    if (pid := _pid(layout)) is None:
        raise ClusterFailed("no cluster is up")
    first = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
    enter = ["nsenter", "--target", first, "--all", "--", "ctr", "-n", "k8s.io"]
    ended = subprocess.run([*enter, *command], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise ClusterFailed(f"{' '.join(command)} failed: {ended.stdout}{ended.stderr}")


def _spawn(layout: Layout, binaries: Path, listener: socket.socket) -> int:
    """Start PID 1 below an `unshare`, which outlives this process; return the latter's id."""
    command = [
        "unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc",
        sys.executable, "-m", "e2e.cluster.supervisor", str(layout.folder), str(binaries),
    ]  # fmt: skip
    log, flags = layout.logs / "supervisor.log", os.O_WRONLY | os.O_CREAT
    return os.posix_spawnp(
        command[0],
        command,
        {**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        file_actions=(
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, listener.fileno(), LISTENER),
        ),
        setsid=True,
    )


def _pid(layout: Layout) -> int | None:
    """Return the process whose child is the cluster's first; None where it is not alive."""
    try:
        state = json.loads(layout.state.read_text())
    except FileNotFoundError:
        return None
    pid: int = state["pid"]
    return pid if _began(pid) == state["began"] else None


def _began(pid: int) -> str | None:
    """Return when a process began, which tells it from a later one of the same number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]  # a zombie is dead, reaped or not


def _removed(cgroup: Path) -> bool:
    """Try to remove a tree of cgroups; its processes may be dying still."""
    try:
        for folder, _, _ in os.walk(cgroup, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True


def _wait(what: str, done: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise ClusterFailed(f"the cluster does not {what} in {seconds:.0f} s")
        time.sleep(_STEP)
