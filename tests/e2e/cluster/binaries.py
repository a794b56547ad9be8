"""Builds the cluster's binaries from source, once, into a cache that all checkouts share.

The cache is keyed by the helper module's sources, its locked dependencies and Go's version.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster.layout import KUBERNETES
from e2e.cluster.pause import write_pause_image
from setup_parts import PartMissing, say

__all__ = ["CACHE", "build", "built", "locked"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ostiary-e2e"
_SOURCES = Path(__file__).parent / "go"
_COMMANDS = ("hyperkube", "coredns", "pause")
_HEARTBEAT = 15


def built() -> Path | None:
    """Return the folder of the binaries, if they have been built of these sources."""
    folder = _folder()
    return folder if folder is not None and folder.is_dir() else None


def build() -> Path:
    """Return the folder of hyperkube, coredns, kubectl and the pause image; build it once."""
    folder = _folder()
    if folder is None:
        raise PartMissing("the cluster is built from source and needs Go 1.24 or newer")
    with locked(CACHE / "binaries.lock"):
        if folder.is_dir():
            return folder
        say(f"building Kubernetes {KUBERNETES} from source (about 6 minutes, once)")
        began = time.monotonic()
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        _compile(unfinished)
        write_pause_image(unfinished / "pause", unfinished / "pause.tar")
        (unfinished / "kubectl").symlink_to("hyperkube")
        unfinished.rename(folder)
        say(f"built in {time.monotonic() - began:.0f} s: {folder}")
    return folder


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock among processes: two checkouts may want to build the same at the same time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder() -> Path | None:
    if not shutil.which("go"):
        return None
    go = subprocess.run(["go", "version"], capture_output=True, check=True).stdout
    key = hashlib.sha256(go)
    for file in sorted(path for path in _SOURCES.rglob("*") if path.is_file()):
        key.update(file.relative_to(_SOURCES).as_posix().encode() + b"\0" + file.read_bytes())
    return CACHE / f"kubernetes-{key.hexdigest()[:16]}"


def _compile(folder: Path) -> None:
    command = [
        "go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath",
        "-ldflags", f"-s -w {_version()}", "-o", f"{folder}/",
        *(f"./cmd/{name}" for name in _COMMANDS),
    ]  # fmt: skip
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""}
    began = time.monotonic()
    with subprocess.Popen(command, cwd=_SOURCES, env=environment) as compiler:
        while True:
            try:
                code = compiler.wait(_HEARTBEAT)
                break
            except subprocess.TimeoutExpired:
                say(f"still compiling after {time.monotonic() - began:.0f} s")
    if code:
        raise PartMissing(f"go build ended with {code}")


def _version() -> str:
    """Return the linker's flags that tell the components which release they are."""
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {
        "gitVersion": KUBERNETES,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{k}={v}" for package in packages for k, v in values.items())
