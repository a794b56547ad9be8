"""An authorization server on a store in memory, a provider behind a Transport, and browsers."""

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from log_parts import Clock, Log
from ostiary.config.document import Config, Gateway, IdentityProvider, OAuth2Auth, Route
from ostiary.config.keys import KeyDocument
from ostiary.crypto.jose import SigningRing
from ostiary.crypto.secret import Secret
from ostiary.decode.json_text import write_json
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth.access import AccessAuthority
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.server import AuthorizationServer
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed, Outgoing
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.memory import MemoryStore
from ostiary_proxy.store.wakes import LocalWakes
from ostiary_proxy.wire import Incoming, Reply

HOME = "https://mcp.example"
TOOLS = "https://tools.example"
MANY = "https://many.example"
GITHUB = "https://github.example"
IDP = "https://idp.example"
CALLBACK = f"{HOME}/login/callback"
CLAUDE = "https://claude.ai/api/mcp/auth_callback"
APP = "https://app.example/callback"
LOOPBACK = "http://127.0.0.1:33418/callback"
VERIFIER = "v" * 43
RINGS = KeyDocument.generate(os.urandom).rings()
OTHER_RINGS = KeyDocument.generate(os.urandom).rings()


def s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def _route(name: str, issuer: str, path: str, **more: Any) -> Route:
    return Route(
        namespace="apps",
        name=name,
        display_name=name.title(),
        url=f"{issuer}{path}",
        issuer=issuer,
        **more,
    )


ROUTES = (
    _route("tools", TOOLS, "/mcp"),
    _route("first", MANY, "/a"),
    _route("second", MANY, "/b"),
    _route(
        "github",
        GITHUB,
        "/",
        auth=OAuth2Auth(
            issuer="https://github.com",
            authorization_endpoint="https://github.com/authorize",
            token_endpoint="https://github.com/token",
            client_id="ours",
            scopes=("repo", "read:user"),
        ),
    ),
)
CONFIG = Config(
    gateway=Gateway(
        namespace="ostiary",
        name="gateway",
        public_url=HOME,
        identity_provider=IdentityProvider(
            issuer=IDP, client_id="ostiary", client_secret="idp-secret"
        ),
    ),
    routes=ROUTES,
)


@dataclass
class Answer:
    status: int
    value: object
    headers: Mapping[str, str] = field(default_factory=dict)

    async def body(self, limit: int) -> bytes:
        return write_json(self.value)

    @property
    def arrived(self) -> bool:
        return True

    async def chunks(self) -> Any:
        yield write_json(self.value)

    async def close(self) -> None:
        return None


