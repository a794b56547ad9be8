"""kubectl, as the demo speaks it; KUBECONFIG says which cluster is meant."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["KubectlFailed", "apply", "ask", "kubectl", "port_forward"]


class KubectlFailed(Exception):  # noqa: N818 - a statement
    """kubectl ended with an error; the text is what it said."""


async def kubectl(*arguments: str, stdin: str = "") -> str:
    """Run kubectl and return what it prints; raises KubectlFailed."""
    code, said, complaint = await _run(arguments, stdin)
    if code:
        raise KubectlFailed(complaint.strip() or said.strip())
    return said


async def ask(*arguments: str) -> tuple[int, list[str]]:
    """Run kubectl and return its exit code and the lines that it prints."""
    code, said, complaint = await _run(arguments, "")
    lines = (line.strip() for line in (said + complaint).splitlines())
    return code, [line for line in lines if line]


async def apply(*objects: Mapping[str, Any], user: str | None = None) -> None:
    """Apply objects on the server's side, as `user` if one is given; raises KubectlFailed."""
    whole = {"apiVersion": "v1", "kind": "List", "items": objects}
    by = ("--as", user) if user else ()
    await kubectl("apply", "--server-side", "-f", "-", *by, stdin=json.dumps(whole))


@asynccontextmanager
async def port_forward(namespace: str, what: str, *ports: int) -> AsyncIterator[None]:
    """Forward loopback ports to the same ports of a pod or Service; raises KubectlFailed."""
    command = ("port-forward", "--namespace", namespace, "--address", "127.0.0.1", what)
    process = await asyncio.create_subprocess_exec(
        *("kubectl", *command, *map(str, ports)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        for _ in ports:  # a line each: "Forwarding from 127.0.0.1:7200 -> 7200"
            said = (await process.stdout.readline()).decode().strip()
            if not said.startswith("Forwarding"):  # it goes on with the ports that it could have
                raise KubectlFailed(said or f"port-forward to {what} ended at once")
        drained = asyncio.create_task(process.stdout.read())
        yield
        drained.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _run(arguments: tuple[str, ...], stdin: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *("kubectl", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate(stdin.encode())
    return process.returncode or 0, said.decode(), complaint.decode()
