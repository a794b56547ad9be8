"""Starts the development identity provider as a process, and plays client and browser to it."""

import base64
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

from ostiary_cli.headless import Headless

REDIRECT = "http://127.0.0.1:1/login/callback"
CLIENT_ID = "ostiary"
CLIENT_SECRET = "a secret, with : and +"
VERIFIER = "v" * 43
PEOPLE = """
- username: alice
  password: wonder
  email: alice@example.com
  groups: [engineering, on-call]
  name: Alice Adams
- username: bob
  password: builder
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    issuer: str
    users: Path
    process: subprocess.Popen[str]

    def authorize_url(self, **changed: str) -> str:
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT,
            "scope": "openid profile email groups",
            "state": "a state",
            "nonce": "n-1",
            "code_challenge": challenge(VERIFIER),
            "code_challenge_method": "S256",
            **changed,
        }
        return f"{self.issuer}/authorize?{urlencode(asked)}"

    def code(self, browser: Headless, username: str = "alice", password: str = "wonder") -> str:
        fields = {"username": username, "password": password}
        end = browser.walk(self.authorize_url(), fields=fields, until=REDIRECT)
        return answer_of(end)["code"]

    def redeem(self, code: str, *, secret: str = CLIENT_SECRET, **changed: str) -> tuple[int, dict]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
            **changed,
        }
        pair = urlencode({"": CLIENT_ID})[1:] + ":" + urlencode({"": secret})[1:]
        basic = base64.b64encode(pair.encode()).decode()
        return fetch(f"{self.issuer}/token", urlencode(form).encode(), f"Basic {basic}")


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def answer_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def fetch(
    url: str, body: bytes | None = None, authorization: str | None = None
) -> tuple[int, dict]:
    headers = {"Authorization": authorization} if authorization else {}
    try:
        with urlopen(Request(url, body, headers), timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@contextmanager
def identity_provider(
    folder: Path, *, people: str = PEOPLE, redirects: Sequence[str] = (REDIRECT,)
) -> Iterator[Running]:
    users, secret, ready = folder / "users.yaml", folder / "secret", folder / "idp-ready.json"
    if not users.exists():
        users.write_text(people)
    secret.write_text(CLIENT_SECRET)
    ready.unlink(missing_ok=True)
    listed = [part for uri in redirects for part in ("--redirect-uri", uri)]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "ostiary_cli.dev.identity", "--listen", "127.0.0.1:0"),
            *("--users", str(users), "--state", str(folder / "idp"), "--client-id", CLIENT_ID),
            *("--client-secret-file", str(secret), "--ready-file", str(ready), *listed),
        ],
        text=True,
    )
    try:
        yield Running(issuer=_await(ready, process)["issuer"], users=users, process=process)
    finally:
        process.terminate()
        process.wait(10)


def _await(ready: Path, process: subprocess.Popen[str]) -> dict[str, str]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if ready.exists():
            return json.loads(ready.read_bytes())
        if process.poll() is not None:
            raise RuntimeError(f"the identity provider ended with {process.returncode}")
        time.sleep(0.02)
    raise TimeoutError("the identity provider is not ready")
