"""The status port: plain HTTP inside the cluster, no secrets (security decision 23)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from ostiary.decode.json_text import write_json
from ostiary_proxy.edge.listener import write_reply
from ostiary_proxy.wire import Reply

__all__ = ["StatusEdge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEdge:
    """Answers `/livez`, `/readyz`, `/metrics` and the JWK set that verifies internal tokens.

    `ready` says why the proxy isn't ready, or None where it is.
    """

    ready: Callable[[], str | None]
    registry: CollectorRegistry
    internal_jwks: Callable[[], dict[str, Any]]

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; GET only."""
        if request.method != "GET":
            return write_reply(Reply(status=405, headers=(("allow", "GET"),)))
        return write_reply(self._answer(request.rel_url.raw_path))

    def _answer(self, path: str) -> Reply:
        if path == "/livez":
            return Reply(status=200, body=b"ok\n")
        if path == "/readyz":
            reason = self.ready()
            return Reply(status=200 if reason is None else 503, body=f"{reason or 'ok'}\n".encode())
        if path == "/metrics":
            kind = "text/plain; version=0.0.4; charset=utf-8"
            return Reply(
                status=200, headers=(("content-type", kind),), body=generate_latest(self.registry)
            )
        if path == "/internal/jwks.json":
            headers = (("content-type", "application/json"), ("cache-control", "max-age=300"))
            return Reply(status=200, headers=headers, body=write_json(self.internal_jwks()))
        return Reply(status=404, body=b"try /livez, /readyz, /metrics or /internal/jwks.json\n")
