"""The development identity provider: a process of its own, an ordinary OpenID issuer to the proxy.

`python -m ostiary_cli.dev.identity --help`. It listens on loopback and refuses anything else
(security decision 24).
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

import click
import jinja2
from aiohttp import web

from ostiary.crypto.jose import SigningRing
from ostiary.crypto.rings import fresh_keys
from ostiary.crypto.seal import SealRing
from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty
from ostiary_cli.dev.issuer import (
    Asked,
    Client,
    Declined,
    Issuer,
    Login,
    PageFault,
    TokenFault,
    read_asked,
    redirect_back,
)
from ostiary_cli.dev.people import People
from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.outbound.provider import is_loopback
from ostiary_proxy.whole_file import write_whole

__all__ = ["COOKIE", "command", "identity_app", "parse_listen"]

COOKIE: Final = "ostiary_dev_login"
_DELAY: Final = 0.3
"""Seconds that a wrong password costs."""
_TRIES: Final = 8
_TRIES_PER: Final = 60.0
_FORM_LIMIT: Final = 16 * 1024


@dataclass(slots=True, kw_only=True)
class _Pages:
    """Renders the pages, each under a policy that lets nothing in but its own style."""

    environment: jinja2.Environment

    def page(self, name: str, status: int = 200, **values: object) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        text = self.environment.get_template(name).render(nonce=nonce, **values)
        rest = "base-uri 'none'; frame-ancestors 'none'"
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; {rest}"
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            # Not no-referrer: browsers would then send `Origin: null` with our own form.
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(text=text, status=status, content_type="text/html", headers=headers)


@dataclass(slots=True, kw_only=True)
class _Tries:
    """Wrong passwords a name may have a minute."""

    failed: dict[str, list[float]] = field(default_factory=dict)

    def exhausted(self, username: str, now: float) -> bool:
        recent = [when for when in self.failed.get(username, []) if when > now - _TRIES_PER]
        self.failed[username] = recent
        return len(recent) >= _TRIES

    def note(self, username: str, now: float) -> None:
        if len(self.failed) > 1000:
            self.failed.clear()
        self.failed.setdefault(username, []).append(now)


class _Site:
    """The HTTP side of one issuer."""

    def __init__(self, issuer: Issuer, clock: Callable[[], float]) -> None:
        loader = jinja2.FileSystemLoader(Path(__file__).parent / "pages")
        self._pages = _Pages(environment=jinja2.Environment(loader=loader, autoescape=True))
        self._issuer = issuer
        self._clock = clock
        self._tries = _Tries()

    def app(self) -> web.Application:
        """Return the application with all of the provider's addresses."""
        app = web.Application(middlewares=[self._guard], client_max_size=_FORM_LIMIT)
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/jwks", self._jwks)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/authorize", self._log_in)
        app.router.add_post("/token", self._token)
        app.router.add_get("/userinfo", self._userinfo)
        app.router.add_get("/", self._home)
        app.router.add_get("/logout", self._home)
        app.router.add_post("/logout", self._log_out)
        return app

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answer only to the issuer's own name, so that no rebound host name reaches the form."""
        if f"http://{request.host}" != self._issuer.url:
            return web.Response(status=421, text="this provider answers at its issuer only\n")
        try:
            return await handler(request)
        except PageFault as fault:
            return self._pages.page("fault.html", 400, message=str(fault))
        except TokenFault as fault:
            return _token_fault(fault)

    async def _discovery(self, _request: web.Request) -> web.Response:
        return web.json_response(self._issuer.discovery())

    async def _jwks(self, _request: web.Request) -> web.Response:
        return web.json_response(self._issuer.signing.jwks())

    async def _authorize(self, request: web.Request) -> web.Response:
        try:
            asked, now = self._asked(request), self._clock()
            login = self._issuer.recall(request.cookies.get(COOKIE), now)
            if login is not None and not asked.wants_fresh(login, now):
                return _see_other(self._issuer.answer(asked, login, now))
            if "none" in asked.prompts:
                raise Declined("login_required", "nobody is logged in here")
        except Declined as declined:
            return self._decline(request, declined)
        return self._form(username=login.person.username if login else "")

    async def _log_in(self, request: web.Request) -> web.Response:
        self._same_origin(request)
        try:
            asked = self._asked(request)
            form = await request.post()
            username, password = str(form.get("username", "")), str(form.get("password", ""))
            return await self._checked(asked, username.strip()[:64], password)
        except Declined as declined:
            return self._decline(request, declined)

    async def _checked(self, asked: Asked, username: str, password: str) -> web.Response:
        now = self._clock()
        if self._tries.exhausted(username, now):
            said = "Too many wrong passwords. Wait a minute, then try again."
            return self._form(username=username, problem=said, status=429)
        person = self._issuer.people.check(username, password)
        if person is None:
            self._tries.note(username, now)
            await asyncio.sleep(_DELAY)
            said = "That username and password do not belong together."
            return self._form(username=username, problem=said, status=401)
        login = Login(person=person, auth_time=now)
        answer = _see_other(self._issuer.answer(asked, login, now))
        answer.set_cookie(
            COOKIE, self._issuer.remember(login), httponly=True, samesite="Lax", path="/"
        )
        return answer

    async def _token(self, request: web.Request) -> web.Response:
        form = parse_qsl((await request.read()).decode("utf-8", "replace"), keep_blank_values=True)
        authorization = request.headers.get("Authorization")
        tokens = self._issuer.redeem(form, authorization, self._clock())
        return web.json_response(tokens, headers={"Cache-Control": "no-store"})

    async def _userinfo(self, request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization")
        claims = self._issuer.userinfo(authorization, self._clock())
        return web.json_response(claims, headers={"Cache-Control": "no-store"})

    async def _home(self, request: web.Request) -> web.Response:
        login = self._issuer.recall(request.cookies.get(COOKIE), self._clock())
        return self._pages.page("home.html", person=login.person if login else None)

    async def _log_out(self, request: web.Request) -> web.Response:
        self._same_origin(request)
        answer = _see_other("/")
        answer.del_cookie(COOKIE, path="/")
        return answer

    def _asked(self, request: web.Request) -> Asked:
        query = parse_qsl(request.query_string, keep_blank_values=True)
        return read_asked(query, self._issuer.client)

    def _same_origin(self, request: web.Request) -> None:
        if request.headers.get("Origin") != self._issuer.url:
            raise PageFault("The form was sent from another site.")

    def _decline(self, request: web.Request, declined: Declined) -> web.Response:
        answer = {
            "error": declined.error,
            "error_description": declined.description,
            "iss": self._issuer.url,
        }
        query = request.query
        return _see_other(redirect_back(query["redirect_uri"], query.get("state"), answer))

    def _form(self, *, username: str, problem: str = "", status: int = 200) -> web.Response:
        return self._pages.page("login.html", status, username=username, problem=problem)


def identity_app(issuer: Issuer, clock: Callable[[], float]) -> web.Application:
    """Return the provider as an application; `clock` returns epoch seconds."""
    return _Site(issuer, clock).app()


def parse_listen(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; raises ValueError unless the host is loopback."""
    endpoint = Endpoint.parse(text)
    if not is_loopback(endpoint.host):
        raise ValueError(
            f"the development identity provider listens on loopback only, not on {endpoint.host}; "
            "anywhere else name a real identity provider (identityProvider.oidc)"
        )
    return endpoint.host, endpoint.port


def _see_other(location: str) -> web.Response:
    headers = {"Location": location, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers=headers)


def _token_fault(fault: TokenFault) -> web.Response:
    body = {"error": fault.error, "error_description": fault.description}
    headers = {"Cache-Control": "no-store"}
    if fault.status == 401:
        scheme = "Bearer" if fault.error == "invalid_token" else "Basic"
        headers["WWW-Authenticate"] = f'{scheme} realm="ostiary dev", error="{fault.error}"'
    return web.json_response(body, status=fault.status, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What outlives a restart: the keys, and the port, because the issuer's name holds it."""

    signing: Secret
    seal: Secret
    port: int


def _read_kept(file: Path) -> _Kept | None:
    try:
        kept = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    return _Kept(signing=Secret(kept["signing"]), seal=Secret(kept["seal"]), port=kept["port"])


def _write_json(file: Path, value: object) -> None:
    write_whole(file, json.dumps(value).encode(), private=True)


def _bind(host: str, port: int, last: int | None) -> socket.socket:
    """Return a listening socket; port 0 prefers the `last` port, or any free one if it is busy."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port == 0 and last is not None:
        with contextlib.suppress(OSError):
            return socket.create_server((host, last), family=family)
    return socket.create_server((host, port), family=family)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _serve(app: web.Application, bound: socket.socket, ready: Callable[[], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, bound).start()
    ready()
    await stop.wait()
    await runner.cleanup()


_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="HOST:PORT on loopback.")
@click.option(
    "--users",
    required=True,
    type=_FILE,
    help="YAML or JSON list of {username, password, email, groups, name}.",
)
@click.option(
    "--state",
    required=True,
    type=_FOLDER,
    help="Folder for the keys, so that a restart logs nobody out.",
)
@click.option("--client-id", required=True, help="The one client.")
@click.option(
    "--client-secret-file", required=True, type=_FILE, help="File with the client's secret."
)
@click.option(
    "--redirect-uri",
    "redirect_uris",
    required=True,
    multiple=True,
    help="Exact redirect URI of the client; repeatable.",
)
@click.option("--ready-file", type=_FILE,
              help="Written with {issuer, pid} as JSON once it serves.")  # fmt: skip
def command(
    *,
    listen: str,
    users: Path,
    state: Path,
    client_id: str,
    client_secret_file: Path,
    redirect_uris: tuple[str, ...],
    ready_file: Path | None,
) -> None:
    """Run an OpenID provider for development on this machine."""
    try:
        host, port = parse_listen(listen)
        people = People(users)
        client_secret = Secret(client_secret_file.read_text().strip())
    except (ValueError, OSError) as error:
        faults = error.faults if isinstance(error, Faulty) else (error,)
        raise click.ClickException("\n".join(str(fault) for fault in faults)) from None
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = state / "identity.json"
    kept = _read_kept(file)
    bound = _bind(host, port, kept.port if kept else None)
    actual = bound.getsockname()[1]
    kept = _keep(file, kept, actual)
    issuer = Issuer(
        url=_url(host, actual),
        client=Client(id=client_id, secret=client_secret, redirect_uris=redirect_uris),
        people=people,
        signing=SigningRing.from_pems([kept.signing.reveal()], typ="JWT"),
        seal=SealRing([bytes.fromhex(kept.seal.reveal())]),
        entropy=os.urandom,
    )

    def ready() -> None:
        if ready_file is not None:
            _write_json(ready_file, {"issuer": issuer.url, "pid": os.getpid()})

    app = identity_app(issuer, time.time)  # noqa: TID251 - the edge has the clock
    asyncio.run(_serve(app, bound, ready))


def _keep(file: Path, kept: _Kept | None, port: int) -> _Kept:
    if kept is None:
        fresh = fresh_keys(os.urandom)
        kept = _Kept(signing=fresh["access"], seal=fresh["seal"], port=0)
    value = {"signing": kept.signing.reveal(), "seal": kept.seal.reveal(), "port": port}
    _write_json(file, value)
    return kept


if __name__ == "__main__":
    command()
