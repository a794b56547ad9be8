"""The authorization server as one entry: which path is served by what, and how refusals look.

Runtime makes one with each configuration; the edge asks it first and goes on where it says None.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from ostiary.crypto.secret import Secret
from ostiary_proxy.audit.record import AuditUnavailable
from ostiary_proxy.oauth import limits, login, metadata, pages, registration, tokens
from ostiary_proxy.oauth.account import Accounts
from ostiary_proxy.oauth.answers import CORS, as_json, as_oauth_error, preflight
from ostiary_proxy.oauth.authorize import Authorizing
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.ports import Connecting
from ostiary_proxy.oauth.provider import LoginProvider
from ostiary_proxy.oauth.resource import Site, origin_of, sites
from ostiary_proxy.oauth.trail import note_refusal
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.wire import Headers, Incoming, Reply

__all__ = ["AuthorizationServer"]

Handler = Callable[[Site, Incoming], Awaitable[Reply]]
_CACHED: Final[Headers] = (("cache-control", "public, max-age=300"),)
_PROBED: Final = (
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One method of one path; `use` names its bucket, `page` says that people see its answers."""

    handler: Handler
    use: str | None = None
    page: bool = False


class AuthorizationServer:
    """Serves every OAuth, login and account path of every configured origin.

    `patterns` holds, per route key, the tool patterns that the consent page shows. `credentials`
    are the bundle's; `http` sends what goes out.
    """

    def __init__(
        self,
        context: Context,
        *,
        http: HttpClient,
        connecting: Connecting,
        credentials: Mapping[str, Secret],
        patterns: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._context = context
        self._sites = sites(context.config)
        self._home = origin_of(context.config.gateway.public_url)
        self._provider = LoginProvider(context, http, credentials)
        authorizing = Authorizing(context, self._provider, connecting, patterns)
        accounts = Accounts(context, self._provider, connecting)
        self._endpoints = _table(context, authorizing, accounts)
        self._callback = _Endpoint(self._land, "login", page=True)

    async def serve(self, request: Incoming) -> Reply | None:
        """Answer `request`, or None where its path is none of ours. Never raises Refused."""
        site = self._sites.get(request.origin)
        if site is None:
            return None
        if request.path.startswith("/.well-known/"):
            return self._well_known(site, request)
        methods = self._methods(request)
        if methods is None:
            return None
        endpoint = methods.get(request.method)
        if endpoint is None:
            return _other_method(methods, request)
        return await self._answer(endpoint, site, request)

    def _methods(self, request: Incoming) -> Mapping[str, _Endpoint] | None:
        at_home = request.origin == self._home
        if at_home and request.path == login.callback_path(self._context):
            return {"GET": self._callback}
        is_issuer = bool(self._sites[request.origin].routes)
        return self._endpoints.get(request.path) if is_issuer else None

    def _well_known(self, site: Site, request: Incoming) -> Reply | None:
        """Answer metadata; a path-suffixed issuer document would name another issuer (rule 76)."""
        if request.method == "OPTIONS":
            return preflight()
        document: Mapping[str, object] | None = None
        if request.path.startswith(_PROBED[0]):
            document = metadata.protected_resource(site, request.path)
        elif request.path == _PROBED[1] and site.routes:
            document = metadata.authorization_server(site.issuer)
        elif request.path == _PROBED[2] and site.routes:
            document = metadata.openid(site.issuer)
        elif request.path == metadata.JWKS and site.routes:
            document = self._context.rings.access.jwks()
        elif not request.path.startswith(_PROBED):
            return None
        if document is None:
            return Reply(status=404, headers=CORS)
        if request.method != "GET":
            return Reply(status=405, headers=(("allow", "GET, OPTIONS"), *CORS))
        return as_json(document, headers=_CACHED)

    async def _land(self, _site: Site, request: Incoming) -> Reply:
        return await login.land(self._context, self._provider, request)

    async def _answer(self, endpoint: _Endpoint, site: Site, request: Incoming) -> Reply:
        try:
            if endpoint.use is not None:
                await limits.charge(self._context, endpoint.use, request.source)
            return await endpoint.handler(site, request)
        except Refused as refused:
            return await self._refuse(endpoint, request, refused)
        except StoreUnavailable as away:
            gone = Refused("StoreUnavailable", detail=str(away))
            return await self._refuse(endpoint, request, gone)
        except AuditUnavailable as away:
            return _say(endpoint, Refused("AuditUnavailable", detail=str(away)), None)

    async def _refuse(self, endpoint: _Endpoint, request: Incoming, refused: Refused) -> Reply:
        try:
            decision = await note_refusal(self._context, refused, request, {})
        except AuditUnavailable as away:
            return _say(endpoint, Refused("AuditUnavailable", detail=str(away)), None)
        return _say(endpoint, refused, decision)


def _table(
    context: Context, authorizing: Authorizing, accounts: Accounts
) -> Mapping[str, Mapping[str, _Endpoint]]:
    """Return every path but the well-known ones and the login callback."""

    async def connected(_site: Site, _request: Incoming) -> Reply:
        return accounts.connected()

    return {
        "/register": {"POST": _Endpoint(partial(registration.register, context))},
        "/token": {"POST": _Endpoint(partial(tokens.token, context), "token")},
        "/revoke": {"POST": _Endpoint(partial(tokens.revoke, context), "revoke")},
        "/authorize": {"GET": _Endpoint(authorizing.begin, "authorize", page=True)},
        "/authorize/continue": {"GET": _Endpoint(authorizing.proceed, "authorize", page=True)},
        "/authorize/decision": {"POST": _Endpoint(authorizing.decide, "authorize", page=True)},
        "/login/return": {"GET": _Endpoint(partial(login.arrive, context), "login", page=True)},
        "/login/end": {"POST": _Endpoint(accounts.log_out, "login", page=True)},
        "/account": {"GET": _Endpoint(accounts.show, "account", page=True)},
        "/account/revoke": {"POST": _Endpoint(accounts.revoke, "account", page=True)},
        "/account/connect": {"GET": _Endpoint(accounts.connect, "account", page=True)},
        "/account/connected": {"GET": _Endpoint(connected, "account", page=True)},
        "/account/callback": {"GET": _Endpoint(accounts.callback, "account", page=True)},
    }


def _other_method(methods: Mapping[str, _Endpoint], request: Incoming) -> Reply:
    page = any(endpoint.page for endpoint in methods.values())
    if request.method == "OPTIONS" and not page:
        return preflight()
    allowed = (("allow", ", ".join(methods)),)
    return Reply(status=405, headers=allowed if page else (*allowed, *CORS))


def _say(endpoint: _Endpoint, refused: Refused, decision: str | None) -> Reply:
    if not endpoint.page:
        return as_oauth_error(refused)
    # RFC 6749 section 4.1.2.1: an unknown client at authorize is a page, and no challenge
    status = 400 if refused.code == "InvalidClient" else None
    return pages.error(refused, status=status, decision=decision)
