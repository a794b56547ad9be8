"""Writes go/go.mod and go/go.sum anew, for another release: `python -m e2e.cluster.pins v1.13.1`.

The release of Kubernetes is the one in `layout`, the argument is CoreDNS's. CoreDNS must have been
made for the same client-go, which is v0.X.Y where Kubernetes is v1.X.Y. Beyond Kubernetes 1.34 the
kubelet refuses cgroup version 1 unless it is told otherwise.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from e2e.cluster.layout import KUBERNETES

_MODULE = "ostiary.dev/tests/cluster"
_FOLDER = Path(__file__).parent / "go"
_ETCD = "go.etcd.io/etcd"


def main() -> None:
    """Write both files."""
    (coredns,) = sys.argv[1:]
    release = json.loads(_go("mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES}"))
    (_FOLDER / "go.mod").write_text(go_mod(Path(release["GoMod"]).read_text(), coredns))
    (_FOLDER / "go.sum").unlink(missing_ok=True)
    _go("mod", "tidy")
    # CoreDNS may raise etcd's client libraries, and the server must be of one piece with them.
    raised = _go("list", "-m", "-f", "{{.Version}}", f"{_ETCD}/api/v3").strip()
    _go("mod", "edit", f"-require={_ETCD}/server/v3@{raised}")
    _go("mod", "tidy")


def go_mod(upstream: str, coredns: str) -> str:
    """Return our go.mod by the release's own, which finds its parts in folders beside it.

    We find the same parts as modules of their own, at the version that goes with the release.
    """
    parts = re.findall(r"^\t(k8s\.io/\S+) => \./staging/", upstream, re.MULTILINE)
    version = f"v0{KUBERNETES.removeprefix('v1')}"
    (etcd,) = re.findall(rf"^\t{_ETCD}/server/v3 (\S+)", upstream, re.MULTILINE)
    lines = [
        f"module {_MODULE}",
        *re.findall(r"^(?:go|godebug) .*$", upstream, re.MULTILINE),
        "require (",
        f"k8s.io/kubernetes {KUBERNETES}",
        f"github.com/coredns/coredns {coredns}",
        f"{_ETCD}/server/v3 {etcd}",
        ")",
        "replace (",
        *(f"{part} => {part} {version}" for part in parts),
        ")",
    ]
    return "\n".join(lines)


def _go(*arguments: str) -> str:
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    return subprocess.run(
        ["go", *arguments], cwd=_FOLDER, env=environment, capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    main()
