"""The operator's own port: plain HTTP inside the cluster, no secrets.

Probes, metrics, and for proxies that start the current revision of their gateway.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from ostiary.decode.json_text import write_json
from ostiary.resources.address import is_loopback

__all__ = ["Edge", "Standing"]

_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_REVISION: Final = re.compile(r"/gateways/([-0-9a-zA-Z]{1,128})/revision")


class Standing(Protocol):
    """What the port tells of the process."""

    def unready(self) -> str | None:
        """Return why the operator isn't ready, or None where it is."""

    def revisions(self) -> Mapping[str, int] | None:
        """Return current revisions by uid of their gateway; None where another replica acts."""

    async def world(self) -> object:
        """Return what is known of the cluster, masked, as JSON can hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    status: int
    body: bytes
    kind: str = _TEXT


class Edge:
    """Answers one request; GET only."""

    def __init__(self, standing: Standing, registry: CollectorRegistry) -> None:
        self._standing = standing
        self._registry = registry

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer."""
        reply = await self._answer(request)
        response = web.Response(status=reply.status, body=reply.body)
        response.headers["content-type"] = reply.kind
        response.headers["server"] = "ostiary"
        return response

    async def _answer(self, request: web.BaseRequest) -> _Reply:
        path = request.rel_url.raw_path
        if request.method != "GET":
            return _Reply(status=405, body=b"only GET\n")
        if path == "/livez":
            return _Reply(status=200, body=b"ok\n")
        if path == "/readyz":
            reason = self._standing.unready()
            return _Reply(
                status=200 if reason is None else 503, body=f"{reason or 'ok'}\n".encode()
            )
        if path == "/metrics":
            return _Reply(status=200, body=generate_latest(self._registry), kind=_METRICS)
        if (found := _REVISION.fullmatch(path)) is not None:
            return self._revision(found[1])
        if path == "/debug/world":
            return await self._world(request.remote or "")
        return _Reply(status=404, body=b"try /livez, /readyz, /metrics or /debug/world\n")

    def _revision(self, uid: str) -> _Reply:
        revisions = self._standing.revisions()
        if revisions is None:
            return _Reply(status=503, body=b"another replica acts: ask again\n")
        if uid not in revisions:
            return _Reply(status=404, body=b"there is no such gateway\n")
        return _Reply(status=200, body=write_json({"revision": revisions[uid]}), kind=_JSON)

    async def _world(self, remote: str) -> _Reply:
        if not is_loopback(remote):
            return _Reply(status=403, body=b"only from loopback: use kubectl port-forward\n")
        return _Reply(status=200, body=write_json(await self._standing.world()), kind=_JSON)
