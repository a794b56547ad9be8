"""The demo's parts on loopback: pretend GitHub, shared files, `ostiary dev` on the samples."""

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ostiary_cli.dev.children import Child

__all__ = [
    "GATEWAY",
    "GITHUB",
    "GITHUB_TTL",
    "SAMPLES",
    "WINDOW",
    "Stage",
    "free",
    "hours_around",
    "set_stage",
]

SAMPLES: Final = Path(__file__).parent / "samples"
GITHUB_TTL: Final = 3.0
"""Seconds that an access token of the pretend GitHub lasts: short, so that refreshing shows."""
WINDOW: Final = '"02:00-04:00"'
"""The hours of publishing as the samples have them; a demo writes others in their place."""
GATEWAY: Final = "127.0.0.1:7100"
GITHUB: Final = "127.0.0.1:7101"
_FILES: Final = "127.0.0.1:7102"
_TRIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The running parts: `folder` holds everything, `config` the YAML that is watched."""

    folder: Path
    config: Path
    ready: Mapping[str, Any]
    window: str

    def url(self, route: str) -> str:
        """Return the URL of a route of the samples."""
        return next(str(found["url"]) for found in self.ready["routes"] if found["name"] == route)

    @property
    def policy(self) -> Path:
        """Return the file that the security team edits."""
        return self.config / "policy.yaml"

    @property
    def log(self) -> Path:
        """Return the folder of the audit log."""
        return self.folder / "state" / "audit"

    @property
    def keys(self) -> Path:
        """Return the folder that `ostiary dev` was given for its keys."""
        return self.folder / "keys"

    async def publish_at(self, hours: str) -> str:
        """Edit the hours of publishing in the policy's file; say so."""
        text = self.policy.read_text()
        self.policy.write_text(text.replace(f'"{self.window}"', f'"{hours}"'))
        return self.policy.name

    async def github_tokens(self) -> tuple[str, ...]:
        """Return every access and refresh token that the pretend GitHub has issued."""
        return tuple((self.folder / "github-issued").read_text().split())

    async def record(self, decision: str) -> tuple[int, list[str]]:
        """Return exit code and lines of `ostiary audit show`."""
        return await _audit("show", decision, "--log", str(self.log))

    async def verified(self, log: Path | None = None) -> tuple[int, list[str]]:
        """Return exit code and lines of the offline verifier, over a copy if one is given."""
        return await _audit(
            *("verify", "--log", str(log or self.log), "--keys", str(self.keys)),
            *("--checkpoints", str(self.keys / "checkpoints")),
        )


@asynccontextmanager
async def set_stage(folder: Path) -> AsyncIterator[Stage]:
    """Yield the running parts; they end with the context. Raises ChildFailed."""
    addresses = {place: free(place) for place in (GATEWAY, GITHUB, _FILES)}
    window = hours_around(datetime.now(UTC), holds=False)
    config = folder / "config"
    _copy_samples(config, addresses, window)
    os.environ["PRETEND_GITHUB_CLIENT_SECRET"] = secrets.token_urlsafe(24)
    async with AsyncExitStack() as running:
        await asyncio.gather(
            _start(running, folder, "github", _github(folder, addresses)),
            _start(running, folder, "files", ["--listen", addresses[_FILES]]),
        )
        ready = await _start(running, folder, "dev", _dev(folder, config, addresses[GATEWAY]))
        yield Stage(folder=folder, config=config, ready=ready, window=window)


def hours_around(now: datetime, *, holds: bool) -> str:
    """Return two hours in UTC, as policies write them, that hold `now` or begin later."""
    start = now + timedelta(hours=-1 if holds else 2)
    return f"{start:%H:%M}-{start + timedelta(hours=2):%H:%M}"


async def _start(
    running: AsyncExitStack, folder: Path, name: str, arguments: list[str]
) -> Mapping[str, Any]:
    module = ["ostiary_cli.main", "dev"] if name == "dev" else [f"ostiary_cli.demo.{name}"]
    ready = folder / f"{name}-ready.json"
    child, said = await Child.start(
        name,
        ["-m", *module, *arguments, "--ready-file", str(ready)],
        log=folder / "logs" / f"{name}.log",
        ready=ready,
    )
    running.push_async_callback(child.stop)
    return said


def _github(folder: Path, addresses: Mapping[str, str]) -> list[str]:
    callback = f"http://{addresses[GATEWAY]}/account/callback"
    return [
        *("--listen", addresses[GITHUB], "--redirect-uri", callback),
        *("--client-id", "ostiary-demo", "--access-ttl", str(GITHUB_TTL)),
        *("--issued-file", str(folder / "github-issued")),
    ]


def _dev(folder: Path, config: Path, listen: str) -> list[str]:
    return [
        *("-f", str(config), "--listen", listen),
        *("--state", str(folder / "state"), "--keys", str(folder / "keys")),
    ]


def _copy_samples(config: Path, addresses: Mapping[str, str], window: str) -> None:
    config.mkdir(parents=True)
    for sample in sorted(SAMPLES.glob("*.yaml")):
        text = sample.read_text()
        for place, address in addresses.items():
            text = text.replace(place, address)
        (config / sample.name).write_text(text.replace(WINDOW, f'"{window}"'))


def free(place: str, count: int = 1) -> str:
    """Return `place` if its port and those after it are free, else the same host with others."""
    host, _, port = place.rpartition(":")
    for wanted in (int(port), *(0 for _ in range(_TRIES))):
        with ExitStack() as probes:
            try:
                found = _bound(probes, host, wanted)
                for following in range(1, count):
                    _bound(probes, host, found + following)
            except (OSError, OverflowError):
                continue
            return f"{host}:{found}"
    raise OSError(f"no free port on {host}")


def _bound(probes: ExitStack, host: str, port: int) -> int:
    """Bind a port until `probes` ends; return its number."""
    probe = probes.enter_context(socket.socket())
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((host, port))
    return int(probe.getsockname()[1])


async def _audit(*arguments: str) -> tuple[int, list[str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ostiary_cli.main", "audit", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    lines = said.decode(errors="replace").splitlines()
    return process.returncode or 0, [line.strip() for line in lines if line.strip()]
