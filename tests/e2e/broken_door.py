"""A door to the API server that breaks as networks and servers do: watches cut, held off, 410."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from ostiary_operator.api import Api

__all__ = ["BrokenDoor", "open_door"]

_ERROR = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "broken"}


@dataclass
class _Held:
    """Watches of a kind that are held off."""

    hangs: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 0


class BrokenDoor:
    """Relays to the API server without asking for credentials; watches of a kind may be cut."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._open: dict[str, set[asyncio.Task[None]]] = {}
        self._held: dict[str, _Held] = {}

    def cut(self, plural: str) -> None:
        """Break the watches of a kind; new ones hang until `answer`."""
        self._held[plural] = _Held()
        for task in self._open.get(plural, ()):
            task.cancel()

    async def answer(self, plural: str, code: int = 410) -> None:
        """Answer an error to the watches that hang, once one does; later ones go through again."""
        held = self._held[plural]
        await asyncio.wait_for(held.hangs.wait(), 30)
        del self._held[plural]
        held.code = code
        held.answered.set()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Relay one request."""
        plural = request.path.rpartition("/")[2]
        response = web.StreamResponse()
        if "watch" not in request.query:
            await self._relay(request, response)
            return response
        held = self._held.get(plural)
        if held is not None:
            held.hangs.set()
            await held.answered.wait()
            await response.prepare(request)
            said = {"type": "ERROR", "object": {**_ERROR, "code": held.code}}
            await response.write(json.dumps(said).encode() + b"\n")
            return response
        task = asyncio.create_task(self._relay(request, response))
        self._open.setdefault(plural, set()).add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._open[plural].discard(task)
            task.cancel()
        if task.cancelled():
            assert request.transport is not None
            request.transport.abort()
        return response

    async def _relay(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        client = self._api._client
        names = ("Accept", "Content-Type")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        body = await request.read()
        answer = await client.call_api(
            request.method,
            f"{client.configuration.host}{request.raw_path}",
            headers,
            json.loads(body) if body else None,
            _request_timeout=aiohttp.ClientTimeout(total=None),
        )
        async with answer.response as upstream:
            response.set_status(upstream.status)
            response.content_type = upstream.content_type
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)


@asynccontextmanager
async def open_door(api: Api, folder: Path) -> AsyncIterator[tuple[BrokenDoor, Path]]:
    """Serve a door on loopback; yields it and the kubeconfig that leads through it."""
    door = BrokenDoor(api)
    server = web.Server(door, handler_cancellation=True)
    runner = web.ServerRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(_kubeconfig(f"http://127.0.0.1:{runner.addresses[0][1]}"))
    yield door, kubeconfig
    await runner.cleanup()


def _kubeconfig(server: str) -> str:
    context = {"name": "door", "context": {"cluster": "door", "user": "door"}}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "door",
            "contexts": [context],
            "clusters": [{"name": "door", "cluster": {"server": server}}],
            "users": [{"name": "door", "user": {"token": "none"}}],
        }
    )
