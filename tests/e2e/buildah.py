"""Builds the project's images without a registry or a container engine.

buildah follows the Dockerfiles; Debian's Python, unpacked by mmdebstrap, stands in for their base.
"""

import json
import os
import subprocess
import time

from e2e.cluster.binaries import CACHE, locked
from e2e.images import archive, context, dockerfile, reference
from setup_parts import run, say

__all__ = ["PROGRAMS", "build"]

PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
"""Program → Debian package."""

_BASE = "docker.io/library/python:stand-in"
_SUITE = "bookworm"
_PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
_STORE = CACHE / "buildah"
_BUILDAH = ("buildah", "--root", str(_STORE / "root"), "--runroot", str(_STORE / "run"))


def build(name: str) -> None:
    """Write the archive of an image."""
    with locked(CACHE / "buildah.lock"):
        _build_base()
        say(f"building the image of {name}")
        began = time.monotonic()
        full = f"docker.io/library/{reference(name)}"
        # pip works on the machine's own network and trusts what the machine trusts.
        _buildah(
            "build", "--layers", "--pull-never", "--build-arg", f"BASE={_BASE}",
            "--network", "host", "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro",
            "-t", full, "-f", str(dockerfile(name)), str(context(name)),
        )  # fmt: skip
        _buildah("push", full, f"docker-archive:{archive(name)}:{full}")
    megabytes = archive(name).stat().st_size // 1_000_000
    say(f"built in {time.monotonic() - began:.0f} s: {megabytes} MB with its base")


def _build_base() -> None:
    rootfs = CACHE / f"{_SUITE}.tar"
    if not rootfs.exists():
        say(f"unpacking Debian {_SUITE}'s Python as base of the images (half a minute, once)")
        unfinished = rootfs.with_suffix(".unfinished.tar")
        run([
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}",
            *(f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "locale", "man")),
            '--customize-hook=ln -s python3 "$1/usr/bin/python"',
            '--customize-hook=rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
            _SUITE, str(unfinished),
        ])  # fmt: skip
        unfinished.rename(rootfs)
    recipe = _STORE / "base"
    recipe.mkdir(parents=True, exist_ok=True)
    file = recipe / "Dockerfile"
    file.write_text(f"FROM scratch\nADD {rootfs.name} /\n")
    _buildah("build", "--layers", "-t", _BASE, "-f", str(file), str(CACHE))


def _buildah(verb: str, *arguments: str) -> None:
    policy = _STORE / "policy.json"
    policy.parent.mkdir(parents=True, exist_ok=True)
    policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}
    command = [*_BUILDAH, verb, "--signature-policy", str(policy), "--quiet", *arguments]
    run(command, env=environment, stdout=subprocess.DEVNULL)
