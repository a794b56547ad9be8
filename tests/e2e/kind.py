"""A cluster by kind, where a container engine runs. Untested by us: our CI has no engine."""

import os
import shutil
import subprocess

from e2e.cluster.layout import KUBERNETES, ROOT
from e2e.images import IMAGES, dockerfile, reference

__all__ = ["Kind"]

_CLUSTER = "ostiary-e2e"
_KUBECONFIG = ROOT / ".cache" / "kind.kubeconfig"


class Kind:
    """A cluster of one node, in a container."""

    name = f"kind, Kubernetes {KUBERNETES} in a container"

    @staticmethod
    def runs() -> bool:
        """Say whether kind, kubectl and a container engine are here."""
        if not all(shutil.which(program) for program in ("kind", "kubectl", "docker")):
            return False
        asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
        return asked.returncode == 0

    def prepare(self) -> None:
        """Build the images."""
        for name in IMAGES:
            build = ["docker", "build", "-f", str(dockerfile(name)), "-t", reference(name)]
            subprocess.run([*build, str(ROOT)], check=True)

    def start(self) -> None:
        """Create it."""
        _kind(
            "create", "cluster", "--image", f"kindest/node:{KUBERNETES}",
            "--kubeconfig", str(_KUBECONFIG), "--wait", "120s",
        )  # fmt: skip
        os.environ["KUBECONFIG"] = str(_KUBECONFIG)

    def load(self, name: str) -> None:
        """Bring an image into the node."""
        _kind("load", "docker-image", reference(name))

    def stop(self) -> None:
        """Delete it."""
        _kind("delete", "cluster")


def _kind(*arguments: str) -> None:
    subprocess.run(["kind", *arguments, "--name", _CLUSTER], check=True)
