"""MCP clients of every make, to see each work with each server of `peer_servers`."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ostiary_cli.headless import Headless
from peer_servers import Lack, Server, Step
from real_parts import BIN, NODE, ROOT
from setup_parts import go_program, peer

__all__ = ["CLIENTS", "Client", "see", "steps"]

_PARTS = ROOT / "tests" / "parts"
_RECEIVER = "http://127.0.0.1:47113/callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client: `make` and `mode` tell its script what to be; `version` is what it agrees on."""

    name: str
    make: str
    mode: str
    version: str
    lacks: tuple[Lack, ...] = ()

    @property
    def era(self) -> str:
        return self.version[:4]

    def command(self) -> tuple[str, ...]:
        if self.make == "go":
            return str(go_program("peer")), "client"
        if self.make.startswith("typescript"):
            return str(BIN / "node"), str(_PARTS / "peer_client.mjs")
        python = {"python-1": str(peer("mcp-1")), "fastmcp": str(peer("fastmcp"))}
        return python.get(self.make, sys.executable), str(_PARTS / "peer_client.py")


CLIENTS = (
    Client(name="Python SDK 2", make="python-2", mode="auto", version="2026-07-28"),
    Client(name="Python SDK 2, legacy", make="python-2", mode="legacy", version="2025-11-25"),
    Client(
        name="Python SDK 1",
        make="python-1",
        mode="legacy",
        version="2025-11-25",
        lacks=(Lack(word="cancel", why="it does not tell the server when it gives up a call"),),
    ),
    Client(name="FastMCP 4", make="fastmcp", mode="auto", version="2026-07-28"),
    Client(name="TypeScript SDK 2", make="typescript-2", mode="auto", version="2026-07-28"),
    Client(
        name="TypeScript SDK 2, legacy", make="typescript-2", mode="legacy", version="2025-11-25"
    ),
    Client(name="TypeScript SDK 1", make="typescript-1", mode="legacy", version="2025-11-25"),
    Client(name="Go SDK 1", make="go", mode="auto", version="2026-07-28"),
    Client(name="Go SDK 1, legacy", make="go", mode="legacy", version="2025-11-25"),
)


def steps(client: Client, server: Server) -> tuple[Step, ...]:
    """Return what `client` does with `server`."""
    lacking = {lack.word for lack in client.lacks}
    return tuple(
        step for step in server.steps if client.era in step.eras and step.word not in lacking
    )


def see(client: Client, server: Server, url: str, log: Path) -> Mapping[str, Any]:
    """Let `client` log in at `url` and do the server's steps; return what it saw."""
    forbidden = Step(word="forbidden", do="text", given={"name": server.forbidden}, seen="")
    does = (*steps(client, server), forbidden)
    asked = {
        "make": client.make, "mode": client.mode, "url": url,
        "sdk": 1 if client.make == "typescript-1" else 2,
        "plan": {
            "steps": {step.word: {"do": step.do, "with": step.given} for step in does},
            "watch": server.watch, "answer": server.answer,
        },
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
