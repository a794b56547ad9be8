"""Starts the real parts that the tests run against; `tests/setup_parts.py` installs them.

A missing part fails in CI and skips loudly elsewhere.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gateway_parts import Gateway

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "parts"
NODE = CACHE / "node"
BIN = NODE / "node_modules" / ".bin"
SDK = CACHE / f"mcp-{version('mcp')}"
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-sync", "--no-first-run",
]  # fmt: skip
"""What chromium needs to run as root in a container and to leave the network alone."""

EMAIL = "alice@example.com"
ACCOUNTS: Mapping[str, Mapping[str, Any]] = {
    "alice": {
        "email": EMAIL, "email_verified": True, "name": "Alice Adams", "groups": ["engineering"],
    },
    "carol": {"email": "carol@example.com", "email_verified": False, "groups": ["finance"]},
}  # fmt: skip
"""People at oidc-provider; any password is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcProvider:
    """A running oidc-provider with one confidential client."""

    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a run of the conformance suite came to. `lost` are the checks that failed."""

    passed: int
    failed: int
    lost: tuple[str, ...]
    output: str
    exit_code: int


def require(present: bool, what: str, mend: str = "python tests/setup_parts.py") -> None:
    """Fail in CI and skip elsewhere where a part is missing."""
    if present:
        return
    said = f"{what} is missing; run: {mend}"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


@contextmanager
def oidc_provider(
    folder: Path,
    redirect_uris: Sequence[str],
    *,
    accounts: Mapping[str, Mapping[str, Any]] = ACCOUNTS,
    claims_in_id_token: bool = True,
    port: int = 0,
) -> Iterator[OidcProvider]:
    """Run oidc-provider; its development forms ask for `login` and `password`, then for consent."""
    require((NODE / ".installed").exists(), "oidc-provider")
    client = {
        "client_id": "ostiary",
        "client_secret": "the secret of a test client",
        "redirect_uris": list(redirect_uris),
        "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token"],
    }
    ready = folder / "oidc-provider.json"
    options = {
        "port": port,
        "clients": [client],
        "accounts": accounts,
        "claimsInIdToken": claims_in_id_token,
        "readyFile": str(ready),
    }
    script = ROOT / "tests" / "parts" / "oidc_provider.mjs"
    command = [str(BIN / "node"), str(script), json.dumps(options)]
    with running(command, log=folder / "oidc-provider.log", cwd=NODE) as process:
        said = _until_ready(ready, process)
        yield OidcProvider(
            issuer=said["issuer"],
            client_id=str(client["client_id"]),
            client_secret=str(client["client_secret"]),
        )


@contextmanager
def everything_server(folder: Path, port: int) -> Iterator[str]:
    """Run the SDK's everything-server, all revisions; yields its MCP URL."""
    source = SDK / "examples" / "servers" / "everything-server"
    require(source.is_dir(), "the MCP SDK's everything-server")
    command = [sys.executable, "-m", "mcp_everything_server", "--port", str(port)]
    env = {**os.environ, "PYTHONPATH": str(source)}
    log = folder / "everything-server.log"
    with serving([*command, "--log-level", "WARNING"], port, log=log, env=env) as url:
        yield url


@contextmanager
def modern_everything_server(folder: Path, port: int) -> Iterator[str]:
    """Run the everything-server as one that speaks 2026-07-28 alone; yields its MCP URL."""
    with _everything_by("modern_everything", folder, port) as url:
        yield url


@contextmanager
def short_everything_server(folder: Path, port: int) -> Iterator[str]:
    """Run the everything-server with names that lack their first part; yields its MCP URL."""
    with _everything_by("short_everything", folder, port) as url:
        yield url


@contextmanager
def _everything_by(script: str, folder: Path, port: int) -> Iterator[str]:
    source = SDK / "examples" / "servers" / "everything-server"
    require(source.is_dir(), "the MCP SDK's everything-server")
    command = [sys.executable, str(ROOT / "tests" / "parts" / f"{script}.py"), str(port)]
    env = {**os.environ, "PYTHONPATH": str(source)}
    with serving(command, port, log=folder / f"{script}.log", env=env) as url:
        yield url


