"""The admin port: what the operator and the command ask of one proxy (security decision 23).

Callers prove themselves with the random token of a file that only the proxy's user can read; the
Host must be the port's own, so that no web page can reach it through a browser.
"""

import hmac
from dataclasses import dataclass

from aiohttp import web

from ostiary.config.bundle import read_bundle
from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, read_json
from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.edge.grants import GrantsDesk
from ostiary_proxy.edge.listener import read_body, write_reply
from ostiary_proxy.refused import Refused
from ostiary_proxy.reload import Loaded, Reloader
from ostiary_proxy.wire import Reply

__all__ = ["AdminEdge"]

_MAX_BUNDLE = 64 * 1024 * 1024
_MAX_ASK = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminEdge:
    """Answers `/revision`, `/configz`, `/bundle` (PUT) and `/grants`; `host` is listened on."""

    reloader: Reloader
    token: Secret
    host: str
    grants: GrantsDesk

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if not self._is_meant(request):
            return _json(421, {"error": "this is the admin port; call it by its own address"})
        offered = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(offered.encode(), self.token.reveal().encode()):
            return _json(401, {"error": "send the token of the admin token file as Bearer token"})
        try:
            return await self._answer(request)
        except Faulty as faulty:
            return _json(400, {"error": [str(fault) for fault in faulty.faults]})
        except Refused as refused:
            return _json(refused.how.status, {"error": refused.message, "code": refused.code})

    def _is_meant(self, request: web.BaseRequest) -> bool:
        """Say whether the Host is this port's own address, or localhost with its port."""
        if request.transport is None:
            return False
        port = request.transport.get_extra_info("sockname")[1]
        ours = (str(Endpoint(self.host, port)), f"localhost:{port}")
        return request.headers.get("host", "").lower() in ours

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        match (request.method, request.rel_url.raw_path):
            case ("GET", "/revision"):
                return _json(200, _loaded(self.reloader.loaded))
            case ("GET", "/configz"):
                return _json(200, self._config())
            case ("PUT", "/bundle"):
                bundle = read_bundle(await read_body(request, _MAX_BUNDLE))
                loaded = await self.reloader.take(bundle)
                return _json(200 if not loaded.faults else 409, _loaded(loaded))
            case ("GET", "/grants"):
                return _json(200, await self.grants.list(dict(request.query)))
            case ("POST", "/grants/revoke"):
                asked = read_json(await read_body(request, _MAX_ASK))
                members = asked if isinstance(asked, dict) else {}
                selector = {k: v for k, v in members.items() if isinstance(v, str)}
                return _json(200, {"revoked": await self.grants.revoke(selector)})
            case _:
                return _json(
                    404, {"error": "try GET /revision, GET /configz, PUT /bundle or GET /grants"}
                )

    def _config(self) -> Json:
        """Return the configuration in force; it names credentials and holds none."""
        runtime = self.reloader.current
        config = runtime.bundle.config.plain() if runtime else None
        return {**_loaded(self.reloader.loaded), "config": config}


def _loaded(loaded: Loaded) -> dict[str, Json]:
    return {
        "revision": loaded.revision,
        "digest": loaded.digest,
        "faults": list(loaded.faults),
    }


def _json(status: int, value: object) -> web.Response:
    headers = (("content-type", "application/json"), ("cache-control", "no-store"))
    return write_reply(Reply(status=status, headers=headers, body=write_json(value)))
