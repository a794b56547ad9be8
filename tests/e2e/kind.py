"""A cluster by kind, where a container engine runs. Untested by us: our CI has no engine."""

import os
import shutil
import subprocess
from collections.abc import Iterable

from e2e.cluster.layout import CACHE, KUBERNETES
from e2e.images import IMAGES, context, dockerfile, reference

__all__ = ["Kind"]


class Kind:
    """A cluster of one node, in a container."""

    name = f"kind, Kubernetes {KUBERNETES} in a container"

    def __init__(self, cluster: str) -> None:
        self._name = f"ostiary-{cluster}"

    @staticmethod
    def runs() -> bool:
        """Say whether kind, kubectl and a container engine are here."""
        if not all(shutil.which(program) for program in ("kind", "kubectl", "docker")):
            return False
        asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
        return asked.returncode == 0

    def prepare(self, images: Iterable[str] = IMAGES) -> None:
        """Build the images."""
        for name in images:
            build = ["docker", "build", "-f", str(dockerfile(name)), "-t", reference(name)]
            subprocess.run([*build, str(context(name))], check=True)

    def start(self) -> None:
        """Create it; one that a killed run has left ends first."""
        self.stop()
        kubeconfig = CACHE / f"{self._name}.kubeconfig"
        self._kind(
            "create", "cluster", "--image", f"kindest/node:{KUBERNETES}",
            "--kubeconfig", str(kubeconfig), "--wait", "120s",
        )  # fmt: skip
        os.environ["KUBECONFIG"] = str(kubeconfig)

    def load(self, name: str) -> None:
        """Bring an image into the node."""
        self._kind("load", "docker-image", reference(name))

    def stop(self) -> None:
        """Delete it."""
        self._kind("delete", "cluster")

    def _kind(self, *arguments: str) -> None:
        subprocess.run(["kind", *arguments, "--name", self._name], check=True)
