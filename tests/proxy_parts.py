"""One proxy process for tests, as a cluster starts it: bundles of the test's own, no `ostiary dev`.

Also a stand-in for the operator's port, and a call to any port of the proxy.
"""

import contextlib
import http.server
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_parts import Answer, ask, free_port, until
from ostiary.config.bundle import complete, pack, write_bundle
from ostiary.config.document import Bundle, Config, Gateway, Policy, PolicyLevel, Route, Upstream
from ostiary.config.keys import KeyDocument
from ostiary.decode.json_text import write_json
from ostiary.decode.model import validate
from ostiary.policy.rule import Rule
from real_parts import running

__all__ = ["Operator", "Proxy", "bundle", "operator", "proxy", "put_shards"]

KEYS = KeyDocument.generate(os.urandom)
UID = "0b6ff02e-24a2-4e5b-8a0e-6d1a8f0d6d4c"


@dataclass(kw_only=True)
class Proxy:
    """A running `ostiary-proxy`; `place` holds its folders."""

    place: Path
    process: subprocess.Popen[bytes]
    addresses: dict[str, str]

    def get(self, port: str, path: str, **headers: str) -> Answer:
        """Ask a port: listen, status or admin."""
        return ask(f"http://{self.addresses[port]}{path}", headers=headers)

    def ready(self) -> tuple[int, str]:
        """Return what /readyz says."""
        answer = self.get("status", "/readyz")
        return answer.status, answer.body.decode().strip()

    def admin(self, path: str, body: bytes | None = None) -> Answer:
        """Ask the admin port with its token; a body is PUT."""
        issued = (self.place / "admin-token").read_text()
        url = f"http://{self.addresses['admin']}{path}"
        method = "GET" if body is None else "PUT"
        return ask(url, data=body, headers={"Authorization": f"Bearer {issued}"}, method=method)

    def push(self, made: Bundle) -> Answer:
        return self.admin("/bundle", write_bundle(made))

    def revision(self) -> dict[str, Any]:
        said: dict[str, Any] = self.admin("/revision").json()
        return said

    def metric(self, name: str) -> float:
        """Return the value of a metric, with its labels as Prometheus writes them."""
        lines = self.get("status", "/metrics").body.decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[-1])


@contextmanager
def proxy(
    place: Path, *options: str, admin: tuple[str, ...] | None = None, wait: bool = True
) -> Iterator[Proxy]:
    """Run a proxy on `place`/bundle while the context lasts; `admin` replaces the token option."""
    for name in ("bundle", "audit", "checkpoints"):
        (place / name).mkdir(parents=True, exist_ok=True)
    (place / "keys.json").write_bytes(write_json(KEYS.reveal()))
    ready = place / "ready.json"
    ready.unlink(missing_ok=True)
    paths = [
        *("--bundle", str(place / "bundle"), "--keys", str(place / "keys.json")),
        *("--state", str(place / "store.sqlite3"), "--audit", str(place / "audit")),
        *("--checkpoints", str(place / "checkpoints"), "--ready-file", str(ready)),
        *("--listen", "127.0.0.1:0"),
        *(admin or ("--admin-token", str(place / "admin-token"))),
    ]
    command = [sys.executable, "-m", "ostiary_proxy.main", *paths, *options]
    with running(command, log=place / "proxy.log") as process:

        def said() -> bool:
            assert process.poll() is None, (place / "proxy.log").read_text()
            return ready.exists()

        if wait:
            until(said, seconds=40)
        addresses = json.loads(ready.read_text()) if wait else {}
        yield Proxy(place=place, process=process, addresses=addresses)


def bundle(
    revision: int,
    *names: str,
    size: int = 0,
    rules: tuple[dict[str, Any], ...] = (),
    public_url: str = "http://localhost:1",
    upstream: str = "http://127.0.0.1:9/mcp",
) -> Bundle:
    """Return a bundle with routes of these names.

    Each has a display name of `size` random characters, so that it can't be compressed.
    """
    routes = tuple(
        Route(
            namespace="team",
            name=name,
            display_name=secrets.token_urlsafe(size)[:size] if size else name,
            url=f"{public_url}/team/{name}",
            issuer=public_url,
            upstream=Upstream(url=upstream),
            policies=("team/rules",) if rules else (),
        )
        for name in names
    )
    policy = Policy(
        namespace="team",
        name="rules",
        generation=1,
        level=PolicyLevel.ROUTE,
        rules=tuple(validate(Rule, rule) for rule in rules),
    )
    gateway = Gateway(namespace="team", name="gw", public_url=public_url, allow_loopback=True)
    config = Config(gateway=gateway, routes=routes, policies=(policy,) if rules else ())
    return complete(config, {}, revision=revision, seal=KEYS.rings().seal)


def put_shards(folder: Path, made: Bundle) -> None:
    """Put a bundle there as the kubelet does: a new folder, then one swapped symbolic link."""
    data = folder / f"..{secrets.token_hex(4)}"
    data.mkdir(parents=True)
    shards = pack(write_bundle(made), made.revision)
    for index, shard in enumerate(shards):
        (data / f"bundle-{index:03}").write_bytes(shard)
        link = folder / f"bundle-{index:03}"
        if not link.is_symlink():
            link.symlink_to(Path("..data") / link.name)
    draft = folder / "..data_tmp"
    draft.symlink_to(data.name)
    draft.rename(folder / "..data")


@dataclass
class Operator:
    """Stands where the operator does: answers the current revision, or 404 where it knows none."""

    url: str
    revision: int | None = None
    asked: list[str] = field(default_factory=list)


@contextmanager
def operator(*, port: int | None = None) -> Iterator[Operator]:
    """Answer on the operator's port while the context lasts."""
    port = port or free_port()
    it = Operator(url=f"http://127.0.0.1:{port}")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            it.asked.append(self.path)
            body = json.dumps({"revision": it.revision}).encode()
            self.send_response(404 if it.revision is None else 200)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield it
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
