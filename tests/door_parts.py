"""Ways into a gateway of several proxies: one address each, and what a client does through them."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from gateway_parts import Answer, ask
from ostiary_cli.headless import Headless, Page

__all__ = ["Door", "Resource", "Tokens"]

VERSION = "2025-11-25"
BACK = "http://127.0.0.1:1/back"
VERIFIER = "v" * 43
CHALLENGE = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"
BOTH = "application/json, text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One proxy: where it listens, and the origin that its callers name."""

    listen: str
    origin: str

    def send(
        self, path: str, body: object = None, *, method: str | None = None, **headers: str
    ) -> Answer:
        """Send a request to this proxy as if the public address led to it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Host": urlsplit(self.origin).netloc, "Content-Type": "application/json", **named}
        return ask(f"http://{self.listen}{path}", data=data, headers=sent, method=method)

    def form(self, path: str, **fields: str) -> Answer:
        kind = "application/x-www-form-urlencoded"
        return self.send(path, urlencode(fields).encode(), Content_Type=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one login gave."""

    client_id: str
    access: str
    refresh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A route, whose tool `read_file` a client calls by whichever door it likes."""

    url: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def log_in(
        self,
        *,
        authorize: Door,
        redeem: Door,
        username: str = "alice",
        browser: "Directed | None" = None,
    ) -> Tokens:
        """Register and log in at one door (or as a browser goes), redeem the code at another."""
        about = {"redirect_uris": [BACK], "token_endpoint_auth_method": "none"}
        registered = authorize.send("/register", about)
        client = str(registered.json()["client_id"])
        query = urlencode(
            {
                "response_type": "code", "client_id": client, "redirect_uri": BACK, "state": "s",
                "code_challenge": CHALLENGE, "code_challenge_method": "S256",
                "resource": self.url,
            }
        )  # fmt: skip
        form = {"username": username, "password": "secret", "approve": "yes"}
        browser = browser or Directed(authorize)
        ends = browser.walk(f"{authorize.origin}/authorize?{query}", fields=form, until=BACK)
        code = parse_qs(urlsplit(ends).query)["code"][0]
        answer = redeem.form(
            "/token", grant_type="authorization_code", code=code, client_id=client,
            redirect_uri=BACK, code_verifier=VERIFIER, resource=self.url,
        )  # fmt: skip
        assert answer.status == 200, answer.body
        said = answer.json()
        access, refresh = said["access_token"], said["refresh_token"]
        return Tokens(client_id=client, access=access, refresh=refresh)

    def call(self, door: Door, issued: str, tool: str = "read_file", **headers: str) -> Answer:
        """Call a tool as a client of 2026-07-28 does, which has no session."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": tool, "arguments": {"path": "a"}, "_meta": meta}
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        return door.send(
            self.path, message, Authorization=f"Bearer {issued}", MCP_Protocol_Version="2026-07-28",
            MCP_Method="tools/call", MCP_Name=tool, Accept=BOTH, **headers,
        )  # fmt: skip

    def session(
        self, door: Door, issued: str, capabilities: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        """Open a session and return the headers that its requests carry."""
        params = {
            "protocolVersion": VERSION, "capabilities": dict(capabilities or {}),
            "clientInfo": {"name": "t", "version": "1"},
        }  # fmt: skip
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        known = {"Authorization": f"Bearer {issued}", "Accept": BOTH}
        opened = door.send(self.path, message, **known)
        assert opened.status == 200, opened.body
        known |= {
            "MCP_Protocol_Version": VERSION,
            "Mcp_Session_Id": opened.headers["mcp-session-id"],
        }
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert door.send(self.path, ready, **known).status == 202
        return known

    @contextmanager
    def stream(self, door: Door, known: Mapping[str, str], body: object = None) -> Iterator[Any]:
        """Open the GET stream of a session at a door, or the stream that answers `body`."""
        headers = {name.replace("_", "-"): value for name, value in known.items()}
        headers |= {"Host": urlsplit(door.origin).netloc, "Accept": BOTH}
        headers |= {"Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{door.listen}{self.path}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            yield answer


class Directed(Headless):
    """A browser for which the public address leads to one proxy."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    def _ask(self, request: urllib.request.Request) -> Page:
        netloc = urlsplit(self._door.origin).netloc
        if request.host == netloc:
            request.add_unredirected_header("Host", netloc)
            request.host = self._door.listen
        return super()._ask(request)