class IdentityProviderInMemory:
    """An OpenID provider that can lie: `claims` and `sign` change what its ID tokens say."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.keys: SigningRing = _signing_ring()
        self.claims: dict[str, Any] = {}
        self.people: dict[str, dict[str, Any]] = {}
        self.sign: Callable[[dict[str, Any]], str] = self._sign
        self.algorithms = ["ES256"]
        self.away = False
        self.userinfo: dict[str, Any] | None = None
        self.jwks_fetches = 0
        self._codes: dict[str, dict[str, Any]] = {}

    def _sign(self, claims: dict[str, Any]) -> str:
        return self.keys.sign(claims)

    def rotate(self) -> None:
        """Sign with a new key; the old one is gone from the key set."""
        self.keys = _signing_ring()

    def log_in(self, url: str, person: str = "anna") -> str:
        """Return where the browser goes after `person` logged in at `url`."""
        asked = query_of(url)
        assert url.startswith(f"{IDP}/authorize?")
        assert asked["redirect_uri"] == CALLBACK
        assert asked["code_challenge_method"] == "S256"
        code = os.urandom(8).hex()
        self._codes[code] = {"sub": person, "nonce": asked["nonce"]}
        return f"{CALLBACK}?{urlencode({'code': code, 'state': asked['state'], 'iss': IDP})}"

    async def send(self, request: Outgoing) -> Exchange:
        if self.away:
            raise OutboundFailed("connect")
        path = urlsplit(request.url).path
        if path == "/.well-known/openid-configuration":
            return Answer(200, self._metadata())
        if path == "/jwks":
            self.jwks_fetches += 1
            return Answer(200, self.keys.jwks())
        if path == "/userinfo":
            assert ("authorization", "Bearer x") in request.headers
            return Answer(200, self.userinfo)
        form = dict(parse_qsl(request.body.decode()))
        found = self._codes.pop(form.get("code", ""), None)
        if found is None:
            return Answer(400, {"error": "invalid_grant"})
        return Answer(
            200, {"access_token": "x", "token_type": "Bearer", "id_token": self._token(found)}
        )

    def _token(self, found: dict[str, Any]) -> str:
        now = int(self.clock())
        claims = {
            "iss": IDP,
            "aud": "ostiary",
            "iat": now,
            "exp": now + 300,
            "auth_time": now - 5,
            "email": f"{found['sub']}@example.com",
            "email_verified": True,
            "groups": ["engineering"],
            **found,
            **self.claims,
        }
        return self.sign({name: value for name, value in claims.items() if value is not None})

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": IDP,
            "authorization_endpoint": f"{IDP}/authorize",
            "token_endpoint": f"{IDP}/token",
            "jwks_uri": f"{IDP}/jwks",
            **({} if self.userinfo is None else {"userinfo_endpoint": f"{IDP}/userinfo"}),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "id_token_signing_alg_values_supported": self.algorithms,
        }


def _signing_ring() -> SigningRing:
    pem = KeyDocument.generate(os.urandom).rings().access
    return SigningRing(pem._keys, typ="jwt")


class Accounts:
    """Connecting as the upstream side does it, reduced to what the flow can see."""

    def __init__(self) -> None:
        self.connected: set[tuple[str, str]] = set()
        self.started: list[tuple[str, str, str, str]] = []

    async def needed(self, route: Route, person: Person) -> bool:
        oauth = isinstance(route.auth, OAuth2Auth)
        return oauth and (route.key, person.subject) not in self.connected

    def opened(self, issuer: str, query: list[tuple[str, str]], *, person: Person) -> Route:
        if dict(query).get("for") != person.subject:
            raise Refused("OtherPerson")
        return next(route for route in ROUTES if route.key == dict(query)["route"])

    async def start(self, route: Route, person: Person, *, browser: str, back: str) -> str:
        self.started.append((route.key, person.subject, browser, back))
        return f"https://github.com/authorize?state={len(self.started) - 1}"

    async def finish(
        self, issuer: str, query: list[tuple[str, str]], *, person: Person, browser: str, now: float
    ) -> str:
        key, subject, left, back = self.started[int(dict(query)["state"])]
        if (subject, left) != (person.subject, browser):
            raise Refused("FlowEnded")
        self.connected.add((key, subject))
        return back


@dataclass
class World:
    """One authorization server with everything around it. `again()` makes another replica."""

    config: Config = CONFIG
    clock: Clock = field(default_factory=Clock)
    log: Log = field(default_factory=Log)
    rings: Any = RINGS

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.idp = IdentityProviderInMemory(self.clock)
        self.accounts = Accounts()
        self.again()

    def again(self) -> None:
        self.context = Context(
            config=self.config,
            rings=self.rings,
            store=self.store,
            wakes=LocalWakes(),
            log=self.log,
            clock=self.clock,
            entropy=os.urandom,
            new_id=lambda: os.urandom(8).hex(),
        )
        self.server = AuthorizationServer(
            self.context,
            http=HttpClient(self.idp),
            connecting=self.accounts,
            credentials={"idp-secret": Secret("s3cret")},
            patterns={"apps/tools": ("search_*", "read_file")},
        )
        self.authority = AccessAuthority(self.context)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        source: str = "192.0.2.1",
    ) -> Reply:
        """Send one request to the server; a path that is none of its own is a failure."""
        reply = await self.serve(method, url, headers=headers, body=body, source=source)
        assert reply is not None, url
        return reply

    async def serve(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        source: str = "192.0.2.1",
    ) -> Reply | None:
        parts = urlsplit(url)

        async def read(limit: int) -> bytes:
            if len(body) > limit:
                raise Refused("TooLarge")
            return body

        request = Incoming(
            method=method,
            origin=f"{parts.scheme}://{parts.netloc}",
            path=parts.path,
            query=parts.query,
            headers=tuple((headers or {}).items()),
            source=ip_address(source),
            read=read,
        )
        return await self.server.serve(request)

    async def register(
        self,
        issuer: str = TOOLS,
        *uris: str,
        expect: int = 201,
        source: str = "192.0.2.1",
        **more: Any,
    ) -> dict[str, Any]:
        document = {
            "client_name": "Agent",
            "redirect_uris": list(uris or (APP,)),
            "token_endpoint_auth_method": "none",
            **more,
        }
        reply = await self.send(
            "POST",
            f"{issuer}/register",
            headers={"content-type": "application/json"},
            body=json.dumps(document).encode(),
            source=source,
        )
        assert reply.status == expect, reply.body
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    async def form(
        self, url: str, fields: Mapping[str, str] | list[tuple[str, str]], **headers: str
    ) -> Reply:
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        return await self.send("POST", url, headers=sent, body=urlencode(fields).encode())

    async def token(self, fields: Mapping[str, str], issuer: str = TOOLS, **headers: str) -> Any:
        """Return (status, JSON) of the token endpoint."""
        reply = await self.form(f"{issuer}/token", fields, **headers)
        assert ("cache-control", "no-store") in reply.headers
        return reply.status, json.loads(reply.body)

    async def redeem(self, client: str, code: str, issuer: str = TOOLS, **changed: str) -> Any:
        fields = {
            "grant_type": "authorization_code",
            "client_id": client,
            "code": code,
            "redirect_uri": APP,
            "code_verifier": VERIFIER,
            **changed,
        }
        return await self.token({k: v for k, v in fields.items() if v}, issuer)

    async def refresh(self, client: str, refresh: str, issuer: str = TOOLS, **changed: str) -> Any:
        fields = {"grant_type": "refresh_token", "client_id": client, "refresh_token": refresh}
        return await self.token(fields | changed, issuer)

    async def logged_in(self, client: str = "", person: str = "anna") -> tuple[str, dict[str, Any]]:
        """Take the whole way on the tools route; return the client's id and its tokens."""
        client = client or (await self.register())["client_id"]
        end = await Browser(self, person).walk(authorize(client))
        status, tokens = await self.redeem(client, query_of(end)["code"])
        assert status == 200, tokens
        return client, tokens


