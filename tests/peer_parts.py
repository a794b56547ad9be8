"""MCP clients and servers of every make, to see each client work with each server."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_parts import free_port
from older_peers import everything_in_typescript
from ostiary_cli.headless import Headless
from real_parts import BIN, NODE, ROOT, everything_server, require, serving
from setup_parts import peer

__all__ = ["CLIENTS", "SERVERS", "Client", "Server", "see"]

_PARTS = ROOT / "tests" / "parts"
_RECEIVER = "http://127.0.0.1:47113/callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client: `make` and `mode` tell its script what to be; `version` is what it agrees on."""

    name: str
    make: str
    mode: str
    version: str

    def command(self) -> tuple[str, ...]:
        if self.make.startswith("typescript"):
            return str(BIN / "node"), str(_PARTS / "peer_client.mjs")
        python = {"python-1": str(peer("mcp-1")), "fastmcp": str(peer("fastmcp"))}
        return python.get(self.make, sys.executable), str(_PARTS / "peer_client.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server, what is asked of it, and what a client must see then.

    `forbidden` is a tool that the policy denies and no list shows.
    """

    name: str
    speaks: str
    run: Callable[[Path], Any] = field(repr=False)
    forbidden: str
    plan: Mapping[str, Any]
    seen: Mapping[str, Any]


def _own(*script: str, cwd: Path = ROOT) -> Callable[[Path], Any]:
    """Return how to run one of our scripts on a peer's SDK."""

    @contextmanager
    def run(folder: Path) -> Iterator[str]:
        require(Path(script[0]).exists(), script[0])
        port = free_port()
        log = folder / f"{Path(script[-1]).name}.log"
        with serving([*script, str(port)], port, log=log, cwd=cwd) as url:
            yield url

    return run


@contextmanager
def _sdk_server(folder: Path) -> Iterator[str]:
    with everything_server(folder, free_port()) as url:
        yield url


_ASK = {"call": {"name": "ask", "arguments": {}}, "answer": {"colour": "blue"}}
_PLAN: Mapping[str, Any] = {
    "call": {"name": "echo", "arguments": {"text": "hello"}},
    "resource": "note://today",
    "prompt": {"name": "greet", "arguments": {"name": "Ada"}},
    "ask": _ASK,
}
_SEEN: Mapping[str, Any] = {
    "tools": ["ask", "echo"],
    "call": "echo hello",
    "resource": "a note",
    "prompt": "greet Ada",
    "ask": "the colour is blue",
}
SERVERS = (
    Server(
        name="Python SDK 2, everything-server",
        speaks="all",
        run=_sdk_server,
        forbidden="test_error_handling",
        plan={
            "call": {"name": "test_simple_text", "arguments": {}},
            "resource": "test://static-text",
            "prompt": {"name": "test_simple_prompt", "arguments": {}},
            "ask": None,
        },
        seen={
            "call": "This is a simple text response for testing.",
            "resource": "This is the content of the static text resource.",
            "prompt": "This is a simple prompt for testing.",
            "ask": None,
        },
    ),
    Server(
        name="Python SDK 1",
        speaks="2025",
        run=_own(str(peer("mcp-1")), str(_PARTS / "peer_server_mcp1.py")),
        forbidden="secret",
        plan=_PLAN,
        seen=_SEEN,
    ),
    Server(
        name="FastMCP 4",
        speaks="all",
        run=_own(str(peer("fastmcp")), str(_PARTS / "peer_server_fastmcp.py")),
        forbidden="secret",
        plan={**_PLAN, "ask": None},
        seen={**_SEEN, "tools": ["echo"], "ask": None},
    ),
    Server(
        name="TypeScript SDK 2",
        speaks="2026",
        run=_own(str(BIN / "node"), str(_PARTS / "peer_server.mjs"), cwd=NODE),
        forbidden="secret",
        plan=_PLAN,
        seen=_SEEN,
    ),
    Server(
        name="TypeScript SDK 1, server-everything",
        speaks="2025",
        run=everything_in_typescript,
        forbidden="get-env",
        plan={
            "call": {"name": "echo", "arguments": {"message": "hello"}},
            "resource": "demo://resource/static/document/architecture.md",
            "prompt": {"name": "simple-prompt", "arguments": {}},
            "ask": {
                "call": {"name": "trigger-elicitation-request", "arguments": {}},
                "answer": {"name": "Ada", "check": True},
            },
        },
        seen={
            "call": "Echo: hello",
            "resource": "# Everything Server",
            "prompt": "This is a simple prompt without arguments.",
            "ask": "✅ ",
        },
    ),
)
CLIENTS = (
    Client(name="Python SDK 2", make="python-2", mode="auto", version="2026-07-28"),
    Client(name="Python SDK 2, legacy", make="python-2", mode="legacy", version="2025-11-25"),
    Client(name="Python SDK 1", make="python-1", mode="legacy", version="2025-11-25"),
    Client(name="FastMCP 4", make="fastmcp", mode="auto", version="2026-07-28"),
    Client(name="TypeScript SDK 2", make="typescript-2", mode="auto", version="2026-07-28"),
    Client(
        name="TypeScript SDK 2, legacy", make="typescript-2", mode="legacy", version="2025-11-25"
    ),
    Client(name="TypeScript SDK 1", make="typescript-1", mode="legacy", version="2025-11-25"),
)


def see(client: Client, server: Server, url: str, log: Path) -> Mapping[str, Any]:
    """Let `client` log in at `url` and do the server's plan; return what it saw."""
    forbidden = {"name": server.forbidden, "arguments": {}}
    asked = {
        "make": client.make, "mode": client.mode, "url": url,
        "sdk": 1 if client.make == "typescript-1" else 2,
        "plan": {**server.plan, "forbidden": forbidden},
    }  # fmt: skip
    command = [*client.command(), json.dumps(asked)]
    cwd = NODE if client.make.startswith("typescript") else ROOT
    with (
        log.open("w") as sink,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True, cwd=cwd
        ) as process,
    ):
        try:
            return _followed(process, log)
        finally:
            process.kill()


def _followed(process: subprocess.Popen[str], log: Path) -> Mapping[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    fields = {"username": "alice", "password": "secret", "approve": "yes"}
    for line in process.stdout:
        said = json.loads(line)
        if "report" in said:
            return dict(said["report"])
        landed = Headless().walk(said["authorize"], fields=fields, until=_RECEIVER)
        process.stdin.write(f"{landed}\n")
        process.stdin.flush()
    raise AssertionError(f"the client ended without a report:\n{log.read_text()[-3000:]}")
