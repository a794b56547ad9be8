"""The admin port: what the operator and the command ask of one proxy (security decision 23).

In a cluster callers prove themselves by a certificate, before any request (`admin_tls`). On one
machine they send the random token of a file that only the proxy's user can read, and the Host must
be the port's own, so that no web page can reach it through a browser.
"""

import hmac
from dataclasses import dataclass

from aiohttp import web

from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, read_json
from ostiary_proxy.confirmation import Confirmation
from ostiary_proxy.edge.accounts import AccountsDesk
from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.edge.grants import GrantsDesk
from ostiary_proxy.edge.listener import read_body, write_reply
from ostiary_proxy.edge.report import Reporter
from ostiary_proxy.refused import Refused
from ostiary_proxy.reload import Reloader
from ostiary_proxy.wire import Reply

__all__ = ["AdminEdge", "TokenGate"]

_MAX_BUNDLE = 64 * 1024 * 1024
_MAX_ASK = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGate:
    """Lets in who has the token and calls the port by its own address; `host` is listened on."""

    token: Secret
    host: str

    def refusal(self, request: web.BaseRequest) -> web.Response | None:
        """Return the answer to somebody who may not come in."""
        if not self._is_meant(request):
            return _json(421, {"error": "this is the admin port; call it by its own address"})
        offered = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(offered.encode(), self.token.reveal().encode()):
            return _json(401, {"error": "send the token of the admin token file as Bearer token"})
        return None

    def _is_meant(self, request: web.BaseRequest) -> bool:
        """Say whether the Host is this port's own address, or localhost with its port."""
        if request.transport is None:
            return False
        port = request.transport.get_extra_info("sockname")[1]
        ours = (str(Endpoint(self.host, port)), f"localhost:{port}")
        return request.headers.get("host", "").lower() in ours


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminEdge:
    """Answers `/revision`, `/configz`, `/bundle` (PUT), `/grants` and `/accounts`.

    `gate` is None where the connection itself was proven.
    """

    reloader: Reloader
    report: Reporter
    confirmation: Confirmation
    grants: GrantsDesk
    accounts: AccountsDesk
    gate: TokenGate | None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        refusal = self.gate.refusal(request) if self.gate is not None else None
        if refusal is not None:
            return refusal
        try:
            return await self._answer(request)
        except Faulty as faulty:
            return _json(400, {"error": [str(fault) for fault in faulty.faults]})
        except Refused as refused:
            return _json(refused.how.status, {"error": refused.message, "code": refused.code})

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        match (request.method, request.rel_url.raw_path):
            case ("GET", "/revision"):
                return _json(200, self.report())
            case ("GET", "/configz"):
                return _json(200, self._config())
            case ("PUT", "/bundle"):
                return await self._take(await read_body(request, _MAX_BUNDLE))
            case ("GET", "/grants"):
                return _json(200, await self.grants.list(dict(request.query)))
            case ("POST", "/grants/revoke"):
                return _json(200, {"revoked": await self.grants.revoke(await _asked(request))})
            case ("GET", "/accounts"):
                return _json(200, await self.accounts.list(dict(request.query)))
            case ("POST", "/accounts/revoke"):
                return _json(200, {"revoked": await self.accounts.revoke(await _asked(request))})
            case _:
                return _json(
                    404, {"error": "try GET /revision, /configz, /grants, /accounts, PUT /bundle"}
                )

    async def _take(self, data: bytes) -> web.Response:
        """Serve a bundle; whoever may send one says by it that it is current."""
        loaded = await self.reloader.push(data)
        if not loaded.failures:
            self.confirmation.hear(loaded.revision)
        return _json(409 if loaded.failures else 200, self.report())

    def _config(self) -> Json:
        """Return the configuration in force; it names credentials and holds none."""
        runtime = self.reloader.current
        config = runtime.bundle.config.plain() if runtime else None
        return {**self.report(), "config": config}


async def _asked(request: web.BaseRequest) -> dict[str, str]:
    """Return the text members of the JSON object in the body."""
    asked = read_json(await read_body(request, _MAX_ASK))
    members = asked if isinstance(asked, dict) else {}
    return {name: value for name, value in members.items() if isinstance(value, str)}


def _json(status: int, value: object) -> web.Response:
    headers = (("content-type", "application/json"), ("cache-control", "no-store"))
    return write_reply(Reply(status=status, headers=headers, body=write_json(value)))
