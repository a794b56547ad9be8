"""A pretend GitHub for the demo: OAuth with pages and rotating tokens, and an MCP server behind it.

`python -m ostiary_cli.demo.github --listen 127.0.0.1:7101 --redirect-uri URL --ready-file F`.
Its cookie has a name of its own, because cookies ignore ports and this shares a host with others.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import click
import jinja2
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ostiary_cli.demo.hub import Asked, Connection, Hub, OAuthFault
from ostiary_cli.demo.serving import serve
from ostiary_proxy.edge.endpoint import Endpoint, EndpointType

__all__ = ["COOKIE", "command", "github_app", "new_hub"]

COOKIE: Final = "pretend_github_session"
AUTHORIZE: Final = "/login/oauth/authorize"
EXCHANGE: Final = "/login/oauth/access_token"
REVOKE: Final = "/login/oauth/revoke"
_PEOPLE: Final = ("alice:wonderland", "bob:builder", "carol:counting")
_BODY_LIMIT: Final = 16 * 1024
_PAGES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True
)

App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


class Repository(BaseModel):
    """A repository and the files in it."""

    name: str
    files: list[str]


class Issue(BaseModel):
    """An issue that was opened."""

    repository: str
    number: int
    title: str
    author: str


class Me(BaseModel):
    """The account that the token belongs to."""

    login: str
    scopes: list[str]


def github_app(hub: Hub, host: str = "127.0.0.1") -> App:
    """Return the ASGI application: pages and token endpoint, and `/mcp`, which needs a token.

    `host` is where it listens.
    """
    server = _tools(hub)
    web = _Web(hub)
    server.custom_route(AUTHORIZE, methods=["GET"])(web.authorize)
    server.custom_route(AUTHORIZE, methods=["POST"])(web.submit)
    server.custom_route(EXCHANGE, methods=["POST"])(web.exchange)
    server.custom_route(REVOKE, methods=["POST"])(web.revoke)
    server.custom_route("/user", methods=["GET"])(web.user)
    served = server.streamable_http_app(host=host)

    async def guarded(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/mcp"):
            authorization = Request(scope).headers.get("authorization")
            if hub.bearer(authorization) is None:
                challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
                await Response("Bad credentials", 401, challenge)(scope, receive, send)
                return
        await served(scope, receive, send)

    return guarded


def _tools(hub: Hub) -> MCPServer:
    server = MCPServer("pretend-github", instructions="Repositories.", log_level="WARNING")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def get_me(context: Context) -> Me:
        """Say whose account this is."""
        connection = _me(hub, context)
        return Me(login=connection.login, scopes=list(connection.scopes))

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def list_repos(context: Context) -> list[Repository]:
        """List the repositories."""
        _me(hub, context)
        return [Repository(name=name, files=sorted(of)) for name, of in hub.repositories.items()]

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def read_file(repository: str, path: str, context: Context) -> str:
        """Read one file of a repository."""
        _me(hub, context)
        if path not in _files(hub, repository):
            raise ToolError(f"there is no file {path}")
        return _files(hub, repository)[path]

    @server.tool()
    def create_issue(repository: str, title: str, context: Context) -> Issue:
        """Open an issue."""
        author = _me(hub, context).login
        _files(hub, repository)
        hub.issues.append((repository, title, author))
        return Issue(repository=repository, number=len(hub.issues), title=title, author=author)

    @server.tool(annotations=ToolAnnotations(destructive_hint=True))
    def delete_repo(repository: str, context: Context) -> str:
        """Delete a repository and everything in it."""
        _me(hub, context)
        _files(hub, repository)
        del hub.repositories[repository]
        return f"{repository} is gone"

    return server


def _me(hub: Hub, context: Context) -> Connection:
    """Return whose token this very request carries: a session may outlive a token."""
    connection = hub.bearer((context.headers or {}).get("authorization"))
    if connection is None:
        raise ToolError("Bad credentials")
    return connection


def _files(hub: Hub, repository: str) -> dict[str, str]:
    if repository not in hub.repositories:
        raise ToolError(f"there is no repository {repository}")
    return hub.repositories[repository]


class _Web:
    """The pages and endpoints over HTTP."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._form_key = os.urandom(32)

    async def authorize(self, request: Request) -> Response:
        asked = self._hub.asked(request.query_params)
        if asked is None:
            return _page("fault", "That request is not one of a known client", status=400)
        session = request.cookies.get(COOKIE)
        login = self._hub.person(session)
        if session is None or login is None:
            return _page("login", "Sign in to Pretend GitHub")
        return self._approval(asked, login, session)

    async def submit(self, request: Request) -> Response:
        asked = self._hub.asked(request.query_params)
        form = await _form(request)
        if asked is None:
            return _page("fault", "That request is not one of a known client", status=400)
        if "username" in form:
            return self._logged_in(request, form)
        session = request.cookies.get(COOKIE) or ""
        login = self._hub.person(session)
        sent = form.get("form", "").encode()
        if login is None or not hmac.compare_digest(sent, self._form_token(session).encode()):
            return _page("fault", "That form was not sent from its own page", status=403)
        if form.get("approve") != "yes":
            return _back(asked, {"error": "access_denied"})
        return _back(asked, {"code": self._hub.code(asked, login)})

    async def exchange(self, request: Request) -> Response:
        """Answer as GitHub does: faults with status 200, a form unless JSON is asked for."""
        form = await _form(request)
        answer: dict[str, object]
        try:
            pair = self._hub.exchange(form, _client(request, form))
            answer = {
                "access_token": pair.access,
                "expires_in": int(pair.expires_in),
                "refresh_token": pair.refresh,
                "token_type": "bearer",
                "scope": ",".join(pair.scopes),
            }
        except OAuthFault as fault:
            answer = {"error": str(fault)}
        headers = {"Cache-Control": "no-store"}
        if "json" in request.headers.get("accept", ""):
            return JSONResponse(answer, headers=headers)
        media = "application/x-www-form-urlencoded"
        return Response(urlencode(answer), media_type=media, headers=headers)

    async def revoke(self, request: Request) -> Response:
        form = await _form(request)
        try:
            self._hub.revoke(form.get("token", ""), _client(request, form))
        except OAuthFault as fault:
            return JSONResponse({"error": str(fault)}, status_code=401)
        return Response()

    async def user(self, request: Request) -> Response:
        connection = self._hub.bearer(request.headers.get("authorization"))
        if connection is None:
            return JSONResponse({"message": "Bad credentials"}, status_code=401)
        return JSONResponse({"login": connection.login, "scopes": list(connection.scopes)})

    def _logged_in(self, request: Request, form: dict[str, str]) -> Response:
        session = self._hub.log_in(form["username"], form.get("password", ""))
        if session is None:
            problem = "Incorrect username or password."
            return _page("login", "Sign in to Pretend GitHub", problem=problem, status=401)
        answer = RedirectResponse(f"{AUTHORIZE}?{request.url.query}", status_code=303)
        answer.set_cookie(COOKIE, session, httponly=True, samesite="lax", path="/login")
        return answer

    def _approval(self, asked: Asked, login: str, session: str) -> Response:
        back = urlsplit(asked.redirect_uri)
        return _page(
            "approve",
            "Authorize Ostiary",
            client=self._hub.client_id,
            login=login,
            scopes=asked.scopes,
            back=f"{back.scheme}://{back.netloc}",
            form=self._form_token(session),
        )

    def _form_token(self, session: str) -> str:
        return hmac.new(self._form_key, session.encode(), hashlib.sha256).hexdigest()


