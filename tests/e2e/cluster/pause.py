"""The pod sandbox's image: one static binary, written as the archive that `ctr` imports."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from e2e.cluster.layout import PAUSE_IMAGE

__all__ = ["write_pause_image"]


def write_pause_image(binary: Path, archive: Path) -> None:
    """Write an image of `binary` alone (the format of `docker save`)."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        _add(files, "pause", binary.read_bytes(), mode=0o755)
    content = layer.getvalue()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [PAUSE_IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as files:
        _add(files, "layer.tar", content)
        _add(files, "config.json", json.dumps(config).encode())
        _add(files, "manifest.json", json.dumps(manifest).encode())


def _add(files: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    files.addfile(entry, io.BytesIO(content))
