"""The browser without a window that `ostiary login --form`, the demo and the tests log in with."""

import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ostiary_cli.headless import Form, Headless, Page, Stuck
from ostiary_proxy.outbound.provider import is_loopback

LOGIN = """<title>Log in</title><style>p {}</style>
<form method="post" action="/login"><input type="hidden" name="csrf" value="a&amp;b">
<input name="username"><input name="password" type="password"><button>Go</button></form>"""
CONSENT = """<title>Agree?</title><p>Will you?</p><form method="post" action="/consent">
<button name="approve" value="yes">Yes</button>
<button name="approve" value="no">No</button></form>"""


class Site(BaseHTTPRequestHandler):
    """A login page, a consent page, and a redirect to a client; remembers what it was sent."""

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        cookies = self.headers.get("Cookie", "")
        if self.path == "/start":
            self.answer(
                302, location="/page", cookies=["__Host-a=1; Secure; Path=/", "b=2; Secure"]
            )
        elif self.path == "/page":
            self.answer(200, LOGIN)
        elif self.path == "/agree":
            self.answer(200, CONSENT)
        elif self.path == "/cookies":
            self.answer(200, cookies)
        elif self.path == "/bad-cookies":
            self.answer(200, cookies=["__Host-c=1; Path=/", "__Host-d=1; Secure; Path=/x"])
        else:
            self.answer(404, "<title>Lost</title><p>no such page</p>")

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        origin = self.headers.get("Origin")
        self.server.sent.append((self.path, sent, origin))  # type: ignore[attr-defined]  # ours
        if self.path == "/login" and "password=right" in sent:
            self.answer(303, location="/agree")
        elif self.path == "/login":
            self.answer(401, "<p>wrong password</p>" + LOGIN)
        else:
            self.answer(303, location="http://127.0.0.1:1/callback?code=c")

    def answer(
        self, status: int, text: str = "", *, location: str = "", cookies: list[str] | None = None
    ) -> None:
        self.send_response(status)
        for cookie in cookies or []:
            self.send_header("Set-Cookie", cookie)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.sent = []  # type: ignore[attr-defined]  # what the site was sent
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(site: ThreadingHTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{site.server_port}{path}"


def test_it_walks_through_login_and_consent_to_the_client(site: ThreadingHTTPServer) -> None:
    fields = {"username": "al", "password": "right", "approve": "yes"}

    end = Headless().walk(url(site, "/start"), fields=fields, until="http://127.0.0.1:1/")

    origin = url(site, "")
    assert end == "http://127.0.0.1:1/callback?code=c"
    assert site.sent == [  # type: ignore[attr-defined]  # ours
        ("/login", "csrf=a%26b&username=al&password=right", origin),
        ("/consent", "approve=yes", origin),
    ]


def test_secure_and_host_cookies_come_back_over_loopback_http(site: ThreadingHTTPServer) -> None:
    browser = Headless()
    browser.get(url(site, "/start"))

    assert sorted(browser.get(url(site, "/cookies")).text.split("; ")) == ["__Host-a=1", "b=2"]


def test_host_cookies_that_break_their_rules_are_not_kept(site: ThreadingHTTPServer) -> None:
    browser = Headless()
    browser.get(url(site, "/bad-cookies"))

    assert browser.get(url(site, "/cookies")).text == ""


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("/page", {}, r"'Log in' at .*/page asks for username, password"),
        ("/page", {"username": "al", "password": "x"}, r"shows its form again: wrong password"),
        ("/nowhere", {}, r"'Lost' at .*/nowhere answers 404: no such page"),
        ("/cookies", {}, r"has no form to fill"),
    ],
)
def test_it_says_which_page_it_is_stuck_at(
    site: ThreadingHTTPServer, path: str, fields: dict[str, str], said: str
) -> None:
    with pytest.raises(Stuck, match=said):
        Headless().walk(url(site, path), fields=fields, until="http://127.0.0.1:1/")


def test_it_says_that_nothing_answers() -> None:
    with pytest.raises(Stuck, match="does not answer"):
        Headless().get("http://127.0.0.1:1/")
    with pytest.raises(Stuck, match="no web address"):
        Headless().get("file:///etc/passwd")


def test_checked_boxes_and_hidden_fields_are_sent_untouched() -> None:
    text = (
        '<form action="x"><input type=hidden name=h value=1><input type=checkbox name=c checked>'
        "<input type=checkbox name=d><input type=radio name=r value=2 checked></form>"
        "<input name=outside>"
    )

    forms = Page(url="http://a/", status=200, headers=Message(), text=text).forms()

    given = (("h", "1"), ("c", "on"), ("r", "2"))
    assert forms == (Form(action="x", method="get", given=given, open=("d",)),)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
     ("a.localhost", True), ("localhost.example.com", False), ("10.0.0.1", False),
     ("0.0.0.0", False), ("", False), (None, False)],
)  # fmt: skip
def test_loopback_is_what_stays_on_this_machine(host: str | None, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback
