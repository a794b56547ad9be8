"""The development identity provider as the proxy sees it (security decision 24)."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from identity_parts import CLIENT_ID, REDIRECT, Running, answer_of, fetch, identity_provider
from ostiary.crypto.jose import verify_foreign
from ostiary_cli.headless import Headless, Stuck

ALICE = {
    "sub": "alice",
    "preferred_username": "alice",
    "name": "Alice Adams",
    "groups": ["engineering", "on-call"],
    "email": "alice@example.com",
    "email_verified": True,
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with identity_provider(tmp_path_factory.mktemp("identity")) as running:
        yield running


def claims_of(provider: Running, id_token: str) -> dict[str, Any]:
    _, keys = fetch(f"{provider.issuer}/jwks")
    now = time.time()  # noqa: TID251 - the other process has the real clock
    verified = verify_foreign(
        id_token, keys, algorithms=("ES256",), iss=provider.issuer, aud=CLIENT_ID, now=now
    )
    return dict(verified)


def test_a_login_gives_an_id_token_with_the_persons_claims(provider: Running) -> None:
    status, tokens = provider.redeem(provider.code(Headless()))

    assert status == 200
    claims = claims_of(provider, tokens["id_token"])
    times = {name: claims.pop(name) for name in ("iat", "exp", "auth_time")}
    assert claims == {
        **ALICE, "iss": provider.issuer, "aud": CLIENT_ID, "nonce": "n-1", "amr": ["pwd"],
    }  # fmt: skip
    assert times["exp"] - times["iat"] == 600


def test_userinfo_says_the_same_of_the_person(provider: Running) -> None:
    _, tokens = provider.redeem(provider.code(Headless()))

    answer = fetch(f"{provider.issuer}/userinfo", None, f"Bearer {tokens['access_token']}")

    assert answer == (200, ALICE)
    assert fetch(f"{provider.issuer}/userinfo", None, "Bearer forged")[0] == 401


def test_a_person_without_an_email_gets_no_email_claims(provider: Running) -> None:
    _, tokens = provider.redeem(provider.code(Headless(), "bob", "builder"))

    claims = claims_of(provider, tokens["id_token"])

    assert "email" not in claims
    assert "email_verified" not in claims
    assert claims["groups"] == []


def test_the_redirect_back_carries_state_and_issuer(provider: Running) -> None:
    fields = {"username": "alice", "password": "wonder"}

    end = Headless().walk(provider.authorize_url(), fields=fields, until=REDIRECT)

    answer = answer_of(end)
    assert len(answer.pop("code")) == 43
    assert answer == {"state": "a state", "iss": provider.issuer}


def test_a_code_works_once(provider: Running) -> None:
    code = provider.code(Headless())
    assert provider.redeem(code)[0] == 200

    status, answer = provider.redeem(code)

    assert (status, answer["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"secret": "wrong"}, "invalid_client"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:2/"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_the_token_endpoint_says_what_is_wrong(
    provider: Running, changed: dict[str, str], error: str
) -> None:
    _, answer = provider.redeem(provider.code(Headless()), **changed)

    assert answer["error"] == error


def test_the_browser_is_remembered_so_a_second_login_is_silent(provider: Running) -> None:
    browser = Headless()
    provider.code(browser)

    page = browser.get(provider.authorize_url(state="two"))

    assert page.status == 303
    assert page.location is not None
    assert answer_of(page.location)["state"] == "two"


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_fresh_login_is_asked_for_where_the_client_wants_one(
    provider: Running, asked: dict[str, str]
) -> None:
    browser = Headless()
    provider.code(browser)

    page = browser.get(provider.authorize_url(**asked))

    assert (page.status, len(page.forms())) == (200, 1)


def test_prompt_none_without_a_login_goes_back_with_an_error(provider: Running) -> None:
    page = Headless().get(provider.authorize_url(prompt="none"))

    assert page.location is not None
    assert answer_of(page.location)["error"] == "login_required"


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"max_age": "-1"}, "invalid_request"),
    ],
)
def test_a_wrong_request_goes_back_with_an_error(
    provider: Running, asked: dict[str, str], error: str
) -> None:
    page = Headless().get(provider.authorize_url(**asked))

    assert page.location is not None
    assert page.location.startswith(REDIRECT)
    assert answer_of(page.location)["error"] == error


@pytest.mark.parametrize(
    "query", ["redirect_uri=https://evil.example/", "redirect_uri=", "client_id=other"]
)
def test_an_unknown_client_or_redirect_goes_nowhere(provider: Running, query: str) -> None:
    name, _, value = query.partition("=")

    page = Headless().get(provider.authorize_url(**{name: value}))

    assert (page.status, page.location) == (400, None)


def test_a_second_redirect_uri_goes_nowhere(provider: Running) -> None:
    attack = provider.authorize_url(response_type="token").replace(
        "?", "?redirect_uri=https%3A%2F%2Fevil.example&", 1
    )

    page = Headless().get(attack)

    assert (page.status, page.location) == (400, None)


def test_a_wrong_password_shows_the_same_page_with_a_message(provider: Running) -> None:
    browser = Headless()
    form = [("username", "bob"), ("password", "<wrong>")]

    page = browser.post(provider.authorize_url(), form)

    assert page.status == 401
    assert "do not belong together" in page.text
    assert [name for form in page.forms() for name in form.open] == ["username", "password"]
    with pytest.raises(Stuck, match="do not belong together"):
        browser.walk(provider.authorize_url(), fields=dict(form), until=REDIRECT)


def test_too_many_wrong_passwords_close_that_name_for_a_while(provider: Running) -> None:
    url, browser = provider.authorize_url(), Headless()
    wrong = [("username", "mallory"), ("password", "guess")]
    for _ in range(8):
        assert browser.post(url, wrong).status == 401

    assert browser.post(url, wrong).status == 429
    assert provider.code(Headless())


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_form_from_another_site_logs_nobody_in(provider: Running, origin: str) -> None:
    body = b"username=alice&password=wonder"
    request = Request(provider.authorize_url(), body, {"Origin": origin})

    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=10)

    with refused.value as answer:
        assert (answer.code, answer.headers.get("Set-Cookie")) == (400, None)


def test_another_host_name_is_not_answered(provider: Running) -> None:
    port = provider.issuer.rsplit(":", 1)[1]

    page = Headless().get(f"http://localhost:{port}/.well-known/openid-configuration")

    assert page.status == 421


def test_logging_out_forgets_the_browser(provider: Running) -> None:
    browser = Headless()
    provider.code(browser)
    assert "Alice Adams" in browser.get(f"{provider.issuer}/").text

    browser.post(f"{provider.issuer}/logout", [])

    assert "Nobody is logged in" in browser.get(f"{provider.issuer}/").text
    assert browser.get(provider.authorize_url()).status == 200


def test_a_changed_file_counts_at_the_next_login_and_a_faulty_one_changes_nothing(
    provider: Running,
) -> None:
    before = provider.users.read_text()
    browser = Headless()
    provider.code(browser)
    try:
        provider.users.write_text("- {username: alice, password: changed}\n")
        assert browser.get(provider.authorize_url()).status == 200
        assert provider.code(Headless(), "alice", "changed")

        provider.users.write_text("- {username: alice, passwort: oops}\n")
        assert provider.code(Headless(), "alice", "changed")
    finally:
        provider.users.write_text(before)


def test_a_restart_keeps_issuer_keys_and_logins(tmp_path: Path) -> None:
    browser = Headless()
    with identity_provider(tmp_path) as first:
        first.code(browser)
        keys = fetch(f"{first.issuer}/jwks")
    with identity_provider(tmp_path) as second:
        page = browser.get(second.authorize_url())

        assert second.issuer == first.issuer
        assert fetch(f"{second.issuer}/jwks") == keys
        assert page.status == 303
    assert (tmp_path / "idp" / "identity.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "192.0.2.1:8080", "[::]:0", "example.com:80"])
def test_it_refuses_to_listen_where_others_could_reach_it(tmp_path: Path, listen: str) -> None:
    (tmp_path / "users.yaml").write_text("- {username: a, password: b}\n")
    (tmp_path / "secret").write_text("s")

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "ostiary_cli.dev.identity", "--listen", listen),
            *("--users", str(tmp_path / "users.yaml"), "--state", str(tmp_path / "idp")),
            *("--client-id", "x", "--client-secret-file", str(tmp_path / "secret")),
            *("--redirect-uri", REDIRECT),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert ended.returncode == 1
    assert "loopback only" in ended.stderr
    assert not (tmp_path / "idp").exists()
