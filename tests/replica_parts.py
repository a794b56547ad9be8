"""Three real proxies on one Redis, one key document and one folder of shards, and who calls them.

The first is that of `ostiary dev`, whose URL is the public one; a caller chooses who answers by
connecting to another port with the same Host.
"""

import contextlib
import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from gateway_parts import Answer, Gateway, ask, dev, gateway_yaml, policy_yaml, route_yaml
from ostiary_cli.headless import Headless, Page
from real_parts import RedisPart, _until_ready, redis_server, running
from sdk_parts import files_server

__all__ = ["STORAGE", "Fleet", "Replica", "fleet", "one_more", "secret_yaml"]

VERSION = "2025-11-25"
BACK = "http://127.0.0.1:1/back"
VERIFIER = "v" * 43
CHALLENGE = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"
STORAGE = """  storage: {type: Redis, urlSecretRef: {name: redis, key: url}}
  audit: {sinks: [Stdout]}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One proxy: where it listens, and the origin that its callers name."""

    listen: str
    admin: str
    token: Path
    origin: str
    log: Path
    process: Any = None

    def send(
        self, path: str, body: object = None, *, method: str | None = None, **headers: str
    ) -> Answer:
        """Send a request to this replica as if the public address led to it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Host": urlsplit(self.origin).netloc, "Content-Type": "application/json", **named}
        return ask(f"http://{self.listen}{path}", data=data, headers=sent, method=method)

    def form(self, path: str, **fields: str) -> Answer:
        kind = "application/x-www-form-urlencoded"
        return self.send(path, urlencode(fields).encode(), Content_Type=kind)

    def revoke(self, **selector: str) -> Answer:
        return self.ask_admin("/grants/revoke", json.dumps(selector).encode())

    def ask_admin(self, path: str, data: bytes | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token.read_text()}"}
        return ask(f"http://{self.admin}{path}", data=data, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one login gave."""

    client_id: str
    access: str
    refresh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The replicas and what stands behind them."""

    gateway: Gateway
    redis: RedisPart
    replicas: Sequence[Replica]
    folder: Path

    @property
    def path(self) -> str:
        return urlsplit(self.gateway.url()).path

    def failures(self) -> list[str]:
        """Return what each replica says keeps it from what came last."""
        said = (replica.ask_admin("/revision").json() for replica in self.replicas)
        return ["; ".join(one["failures"]) for one in said]

    def log_in(self, *, authorize: Replica, redeem: Replica, username: str = "alice") -> Tokens:
        """Register and log in at one replica, redeem the code at another."""
        about = {"redirect_uris": [BACK], "token_endpoint_auth_method": "none"}
        registered = authorize.send("/register", about)
        client = str(registered.json()["client_id"])
        query = urlencode(
            {
                "response_type": "code", "client_id": client, "redirect_uri": BACK, "state": "s",
                "code_challenge": CHALLENGE, "code_challenge_method": "S256",
                "resource": self.gateway.url(),
            }
        )  # fmt: skip
        form = {"username": username, "password": "secret", "approve": "yes"}
        browser = Directed(authorize)
        ends = browser.walk(f"{authorize.origin}/authorize?{query}", fields=form, until=BACK)
        code = parse_qs(urlsplit(ends).query)["code"][0]
        answer = redeem.form(
            "/token", grant_type="authorization_code", code=code, client_id=client,
            redirect_uri=BACK, code_verifier=VERIFIER, resource=self.gateway.url(),
        )  # fmt: skip
        assert answer.status == 200, answer.body
        said = answer.json()
        access, refresh = said["access_token"], said["refresh_token"]
        return Tokens(client_id=client, access=access, refresh=refresh)

    def call(self, replica: Replica, issued: str, **headers: str) -> Answer:
        """Call a tool as a client of 2026-07-28 does, which has no session."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": "read_file", "arguments": {"path": "a"}, "_meta": meta}
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        return replica.send(
            self.path, message, Authorization=f"Bearer {issued}", MCP_Protocol_Version="2026-07-28",
            MCP_Method="tools/call", MCP_Name="read_file", Accept=BOTH, **headers,
        )  # fmt: skip

    def session(self, replica: Replica, issued: str) -> dict[str, str]:
        """Open a session and return the headers that its requests carry."""
        params = {
            "protocolVersion": VERSION, "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }  # fmt: skip
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        known = {"Authorization": f"Bearer {issued}", "Accept": BOTH}
        opened = replica.send(self.path, message, **known)
        assert opened.status == 200, opened.body
        known |= {
            "MCP_Protocol_Version": VERSION,
            "Mcp_Session_Id": opened.headers["mcp-session-id"],
        }
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert replica.send(self.path, ready, **known).status == 202
        return known

    @contextmanager
    def stream(self, replica: Replica, known: Mapping[str, str]) -> Iterator[Any]:
        """Open the GET stream of a session at a replica."""
        headers = {name.replace("_", "-"): value for name, value in known.items()}
        headers |= {"Host": urlsplit(replica.origin).netloc, "Accept": "text/event-stream"}
        request = urllib.request.Request(f"http://{replica.listen}{self.path}", headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            yield answer


BOTH = "application/json, text/event-stream"


class Directed(Headless):
    """A browser for which the public address leads to one replica."""

    def __init__(self, replica: Replica) -> None:
        super().__init__()
        self._replica = replica

    def _ask(self, request: urllib.request.Request) -> Page:
        netloc = urlsplit(self._replica.origin).netloc
        if request.host == netloc:
            request.add_unredirected_header("Host", netloc)
            request.host = self._replica.listen
        return super()._ask(request)


@contextmanager
def fleet(folder: Path, rules: str) -> Iterator[Fleet]:
    """Run three replicas with `rules` while the context lasts."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(files_server(folder, json_answers=True))
        redis = stack.enter_context(redis_server(folder, "--appendfsync", "always"))
        files = {
            "gateway.yaml": gateway_yaml(extra=STORAGE),
            "secret.yaml": secret_yaml(redis.url),
            "route.yaml": route_yaml(upstream),
            "policy.yaml": policy_yaml(rules),
        }
        gateway = stack.enter_context(dev(folder, files))
        said = json.loads((gateway.state / "proxy-ready.json").read_text())
        first = Replica(
            listen=said["listen"], admin=said["admin"], token=gateway.state / "admin-token",
            origin=gateway.issuer, log=gateway.state / "proxy.log",
        )  # fmt: skip
        others = [stack.enter_context(one_more(folder / f"r{n}", gateway)) for n in (2, 3)]
        yield Fleet(gateway=gateway, redis=redis, replicas=(first, *others), folder=folder)


@contextmanager
def one_more(folder: Path, gateway: Gateway) -> Iterator[Replica]:
    """Run one more proxy on the bundle and the keys of a running gateway."""
    folder.mkdir()
    ready = folder / "ready.json"
    command = [
        *(sys.executable, "-m", "ostiary_proxy.main", "--bundle", str(gateway.state / "bundle")),
        *("--keys", str(gateway.keys / "keys.json"), "--state", str(folder / "store.sqlite3")),
        *("--audit", str(folder / "audit"), "--checkpoints", str(folder / "checkpoints")),
        *("--listen", "127.0.0.1:0", "--admin-token", str(folder / "admin-token")),
        *("--ready-file", str(ready)),
    ]
    with running(command, log=folder / "proxy.log") as process:
        said = _until_ready(ready, process)
        yield Replica(
            listen=said["listen"], admin=said["admin"], token=folder / "admin-token",
            origin=gateway.issuer, log=folder / "proxy.log", process=process,
        )  # fmt: skip


def secret_yaml(url: str) -> str:
    """Return the Secret of the storage's URL."""
    return f"""apiVersion: v1
kind: Secret
metadata: {{name: redis, namespace: default}}
stringData: {{url: "{url}"}}
"""
