"""Login, consent, refusal and connect pages as a person meets them, in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from gateway_parts import Gateway, ask, dev, three_files
from real_parts import chromium_path
from sdk_parts import files_server

CALLBACK = "http://127.0.0.1:39999/callback"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("browser")
    with files_server(folder) as upstream:
        files = three_files(upstream, "[{name: eng, effect: Allow, who: {groups: [eng]}}]")
        with dev(folder, files) as running:
            yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield running
        running.close()


def begin(gateway: Gateway, name: str = "Inspector") -> str:
    """Register a client and return the URL at which its authorization begins."""
    body = {"client_name": name, "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
    answer = ask(
        f"{gateway.issuer}/register",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status == 201, answer.body
    query = {
        "response_type": "code",
        "client_id": answer.json()["client_id"],
        "redirect_uri": CALLBACK,
        "state": "s",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        "resource": gateway.url(),
    }
    return f"{gateway.issuer}/authorize?{urlencode(query)}"


def opened(browser: Browser, *, dark: bool = False, phone: bool = False) -> Page:
    """Return a page of a new browser profile; the client's callback is answered here."""
    size = ViewportSize(width=390 if phone else 1100, height=800)
    context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light")
    page = context.new_page()
    page.route(f"{CALLBACK}**", lambda route: route.fulfill(body="back at the client"))
    return page


def log_in(page: Page, url: str) -> None:
    page.goto(url)
    page.fill("input[name=username]", "alice")
    page.fill("input[name=password]", "secret")
    page.click("button[type=submit], input[type=submit]")


def test_a_person_logs_in_agrees_and_comes_back_with_a_code(
    gateway: Gateway, browser: Browser
) -> None:
    page = opened(browser)
    log_in(page, begin(gateway))
    said = page.inner_text("body")
    page.click("[name=approve][value=yes]")
    page.wait_for_url(f"{CALLBACK}**")

    answered = parse_qs(urlsplit(page.url).query)
    assert "Inspector" in said
    assert "unverified" in said.lower()
    assert sorted(answered) == ["code", "iss", "state"]


def test_a_clear_no_goes_back_without_a_code(gateway: Gateway, browser: Browser) -> None:
    page = opened(browser)
    log_in(page, begin(gateway))
    page.click("[name=approve]:not([value=yes])")
    page.wait_for_url(f"{CALLBACK}**")

    assert parse_qs(urlsplit(page.url).query)["error"] == ["access_denied"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("phone", [False, True])
def test_pages_fit_whatever_names_and_screens_there_are(
    gateway: Gateway, browser: Browser, tmp_path: Path, dark: bool, phone: bool
) -> None:
    page = opened(browser, dark=dark, phone=phone)
    log_in(page, begin(gateway, "M" * 64))
    page.screenshot(path=tmp_path / "consent.png", full_page=True)
    fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    assert fits
    assert page.locator("b").count() == 0


def test_a_browser_that_opens_an_mcp_url_is_told_what_to_paste(
    gateway: Gateway, browser: Browser, tmp_path: Path
) -> None:
    page = opened(browser)
    response = page.goto(gateway.url())
    page.screenshot(path=tmp_path / "connect.png", full_page=True)
    said = page.inner_text("body")

    assert response is not None
    assert response.status == 401
    assert "resource_metadata=" in response.headers["www-authenticate"]
    assert "claude mcp add" in said
    assert gateway.url() in said


def test_a_wrong_redirect_uri_is_a_page_and_never_a_redirect(
    gateway: Gateway, browser: Browser, tmp_path: Path
) -> None:
    page = opened(browser)
    response = page.goto(begin(gateway).replace("39999", "39999%2Fevil"))
    page.screenshot(path=tmp_path / "refused.png", full_page=True)

    assert response is not None
    assert response.status == 400
    assert page.url.startswith(gateway.issuer)
