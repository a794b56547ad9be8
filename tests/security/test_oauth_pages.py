"""Pages: what clients, providers and people call themselves can't write on them (decision 8)."""

import html
import re
from html.parser import HTMLParser

import pytest

from oauth_parts import ROUTES, text
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth import pages
from ostiary_proxy.oauth.pages.page import shown
from ostiary_proxy.oauth.snippets import snippets
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Reply

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def consent(**changed: object) -> Reply:
    values: dict[str, object] = {
        "client": HOSTILE,
        "redirect_uri": "https://app.example/cb?x=%22",
        "person": Person(issuer="https://idp.example", subject=HOSTILE, name=HOSTILE),
        "route": ROUTES[0].model_copy(update={"display_name": HOSTILE}),
        "patterns": (HOSTILE, "a" * 500),
        "transaction": HOSTILE,
        "proof": HOSTILE,
    }
    return pages.consent(pages.Question(**(values | changed)), ())  # type: ignore[arg-type]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}


def tags(page: bytes) -> Tags:
    parser = Tags()
    parser.feed(page.decode())
    return parser


@pytest.mark.parametrize(
    "page",
    [
        consent().body,
        pages.error(Refused("FlowEnded", message=HOSTILE), decision=HOSTILE, onward=HOSTILE).body,
        pages.connect_page(ROUTES[0].model_copy(update={"display_name": HOSTILE, "url": HOSTILE})),
        pages.done(HOSTILE, HOSTILE).body,
    ],
)
def test_no_name_becomes_markup(page: bytes) -> None:
    found = tags(page)
    assert not found.found & {"script", "img", "iframe", "svg"}
    assert not {name for name in found.attributes if name.startswith("on")}


def test_the_style_is_the_one_that_the_policy_names_and_nothing_else_may_load() -> None:
    reply = consent()
    policy = dict(reply.headers)["content-security-policy"]
    style = re.findall(r"<style>(.*?)</style>", reply.body.decode(), flags=re.DOTALL)[0]
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert html.unescape(style) == style


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a\u202eb", "a\ufffdb"),
        ("a\u2066b\nc", "a\ufffdb\ufffdc"),
        ("a" * 65, "a" * 63 + "…"),
        ("e" + "\u0301" * 20, "\u00e9" + "\u0301" * 4),
        ("مرحبا", "مرحبا"),
        ("\udc80", "\ufffd"),
    ],
)
def test_what_is_shown_is_capped_and_hides_nothing(given: str, expected: str) -> None:
    assert shown(given) == expected


def test_the_host_that_gets_the_answer_is_shown_to_its_very_end() -> None:
    host = "claude.ai." + "a" * 60 + "." + "b" * 60 + "." + "c" * 60 + ".evil.example"
    assert host in text(consent(redirect_uri=f"https://{host}/cb"))


def test_snippets_quote_what_a_shell_would_read() -> None:
    made = snippets("x", "https://h.example/a;rm -rf")
    assert made[0].text == "claude mcp add --transport http x 'https://h.example/a;rm -rf'"