def authorize(client: str, issuer: str = TOOLS, **changed: str) -> str:
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": APP,
        "state": "st",
        "scope": "mcp",
        "code_challenge": s256(VERIFIER),
        "code_challenge_method": "S256",
        "resource": f"{TOOLS}/mcp" if issuer == TOOLS else "",
        **changed,
    }
    return f"{issuer}/authorize?{urlencode({k: v for k, v in asked.items() if v})}"


class Browser:
    """A person's browser: cookies by origin, redirects, the first form of a page."""

    def __init__(self, world: World, person: str = "anna") -> None:
        self.world = world
        self.person = person
        self.cookies: dict[str, dict[str, str]] = {}
        self.url = ""
        self.pages: list[str] = []

    async def get(self, url: str) -> Reply:
        return await self._send("GET", url, {}, b"")

    async def post(self, url: str, fields: Mapping[str, str], origin: str | None = "") -> Reply:
        parts = urlsplit(url)
        own = f"{parts.scheme}://{parts.netloc}"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if origin is not None:
            headers["origin"] = origin or own
        return await self._send("POST", url, headers, urlencode(fields).encode())

    async def _send(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Reply:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        jar = self.cookies.setdefault(origin, {})
        if jar:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        reply = await self.world.send(method, url, headers=headers, body=body)
        for name, value in reply.headers:
            if name == "set-cookie":
                self._keep(jar, value)
        self.url = url
        return reply

    def _keep(self, jar: dict[str, str], header: str) -> None:
        first, *attributes = header.split("; ")
        name, _, value = first.partition("=")
        assert name.startswith("__Host-")
        assert attributes[:4] == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
        if "Max-Age=0" in attributes:
            jar.pop(name, None)
        else:
            jar[name] = value

    async def walk(self, url: str, *, approve: str = "yes") -> str:
        """Go on until the address is neither ours nor the provider's; return it."""
        reply = await self.to_page(url)
        while isinstance(reply, Reply):
            assert reply.status == 200, (self.url, reply.status, text(reply))
            reply = await self.to_page(await self.answer(reply, approve))
        return reply

    async def to_page(self, url: str) -> Reply | str:
        """Follow redirects up to a page of ours, or to an address that is not ours."""
        for _ in range(12):
            if url.startswith(f"{IDP}/"):
                url = self.world.idp.log_in(url, self.person)
            if url.startswith("https://github.com/"):
                url = f"{GITHUB}/account/callback?{urlsplit(url).query}"
            if not url.startswith((HOME, TOOLS, MANY, GITHUB)):
                return url
            reply = await self.get(url)
            if reply.status != 303:
                self.pages.append(reply.body.decode())
                return reply
            url = location(reply)
        raise AssertionError("too many redirects")

    async def answer(self, page: Reply, approve: str) -> str:
        """Send the first form of a page; return where it leads."""
        parts = urlsplit(self.url)
        action, fields = form_of(page)
        url = f"{parts.scheme}://{parts.netloc}{action}"
        reply = await self.post(url, fields | {"approve": approve})
        assert reply.status == 303, text(reply)
        return location(reply)


def location(reply: Reply) -> str:
    return next(value for name, value in reply.headers if name == "location")


def form_of(page: Reply) -> tuple[str, dict[str, str]]:
    source = page.body.decode().partition("<form")[2].partition("</form>")[0]
    action = re.search(r'action="([^"]*)"', source)
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', source)
    assert action is not None
    return action[1], {name: html.unescape(value) for name, value in hidden}


def text(reply: Reply) -> str:
    """Return what a person reads on a page."""
    body = re.sub(r"<style>.*?</style>", "", reply.body.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())