def _page(kind: str, title: str, *, status: int = 200, **values: object) -> Response:
    nonce = secrets.token_urlsafe(16)
    text = _PAGES.get_template("github.html").render(kind=kind, title=title, nonce=nonce, **values)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'"
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
    }
    return HTMLResponse(text, status_code=status, headers=headers)


def _back(asked: Asked, answer: dict[str, str]) -> Response:
    query = urlencode({**answer, "state": asked.state})
    joint = "&" if "?" in asked.redirect_uri else "?"
    return RedirectResponse(f"{asked.redirect_uri}{joint}{query}", status_code=303)


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Return client id and secret, from the header or from the form (RFC 6749 section 2.3.1)."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


def new_hub(
    *,
    people: tuple[str, ...] = _PEOPLE,
    client_id: str,
    client_secret: str,
    redirect_uris: tuple[str, ...],
    access_ttl: float = 30.0,
    issued: Callable[[str], None] = lambda _: None,
) -> Hub:
    """Return a service with its repositories; `people` are NAME:PASSWORD each."""
    return Hub(
        people=dict(item.split(":", 1) for item in people),
        client_id=client_id,
        client_secret=client_secret,
        redirect_uris=redirect_uris,
        access_ttl=access_ttl,
        clock=time.monotonic,
        random=lambda: secrets.token_urlsafe(24),
        issued=issued,
        repositories={
            "acme/website": {"README.md": "# The web site\n", "index.html": "<h1>Hello</h1>\n"},
            "acme/payroll": {"README.md": "# Payroll\n\nHandle with care.\n"},
        },
    )


@click.command()
@click.option("--listen", type=EndpointType(), default="127.0.0.1:7101", show_default=True)
@click.option("--client-id", default="ostiary-demo", show_default=True, help="The one client.")
@click.option("--redirect-uri", "redirect_uris", required=True, multiple=True,
              help="Where browsers may be sent back to; repeatable.")  # fmt: skip
@click.option("--user", "people", multiple=True, default=_PEOPLE, show_default=True,
              help="NAME:PASSWORD; repeatable.")  # fmt: skip
@click.option("--access-ttl", default=30.0, show_default=True, help="In seconds.")
@click.option("--issued-file", type=click.Path(dir_okay=False, path_type=Path),
              help="Every token that is issued is appended here, one a line.")  # fmt: skip
@click.option("--ready-file", type=click.Path(dir_okay=False, path_type=Path),
              help="Written with {url, mcpUrl, pid} as JSON once it serves.")  # fmt: skip
def command(
    *,
    listen: Endpoint,
    client_id: str,
    redirect_uris: tuple[str, ...],
    people: tuple[str, ...],
    access_ttl: float,
    issued_file: Path | None,
    ready_file: Path | None,
) -> None:
    """Run a pretend GitHub; PRETEND_GITHUB_CLIENT_SECRET holds the client's secret."""
    secret = os.environ.get("PRETEND_GITHUB_CLIENT_SECRET")
    if not secret:
        raise click.UsageError("set PRETEND_GITHUB_CLIENT_SECRET")
    if any(":" not in person for person in people):
        raise click.UsageError("--user takes NAME:PASSWORD")
    hub = new_hub(
        people=people,
        client_id=client_id,
        client_secret=secret,
        redirect_uris=redirect_uris,
        access_ttl=access_ttl,
        issued=_recorder(issued_file),
    )
    bound = socket.create_server((listen.host, listen.port))
    url = "http://{}:{}".format(*bound.getsockname()[:2])
    asyncio.run(
        serve(github_app(hub, listen.host), bound, ready_file, url=url, mcpUrl=f"{url}/mcp")
    )


def _recorder(file: Path | None) -> Callable[[str], None]:
    if file is None:
        return lambda _: None
    file.touch(mode=0o600)

    def record(token: str) -> None:
        with file.open("a") as sink:
            sink.write(f"{token}\n")

    return record


if __name__ == "__main__":
    command()
