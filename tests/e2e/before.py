"""The version that an upgrade begins with: the commit that UPGRADE_FROM names, as files."""

import subprocess
from pathlib import Path

from e2e.cluster.layout import CACHE, ROOT
from setup_parts import say

__all__ = ["NotInThisClone", "tree"]

_COMMIT = (ROOT / "tests" / "e2e" / "UPGRADE_FROM").read_text().strip()


class NotInThisClone(Exception):  # noqa: N818 - a statement
    """The commit can't be had; the text says what to do."""


def tree() -> Path:
    """Return the folder with that version; raises NotInThisClone."""
    folder = CACHE / "before" / _COMMIT
    if not folder.exists():
        say(f"unpacking the version to upgrade from, {_COMMIT[:7]}")
        files = _git("archive", "--format=tar", _COMMIT)
        unfinished = folder.with_suffix(".unfinished")
        unfinished.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "-x", "-C", str(unfinished)], input=files, check=True)
        unfinished.rename(folder)
    return folder


def _git(*arguments: str) -> bytes:
    ended = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    if ended.returncode:
        said = f"tests/e2e/UPGRADE_FROM names the commit {_COMMIT}, which is not in this clone"
        raise NotInThisClone(
            f"{said}; run: git fetch --unshallow ({ended.stderr.decode().strip()})"
        )
    return ended.stdout