@contextmanager
def strict_server(folder: Path, port: int) -> Iterator[str]:
    """Run a server on the TypeScript SDK v2 that refuses the legacy era; yields its MCP URL."""
    require((NODE / ".installed").exists(), "the TypeScript SDK")
    command = [str(BIN / "node"), str(ROOT / "tests" / "parts" / "strict_server.mjs"), str(port)]
    with serving(command, port, log=folder / "strict-server.log", cwd=NODE) as url:
        yield url


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisPart:
    """A running redis-server."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def ask(self, *command: str) -> str:
        """Run one command and return what is answered."""
        program = ["redis-cli", "-p", str(self.port), *command]
        return subprocess.run(
            program, capture_output=True, text=True, timeout=10, check=True
        ).stdout


@contextmanager
def redis_server(folder: Path, *options: str, port: int | None = None) -> Iterator[RedisPart]:
    """Run redis-server on a loopback port, with its files in `folder`, until the context ends."""
    require(shutil.which("redis-server") is not None, "redis-server")
    port = port or free_port()
    command = [
        *("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
        *("--save", "", "--appendonly", "yes", *options),
    ]
    with running(command, log=folder / f"redis-{port}.log") as process:
        part = RedisPart(port=port, process=process)
        _wait(lambda: _answers_ping(part), process, 10)
        yield part


def _answers_ping(part: RedisPart) -> bool:
    """Say whether it answers; a refusal for want of a password is an answer too."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", part.port), 1) as one:
        one.sendall(b"PING\r\n")
        return one.recv(64)[:1] in (b"+", b"-")
    return False


def conformance(
    url: str, folder: Path, *selection: str, issued: str | None = None, suite: str = "server"
) -> Counts:
    """Run the official conformance suite against `url`; `issued` is the bearer token it sends."""
    require((BIN / "conformance").exists(), "the MCP conformance suite")
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    if issued is not None:
        preload = ROOT / "tests" / "parts" / "bearer.mjs"
        origin = "/".join(url.split("/")[:3])
        env |= {"OSTIARY_TEST_ORIGIN": origin, "OSTIARY_TEST_BEARER": issued}
        env |= {"NODE_OPTIONS": f"--import {preload}"}
    ended = subprocess.run(
        [str(BIN / "conformance"), suite, "--url", url, *selection, "-o", str(folder)],
        env=env,
        cwd=NODE,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return _counted(folder, ended)


def conformance_client(gateway: "Gateway", issued: str, folder: Path, *selection: str) -> Counts:
    """Run the suite's client scenarios with the SDK's client, through `gateway`'s route `files`."""
    require((BIN / "conformance").exists(), "the MCP conformance suite")
    named = ("log", "folder", "state", "keys")
    told = {"ready": dict(gateway.ready), **{name: str(getattr(gateway, name)) for name in named}}
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "OSTIARY_TEST_BEARER": issued}
    env["OSTIARY_TEST_GATEWAY"] = json.dumps(told)
    script = ROOT / "tests" / "parts" / "conformance_client.py"
    ended = subprocess.run(
        [
            *(str(BIN / "conformance"), "client", "--command", f"{sys.executable} {script}"),
            *("--timeout", "60000", *selection, "-o", str(folder)),
        ],
        env=env, cwd=NODE, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return _counted(folder, ended)


def chromium_path() -> str:
    """Return the browser that Playwright drives."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    require(found is not None, "chromium")
    assert found is not None
    return found


def faketime_library() -> str:
    """Return the library that shows a process another time of day."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    require(found is not None, "faketime")
    return str(found)


@contextmanager
def running(
    command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the context lasts; what it says goes to `log`."""
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=env, cwd=cwd)
    process.log = log  # type: ignore[attr-defined]  # for the message where it ends early
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def serving(command: Sequence[str], port: int, **how: Any) -> Iterator[str]:
    """Run an MCP server while the context lasts, once it answers at `port`; yields its URL."""
    with running(command, **how) as process:
        url = f"http://127.0.0.1:{port}/mcp"
        _until_answers(url, process)
        yield url


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _counted(folder: Path, ended: subprocess.CompletedProcess[str]) -> Counts:
    passed, lost = 0, []
    for file in sorted(folder.rglob("checks.json")):
        for check in json.loads(file.read_text()):
            if check["status"] == "SUCCESS":
                passed += 1
            elif check["status"] == "FAILURE":
                said = check.get("errorMessage") or check.get("description") or ""
                lost.append(f"{file.parent.name}: {check['id']}: {said}")
    return Counts(
        passed=passed,
        failed=len(lost),
        lost=tuple(lost),
        output=ended.stdout + ended.stderr,
        exit_code=ended.returncode,
    )


def _until_ready(file: Path, process: subprocess.Popen[bytes], seconds: float = 30) -> Any:
    _wait(file.exists, process, seconds)
    return json.loads(file.read_text())


def _until_answers(url: str, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    def answers() -> bool:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return False
        return True

    _wait(answers, process, seconds)


def _wait(done: Any, process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        said = process.log.read_text(errors="replace")[-2000:]  # type: ignore[attr-defined]  # set above
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}\n{said}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{process.args!r} is not ready after {seconds} s\n{said}")
        time.sleep(0.05)
