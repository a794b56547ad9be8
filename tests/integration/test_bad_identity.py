"""Identity providers that are away or lie, behind a running gateway: nobody comes in."""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from gateway_parts import Gateway, dev, gateway_yaml, policy_yaml, route_yaml, until
from hostile_parts import RawServer, call, raw_server
from ostiary.config.keys import KeyDocument
from ostiary.crypto.jose import SigningRing

ALLOW = "[{name: all, effect: Allow, who: {everyone: true}}]"
Claims = dict[str, Any]


class Provider(ThreadingHTTPServer):
    """An OpenID provider that logs everybody in as alice, and lies as it is told.

    Where it is `away`, its page still answers, as one from another machine may.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys = signing_ring()
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.away = False
        self.claims: Claims = {}
        self.sign: Callable[[Claims], str] = self.keys.sign
        self.nonces: dict[str, str] = {}

    def id_token(self, code: str) -> str:
        now = int(time.time())  # noqa: TID251 - the gateway has the real clock
        said = {"iss": self.issuer, "aud": "ostiary", "sub": "alice", "iat": now, "exp": now + 300}
        return self.sign({**said, "nonce": self.nonces.get(code), **self.claims})

    def handle_error(self, *_: object) -> None:
        """Keep quiet: connections that break off are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if self.server.away and parts.path != "/authorize":
            self.close_connection = True
            return
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        issuer = self.server.issuer
        if parts.path == "/authorize":
            self.server.nonces["a-code"] = asked["nonce"]
            back = urlencode({"code": "a-code", "state": asked["state"], "iss": issuer})
            self.send_response(303)
            self.send_header("location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()
        elif parts.path == "/jwks":
            self._say(self.server.keys.jwks())
        elif parts.path == "/token":
            token = self.server.id_token("a-code")
            self._say({"access_token": "x", "token_type": "Bearer", "id_token": token})
        else:
            self._say({
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/jwks",
                "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
            })  # fmt: skip

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.do_GET()

    def _say(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def upstream() -> Iterator[RawServer]:
    with raw_server() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, upstream: RawServer, provider: Provider
) -> Iterator[Gateway]:
    oidc = f"""oidc:
      issuer: {provider.issuer}
      clientId: ostiary
      clientSecretRef: {{name: op, key: secret}}"""
    secret = """apiVersion: v1
kind: Secret
metadata: {name: op, namespace: default}
stringData: {secret: shared}
"""
    files = {
        "gateway.yaml": gateway_yaml(oidc),
        "route.yaml": route_yaml(upstream.url),
        "policy.yaml": policy_yaml(ALLOW),
        "secret.yaml": secret,
    }
    with dev(tmp_path_factory.mktemp("identity"), files) as running:
        yield running


@pytest.fixture(autouse=True)
def honest_again(provider: Provider) -> Iterator[None]:
    yield
    provider.away, provider.claims, provider.sign = False, {}, provider.keys.sign


LIES: dict[str, Claims] = {
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "somebody"},
    "another issuer": {"iss": "https://login.example.com"},
    "an end that has passed": {"exp": 1},
}


def without_algorithm(claims: Claims) -> str:
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."


def by_the_public_key(provider: Provider) -> Callable[[Claims], str]:
    public = json.dumps(provider.keys.jwks()["keys"][0]).encode()

    def sign(claims: Claims) -> str:
        said = f"{encoded({'alg': 'HS256'})}.{encoded(claims)}"
        return f"{said}.{encoded(hmac.new(public, said.encode(), hashlib.sha256).digest())}"

    return sign


def signing_ring() -> SigningRing:
    return SigningRing(KeyDocument.generate(os.urandom).rings().access._keys, typ="jwt")


def encoded(part: bytes | Claims) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_lie_is_recorded_with_its_reason(gateway: Gateway, provider: Provider) -> None:
    provider.claims = LIES["another nonce"]

    nobody_comes_in(gateway, "LoginFailed")

    until(lambda: "LoginFailed" in [record["facts"].get("code") for record in gateway.records()])


@pytest.mark.parametrize("lie", LIES)
def test_a_claim_that_does_not_hold_logs_nobody_in(
    gateway: Gateway, provider: Provider, lie: str
) -> None:
    provider.claims = LIES[lie]

    nobody_comes_in(gateway, "LoginFailed")


@pytest.mark.parametrize("how", ["none", "another key", "the public key as secret"])
def test_a_signature_that_does_not_hold_logs_nobody_in(
    gateway: Gateway, provider: Provider, how: str
) -> None:
    provider.sign = {
        "none": without_algorithm,
        "another key": signing_ring().sign,
        "the public key as secret": by_the_public_key(provider),
    }[how]

    nobody_comes_in(gateway, "LoginFailed")


def test_a_provider_that_is_away_is_told_and_those_who_are_in_stay_in(
    gateway: Gateway, provider: Provider
) -> None:
    issued = gateway.log_in()
    provider.away = True

    nobody_comes_in(gateway, "LoginUnavailable")

    assert "result" in call(gateway, issued).json()


def test_whom_an_honest_provider_vouches_for_comes_in_after_all_of_that(gateway: Gateway) -> None:
    assert "result" in call(gateway, gateway.log_in()).json()


def nobody_comes_in(gateway: Gateway, code: str) -> None:
    before = len(gateway.records())
    ended = gateway.try_to_log_in()

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
    assert code in ended.stderr
    events = {record["facts"].get("event") for record in gateway.records()[before:]}
    assert not events & {"logged-in", "token-issued"}
