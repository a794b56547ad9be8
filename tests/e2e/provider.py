"""Where the tests' cluster comes from: one that the user names, kind, or our own."""

import os
from collections.abc import Iterable
from typing import Protocol

from e2e import buildah
from e2e.cluster import lifecycle, prerequisites
from e2e.cluster.binaries import build
from e2e.cluster.layout import CACHE, KUBERNETES, Layout
from e2e.images import IMAGES, archive, build_stale, current
from e2e.kind import Kind
from real_parts import require
from setup_parts import install_programs

__all__ = ["Given", "Own", "Provider", "choose"]


class Provider(Protocol):
    """A cluster for one run of the tests."""

    @property
    def name(self) -> str:
        """Say in a few words what it is."""

    def prepare(self, images: Iterable[str] = IMAGES) -> None:
        """Install and build what it and the images need, and these."""

    def start(self) -> None:
        """Start it; from then on KUBECONFIG names it and `kubectl` on PATH fits it."""

    def load(self, name: str) -> None:
        """Bring one of the project's images into it."""

    def stop(self) -> None:
        """End it, unless it was there before."""


class Given:
    """The cluster that KUBECONFIG names. Its nodes must know the images already."""

    name = "the one that KUBECONFIG names; its nodes must have the images"

    def prepare(self, images: Iterable[str] = IMAGES) -> None:
        """Leave it to the user."""

    def start(self) -> None:
        """Take it as it is."""

    def load(self, name: str) -> None:
        """Trust the user to have brought it."""

    def stop(self) -> None:
        """Leave it."""


class Own:
    """Our own, in namespaces of this machine; one that `make cluster-up` started is taken over."""

    name = f"our own, Kubernetes {KUBERNETES} in namespaces of this machine"

    def __init__(self, layout: Layout, *, alone: bool = False) -> None:
        self.layout = layout
        self._alone = alone
        self._ours = False

    def prepare(self, images: Iterable[str] = IMAGES) -> None:
        """Build Kubernetes and the images, with the programs that it takes."""
        prerequisites.prepare()
        install_programs(buildah.PROGRAMS)
        build_stale(buildah.build, images)

    def start(self) -> None:
        """Start it, if none is up or it has to be a new one."""
        lack = prerequisites.missing()
        require(not lack, f"a cluster ({lack})", "make cluster-up")
        binaries = build()
        if self._alone or not lifecycle.is_up(self.layout):
            lifecycle.up(self.layout, binaries)
            self._ours = True
        os.environ["KUBECONFIG"] = str(self.layout.kubeconfig)
        os.environ["PATH"] = f"{binaries}:{os.environ['PATH']}"

    def load(self, name: str) -> None:
        """Import an image into the node's containerd."""
        require(current(name), f"the image of {name} as it is in the tree", "make e2e")
        lifecycle.load(self.layout, archive(name))

    def stop(self) -> None:
        """End it if this run has started it."""
        if self._ours:
            lifecycle.down(self.layout)


def choose(alone: str | None = None) -> Provider:
    """Return the cluster to use: the user's word first, then what the machine can run.

    `alone` names one that is started anew, beside that of the tests.
    """
    if "KUBECONFIG" in os.environ:
        return Given()
    if Kind.runs():
        return Kind(alone or "e2e")
    return Own(Layout(folder=CACHE / alone), alone=True) if alone else Own(Layout())
