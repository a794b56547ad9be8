"""Ports that stay the same over restarts: URLs that clients know, and logins, depend on them."""

import json
import socket
from pathlib import Path

__all__ = ["steady_port"]


def steady_port(host: str, wanted: int, *, kept: Path) -> tuple[int, str | None]:
    """Return a free port and, where it isn't the wanted one, a sentence that says so.

    Tried in turn: the one that was taken last time (kept in the file), `wanted`, any free one.
    """
    last = _last(kept)
    for port in dict.fromkeys(port for port in (last, wanted, 0) if port is not None):
        taken = _free(host, port)
        if taken is not None:
            kept.write_text(json.dumps({"port": taken}))
            if port == 0 and wanted:
                return taken, f"port {wanted} is busy; serving on {taken} instead"
            return taken, None
    raise OSError(f"no port of {host} is free")


def _last(kept: Path) -> int | None:
    try:
        port = json.loads(kept.read_text())["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return port if isinstance(port, int) else None


def _free(host: str, port: int) -> int | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
