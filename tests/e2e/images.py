"""The project's images: how they are named, and what goes into them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from e2e import before
from e2e.cluster.layout import ROOT
from ostiary import __version__
from setup_parts import say

__all__ = [
    "BEFORE", "IMAGES", "OURS", "archive", "build_stale", "context", "current", "dockerfile",
    "reference",
]  # fmt: skip

OURS = {"proxy": "proxy", "operator": "operator", "demo": "cli"}
BEFORE = {"proxy-before": "proxy", "operator-before": "operator"}
"""Those of the version to upgrade from."""
IMAGES = {**OURS, **BEFORE, "redis": "tests/e2e/redis"}
"""Image → folder of its Dockerfile."""

_ARCHIVES = ROOT / ".cache" / "images"
_SOURCES = ("cli", "operator", "ostiary", "proxy")


def reference(name: str) -> str:
    """Return an image's name, as manifests/install.yaml has it."""
    return f"ostiary-{name}:{__version__}"


def context(name: str) -> Path:
    """Return the folder that an image is built from: the repository, or the version before."""
    return before.tree() if name in BEFORE else ROOT


def dockerfile(name: str) -> Path:
    """Return what an image is built by, in its context."""
    return context(name) / IMAGES[name] / "Dockerfile"


def archive(name: str) -> Path:
    """Return where an image is kept, as a node imports it."""
    return _ARCHIVES / f"{name}.tar"


def current(name: str) -> bool:
    """Say whether the archive holds what is in the tree."""
    stamp = _stamp(name)
    return archive(name).exists() and stamp.exists() and stamp.read_text() == _digest(name)


def build_stale(build: Callable[[str], None], names: Iterable[str]) -> None:
    """Build the archives that are not current."""
    for name in names:
        if current(name):
            say(f"the image of {name} is current")
            continue
        wanted = _digest(name)
        _ARCHIVES.mkdir(parents=True, exist_ok=True)
        _stamp(name).unlink(missing_ok=True)
        archive(name).unlink(missing_ok=True)
        build(name)
        _stamp(name).write_text(wanted)


def _stamp(name: str) -> Path:
    return _ARCHIVES / f"{name}.sha256"


def _digest(name: str) -> str:
    digest, root = hashlib.sha256(), context(name)
    for file in _ingredients(name, root):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _ingredients(name: str, root: Path) -> Iterator[Path]:
    """Yield what may go into an image: what .dockerignore lets through, and a little more."""
    yield dockerfile(name)
    if name not in {**OURS, **BEFORE}:
        return
    yield from (root / each for each in (".dockerignore", "LICENSE", "README.md", "pyproject.toml"))
    locks = ("build", name.removesuffix("-before"))
    yield from (root / f"requirements-{each}.lock" for each in locks)
    for folder in _SOURCES:
        files = (path for path in (root / folder).rglob("*") if path.is_file())
        yield from sorted(path for path in files if path.suffix != ".pyc")
