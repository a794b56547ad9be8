"""A whole gateway for tests: `ostiary dev` as a user starts it, on YAML that the test writes."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_parts import free_port, running

__all__ = [
    "Answer", "Gateway", "dev", "free_port", "gateway_yaml", "joined_yaml", "policy_yaml", "post",
    "route_yaml", "three_files", "until",
]  # fmt: skip

API = "ostiary.dev/v1alpha1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A running `ostiary dev`."""

    ready: Mapping[str, Any]
    log: Path
    folder: Path
    state: Path
    keys: Path
    process: subprocess.Popen[bytes]

    @property
    def issuer(self) -> str:
        return str(self.ready["issuer"])

    def url(self, name: str = "files") -> str:
        """Return the URL of the route of that name."""
        return next(str(r["url"]) for r in self.ready["routes"] if r["name"] == name)

    def log_in(
        self, name: str = "files", *, username: str = "alice", password: str = "secret"
    ) -> str:
        """Log in at a route as a person would, and return the access token."""
        ended = self.try_to_log_in(name, username=username, password=password)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def try_to_log_in(
        self, name: str = "files", *, username: str = "alice", password: str = "secret"
    ) -> subprocess.CompletedProcess[str]:
        """Log in like `log_in`, and return how that ended."""
        command = [sys.executable, "-m", "ostiary_cli.main", "login", self.url(name)]
        form = {"username": username, "password": password, "approve": "yes"}
        fields = [f"--form={key}={value}" for key, value in form.items()]
        return subprocess.run(
            [*command, *fields], capture_output=True, text=True, timeout=60, check=False
        )

    def revision(self) -> int:
        """Return the revision that the proxy serves."""
        answer = self.admin("/revision")
        return int(answer.json()["revision"])

    def admin(self, path: str, body: object = None) -> Answer:
        """Ask the admin port."""
        issued = (self.state / "admin-token").read_text()
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {issued}"}
        return ask(f"{self.ready['adminUrl']}{path}", data=data, headers=headers)

    def lines(self) -> list[str]:
        """Return the audit log's lines."""
        paths = sorted((self.state / "audit").rglob("*.jsonl"))
        return [line for path in paths for line in path.read_text().splitlines()]

    def records(self) -> list[dict[str, Any]]:
        """Return the audit log's records."""
        return [json.loads(line)["body"] for line in self.lines()]

    def ostiary(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command on this gateway."""
        command = [sys.executable, "-m", "ostiary_cli.main", *arguments, "--state", str(self.state)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def change(self, name: str, text: str) -> None:
        """Write a file of the folder anew and wait until the proxy serves what it says."""
        before = self.revision()
        (self.folder / name).write_text(text)
        until(lambda: self.revision() > before)


@contextmanager
def dev(tmp_path: Path, files: Mapping[str, str], *options: str) -> Iterator[Gateway]:
    """Run `ostiary dev` on `files` (name → YAML) while the context lasts."""
    folder, state, keys = tmp_path / "yaml", tmp_path / "state", tmp_path / "keys"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    ready, log = tmp_path / "ready.json", tmp_path / "dev.log"
    ready.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "ostiary_cli.main", "dev", "-f", str(folder)),
        *("--state", str(state), "--keys", str(keys), "--ready-file", str(ready), *options),
    ]
    with running(command, log=log, env={**os.environ, "NO_COLOR": "1"}) as process:

        def said() -> bool:
            assert process.poll() is None, log.read_text()
            return ready.exists()

        until(said, seconds=40)
        yield Gateway(
            ready=json.loads(ready.read_text()),
            log=log,
            folder=folder,
            state=state,
            keys=keys,
            process=process,
        )


def until(holds: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait until `holds`, at most `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def ask(
    url: str, *, data: bytes | None = None, headers: Mapping[str, str], method: str | None = None
) -> Answer:
    """Send one request and return whatever is answered."""
    request = urllib.request.Request(url, data=data, headers=dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(status=answer.status, headers=_lower(answer), body=answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(status=error.code, headers=_lower(error), body=error.read())


def _lower(answer: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def post(url: str, issued: str | None, body: object, **headers: str) -> Answer:
    """Post one JSON-RPC message, or raw bytes, with the headers that MCP asks for."""
    sent = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **({"Authorization": f"Bearer {issued}"} if issued else {}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(url, data=data, headers=sent, method="POST")


def gateway_yaml(provider: str = "", *, extra: str = "") -> str:
    """Return a gateway; people are alice (eng) and carol (sales) unless `provider` is given."""
    people = """dev:
      users:
        - {username: alice, password: secret, email: alice@example.com, groups: [eng]}
        - {username: carol, password: secret, email: carol@example.com, groups: [sales]}"""
    return f"""apiVersion: {API}
kind: MCPGateway
metadata: {{name: gw, namespace: default}}
spec:
  default: true
  publicUrl: http://localhost:{free_port()}
  identityProvider:
    {provider or people}
{extra}"""


def route_yaml(url: str, *, name: str = "files", mcp: str = "{}") -> str:
    """Return a route to an MCP server."""
    return f"""apiVersion: {API}
kind: MCPRoute
metadata: {{name: {name}, namespace: default}}
spec:
  to: {url}
  name: {name.title()}
  mcp: {mcp}
"""


def joined_yaml(servers: Mapping[str, str]) -> str:
    """Return the route `desk` to several MCP servers, their URLs by name."""
    listed = "".join(f"    - {{name: {name}, to: {url}}}\n" for name, url in servers.items())
    return f"""apiVersion: {API}
kind: MCPRoute
metadata: {{name: desk, namespace: default}}
spec:
  name: The desk
  backends:
{listed}"""


def three_files(upstream: str, rules: str) -> dict[str, str]:
    """Return a gateway, the route `files` to `upstream`, and a policy of `rules` on it."""
    return {
        "gateway.yaml": gateway_yaml(),
        "route.yaml": route_yaml(upstream),
        "policy.yaml": policy_yaml(rules),
    }


def policy_yaml(rules: str, *, route: str = "files", name: str = "rules") -> str:
    """Return a policy on one route; `rules` is a YAML list in flow style or indented by two."""
    return f"""apiVersion: {API}
kind: MCPPolicy
metadata: {{name: {name}, namespace: default}}
spec:
  targetRefs: [{{group: ostiary.dev, kind: MCPRoute, name: {route}}}]
  rules: {rules}
"""
