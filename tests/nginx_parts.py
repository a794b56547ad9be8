"""A real nginx in front of a gateway, configured as an Ingress says: what its controllers do.

The annotations under `nginx.ingress.kubernetes.io/` become the directives of the same meaning, one
that is not known here an error.
"""

import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway_parts import until
from real_parts import free_port, require, running

__all__ = ["directives_of", "nginx"]

_PREFIX = "nginx.ingress.kubernetes.io/"
_DIRECTIVES = {
    "proxy-buffering": "proxy_buffering {};",
    "proxy-read-timeout": "proxy_read_timeout {}s;",
    "proxy-body-size": "client_max_body_size {};",
}
_HANDED_ON = """
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"""


def directives_of(annotations: Mapping[str, str]) -> list[str]:
    """Return what the annotations of an Ingress say, as nginx reads it."""
    said = {name.removeprefix(_PREFIX): value for name, value in annotations.items()}
    return [
        _DIRECTIVES[name].format(said[name]) for name in said if not name.startswith("nginx.org/")
    ]


@contextmanager
def nginx(folder: Path, upstream: str, *servers: Sequence[str]) -> Iterator[list[str]]:
    """Run one server for each list of directives; yields where each listens.

    `upstream` is HOST:PORT.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    require(program is not None, "nginx")
    listens = [f"127.0.0.1:{free_port()}" for _ in servers]
    blocks = [
        f"server {{\n  listen {listen};\n  location / {{\n    {' '.join(said)}{_HANDED_ON}\n"
        f"    proxy_pass http://{upstream};\n  }}\n}}"
        for listen, said in zip(listens, servers, strict=True)
    ]
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{name}_temp_path {folder}/{name};" for name in temporary)
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {paths}\n" + "\n".join(blocks) + "\n}\n"
    )
    command = [str(program), "-p", str(folder), "-c", str(file)]
    with running(command, log=folder / "nginx.log"):
        until(lambda: all(map(_listens, listens)))
        yield listens


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False
