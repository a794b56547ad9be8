"""`ostiary doctor` tells real parts that work from parts that don't, and says the mend."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway_parts import free_port, gateway_yaml, policy_yaml, route_yaml
from identity_parts import CLIENT_ID, CLIENT_SECRET, Running, identity_provider
from real_parts import everything_server, oidc_provider, redis_server
from replica_parts import STORAGE
from replica_parts import secret_yaml as redis_yaml

CALLBACK = "http://localhost:7543/login/callback"
RULES = "[{name: all, effect: Allow, who: {everyone: true}}]"


def provider_yaml(issuer: str, client_id: str) -> str:
    provider = f"""oidc:
      issuer: {issuer}
      clientId: {client_id}
      clientSecretRef: {{name: op, key: secret}}"""
    return re.sub(r"localhost:\d+", "localhost:7543", gateway_yaml(provider))


def secret_yaml(value: str) -> str:
    return f"""apiVersion: v1
kind: Secret
metadata: {{name: op, namespace: default}}
stringData: {{secret: "{value}"}}
"""


def doctor(folder: Path, files: Mapping[str, str]) -> tuple[int, list[str]]:
    place = folder / "yaml"
    place.mkdir(exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "ostiary_cli.main", "doctor", "-f", str(place)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()


@contextmanager
def answering(status: int, headers: Mapping[str, str]) -> Iterator[str]:
    """Serve the same empty answer to everything."""

    class Always(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Always)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def with_provider(running: Running, secret: str = CLIENT_SECRET) -> dict[str, str]:
    return {
        "gateway.yaml": provider_yaml(running.issuer, CLIENT_ID),
        "secret.yaml": secret_yaml(secret),
    }


def test_parts_that_work_are_ticked(tmp_path: Path) -> None:
    with (
        oidc_provider(tmp_path, [CALLBACK]) as op,
        everything_server(tmp_path, free_port()) as upstream,
    ):
        files = {
            "gateway.yaml": provider_yaml(op.issuer, op.client_id),
            "secret.yaml": secret_yaml(op.client_secret),
            "route.yaml": route_yaml(upstream),
            "policy.yaml": policy_yaml(RULES),
        }
        code, said = doctor(tmp_path, files)

    assert code == 0, said
    assert said == [
        f"✓ gateway default/gw: the identity provider {op.issuer} describes itself",
        "✓ gateway default/gw: the identity provider publishes 2 keys",
        "✓ gateway default/gw: this clock and the identity provider's agree",
        f"✓ gateway default/gw: the provider takes {CALLBACK} for the client ostiary",
        "✓ gateway default/gw: the provider knows the client ostiary and its secret",
        f"✓ route default/files: {upstream} speaks MCP 2026-07-28",
    ]


def test_a_redirect_uri_that_is_not_registered_is_found(tmp_path: Path) -> None:
    with identity_provider(tmp_path) as running:
        code, said = doctor(tmp_path, with_provider(running))

    assert code == 1
    assert [line for line in said if line.startswith("✗")] == [
        (
            "✗ gateway default/gw: the provider refuses to begin a login (HTTP 400); "
            f"register {CALLBACK} for the client ostiary there, exactly so"
        )
    ]


def test_a_wrong_client_secret_is_found(tmp_path: Path) -> None:
    with identity_provider(tmp_path, redirects=[CALLBACK]) as running:
        code, said = doctor(tmp_path, with_provider(running, "wrong"))

    assert code == 1
    assert [line for line in said if line.startswith("✗")] == [
        (
            "✗ gateway default/gw: the provider refuses the client ostiary (invalid_client); "
            "check client id and secret; some secrets expire"
        )
    ]


def test_a_provider_that_is_down_and_an_upstream_that_is_down_are_found(tmp_path: Path) -> None:
    port = free_port()
    files = {
        "gateway.yaml": provider_yaml(f"http://127.0.0.1:{port}", "x"),
        "secret.yaml": secret_yaml("s"),
        "route.yaml": route_yaml(f"http://127.0.0.1:{port}/mcp"),
    }

    code, said = doctor(tmp_path, files)

    assert code == 1
    assert len(said) == 2
    assert said[0].endswith("start it, or check the issuer's host, port and certificate")
    assert said[1].startswith(
        f"✗ route default/files: http://127.0.0.1:{port}/mcp can't be reached"
    )
    assert said[1].endswith("start it, or check host and port")


def test_servers_that_want_something_else_are_told_apart(tmp_path: Path) -> None:
    with (
        answering(401, {}) as closed,
        answering(307, {"Location": "https://elsewhere.example/"}) as moved,
        answering(404, {}) as missing,
    ):
        files = {
            "gateway.yaml": gateway_yaml(),
            "a.yaml": route_yaml(closed, name="a"),
            "b.yaml": route_yaml(moved, name="b"),
            "c.yaml": route_yaml(missing, name="c"),
            "d.yaml": route_yaml(closed, name="d", mcp="{upstreamAuth: {type: InternalToken}}"),
        }
        code, said = doctor(tmp_path, files)

    assert code == 1
    assert said == [
        "✓ gateway default/gw: logs people in by the provider that `ostiary dev` starts",
        (
            f"✗ route default/a: {closed} answers 401; set mcp.upstreamAuth: it wants a "
            "credential, and the client's own never goes there"
        ),
        (
            f"✗ route default/b: {moved} redirects, which is never followed; write its target "
            "into `to`: https://elsewhere.example/"
        ),
        (
            f"✗ route default/c: {missing} answers 404 to initialize; check the path of `to`: "
            "no MCP server answers there"
        ),
        f"✓ route default/d: {closed} is there and wants its credential (401)",
    ]


def test_faults_in_the_yaml_are_said_with_their_place(tmp_path: Path) -> None:
    files = {"gateway.yaml": gateway_yaml(), "route.yaml": route_yaml("ftp://x", name="r")}

    code, said = doctor(tmp_path, files)

    assert code == 1
    assert any(line.startswith("✗ ") and "route.yaml:5:" in line for line in said)


def on_redis(url: str) -> dict[str, str]:
    return {"gateway.yaml": gateway_yaml(extra=STORAGE), "secret.yaml": redis_yaml(url)}


def test_a_redis_that_works_is_ticked(tmp_path: Path) -> None:
    lasting = ("--appendonly", "yes", "--maxmemory-policy", "noeviction")
    with redis_server(tmp_path, *lasting) as redis:
        code, said = doctor(tmp_path, on_redis(redis.url))
        left = redis.ask("KEYS", "*").split()

    assert (code, said[1:]) == (
        0, [f"✓ gateway default/gw: Redis at 127.0.0.1:{redis.port} takes what proxies write"]
    )  # fmt: skip
    assert left == []


def test_a_redis_that_forgets_is_remarked_upon(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory-policy", "allkeys-lru") as redis:
        code, said = doctor(tmp_path, on_redis(redis.url))

    assert code == 0
    assert said[2:] == [
        (
            f"! gateway default/gw: Redis at 127.0.0.1:{redis.port}: where memory is full, grants "
            "and limits are forgotten: set maxmemory-policy noeviction"
        )
    ]


@pytest.mark.parametrize(
    ("options", "url", "why"),
    [
        (("--replicaof", "127.0.0.1 1"), "redis://127.0.0.1:{port}", "read only replica"),
        (("--requirepass", "sesame"), "redis://:guess@127.0.0.1:{port}", "invalid username-pass"),
        ((), "redis://127.0.0.1:1", "can't be used now"),
        ((), "http://127.0.0.1:{port}", "holds no URL of a Redis; write rediss://"),
    ],
)
def test_a_redis_that_proxies_cannot_use_is_found(
    options: tuple[str, ...], url: str, why: str, tmp_path: Path
) -> None:
    with redis_server(tmp_path, *options) as redis:
        code, said = doctor(tmp_path, on_redis(url.format(port=redis.port)))

    (crossed,) = (line for line in said if line.startswith("✗"))
    assert code == 1
    assert why in crossed
    assert "guess" not in crossed
