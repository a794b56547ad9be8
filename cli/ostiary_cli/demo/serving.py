"""Serving an ASGI application of the demo on a socket, and saying when it serves."""

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import uvicorn

from ostiary_proxy.whole_file import write_whole

__all__ = ["serve"]


async def serve(app: Any, bound: socket.socket, ready_file: Path | None, **addresses: str) -> None:
    """Serve `app` until interrupted; `ready_file` gets the addresses and the pid as JSON."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[bound]))
    while not (server.started or task.done()):  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.02)
    if ready_file is not None and server.started:
        said = json.dumps({**addresses, "pid": os.getpid()})
        write_whole(ready_file, said.encode(), private=False)
    await task
