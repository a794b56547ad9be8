"""Real operator processes beside the cluster, asked over their own port."""

import asyncio
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway_parts import free_port

__all__ = ["OperatorProcess", "operator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorProcess:
    """One replica."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and body; (0, '') before it listens."""
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.port}{path}")

    async def until(
        self, path: str, holds: Callable[[int, str], object], seconds: float = 40
    ) -> str:
        """Ask again and again until the answer is as it should be; return it."""
        try:
            async with asyncio.timeout(seconds):
                while not holds(*(said := await self.get(path))):
                    assert self.process.returncode is None, self.log.read_text()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{path} is still {said}: {self.log.read_text()}") from None
        return said[1]

    async def until_it_acts(self, seconds: float = 40) -> None:
        """Wait until it is the one that acts."""
        await self.until("/metrics", lambda _, said: "ostiary_operator_leader 1.0" in said, seconds)

    async def until_it_has_planned(self) -> None:
        """Wait until a plan was made."""
        path = "/gateways/none/revision"
        await self.until(path, lambda status, _: status == 404)

    async def ends(self, number: signal.Signals | None = None, seconds: float = 40) -> int:
        """Send a signal, if any, and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), seconds)

    async def world(self) -> dict[str, Any]:
        """Return what it says of the world."""
        said: dict[str, Any] = json.loads((await self.get("/debug/world"))[1])
        return said


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as said:
            return said.status, said.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


@asynccontextmanager
async def operator(
    folder: Path, namespace: str, identity: str, *options: str, kubeconfig: Path | None = None
) -> AsyncIterator[OperatorProcess]:
    """Run a replica whose Lease is in `namespace`; it is killed at the end."""
    port, log = free_port(), folder / f"{identity}.log"
    env = {**os.environ, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
    given: tuple[str, ...] = ("--proxy-image", "e2e.local/none:1", "--own-namespace", namespace)
    given = (*given, "--identity", identity, "--port", str(port), *options)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ostiary_operator.main", *given, stderr=output, env=env
        )
    try:
        yield OperatorProcess(process=process, port=port, log=log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
