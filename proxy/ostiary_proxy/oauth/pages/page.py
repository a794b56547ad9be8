"""Rendering: values in, a Reply out; whatever others chose is capped, isolated and escaped."""

import base64
import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Final
from urllib.parse import urlsplit

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from ostiary.config.document import OAuth2Auth, Route
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth.grants import GrantRow
from ostiary_proxy.oauth.redirects import host_of, kind_of
from ostiary_proxy.oauth.resource import Site
from ostiary_proxy.oauth.snippets import snippets
from ostiary_proxy.refused import Refused, link
from ostiary_proxy.wire import Headers, Reply

__all__ = ["PAGE_HEADERS", "Question", "account", "connect_page", "consent", "done", "error"]

_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_COMBINING: Final = 4
_PATTERNS: Final = 24


def shown(text: object, longest: int = 64) -> str:
    """Return `text` as a page may show it: nothing hidden, few accents, at most so long."""
    letters: list[str] = []
    marks = 0
    for letter in unicodedata.normalize("NFC", str(text)[: longest * 8]):
        category = unicodedata.category(letter)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= _COMBINING:
            letters.append("\N{REPLACEMENT CHARACTER}" if category in _HIDDEN else letter)
    clean = "".join(letters)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def day(seconds: float) -> str:
    """Return the day of a time, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _environment() -> Environment:
    folder = resources.files(__package__) / "templates"
    texts = {item.name: item.read_text("utf-8") for item in folder.iterdir()}
    environment = Environment(
        loader=DictLoader(texts),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "day": day}
    environment.globals["style"] = Markup(texts["style.css"])  # noqa: S704 - our own file
    return environment


_PAGES: Final = _environment()
_STYLE: Final = base64.b64encode(
    hashlib.sha256(str(_PAGES.globals["style"]).encode()).digest()
).decode()

PAGE_HEADERS: Final[Headers] = (
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE}'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
)
"""Headers of every page.

No `form-action`: browsers apply it to the whole redirect chain and would kill the callbacks of
hosted clients. `same-origin` as referrer policy keeps the Origin header on our own forms.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the consent page asks; `patterns` are the tools that policy lets people name."""

    client: str
    redirect_uri: str
    person: Person
    route: Route
    patterns: tuple[str, ...]
    transaction: str
    proof: str


def consent(question: Question, allowed: Iterable[str]) -> Reply:
    """Ask whether a client may act for a person on a route (rules 104, 107, 131)."""
    accounts = [
        (_host(server.auth.issuer), server.auth.scopes)
        for server in question.route.servers
        if isinstance(server.auth, OAuth2Auth)
    ]
    return _page(
        "consent.html.j2",
        question=question,
        person=person_name(question.person),
        receiver=host_of(question.redirect_uri),
        kind=kind_of(question.redirect_uri, allowed),
        patterns=question.patterns[:_PATTERNS],
        more=max(0, len(question.patterns) - _PATTERNS),
        accounts=accounts,
    )


def error(
    refused: Refused,
    *,
    status: int | None = None,
    decision: str | None = None,
    onward: str | None = None,
) -> Reply:
    """Say what went wrong and what to do; `onward` is where the client may be told, on a click."""
    retry = refused.retry_after
    headers = () if retry is None else (("retry-after", str(max(1, round(retry + 0.5)))),)
    return _page(
        "error.html.j2",
        status=status or max(400, refused.how.status),
        headers=headers,
        message=refused.message,
        code=refused.code,
        help=link(refused.code),
        decision=decision,
        onward=onward,
        onward_host=None if onward is None else host_of(onward),
    )


def account(person: Person, rows: Sequence[GrantRow], site: Site, proof: str) -> Reply:
    """Show a person what they gave to which client, with the ways to take it back."""
    names = {route.key: route.display_name for route in site.routes}
    return _page("account.html.j2", person=person_name(person), rows=rows, names=names, proof=proof)


def done(title: str, text: str, *, headers: Headers = ()) -> Reply:
    """Say that something is finished."""
    return _page("done.html.j2", headers=headers, title=title, text=text)


def connect_page(route: Route) -> bytes:
    """Return what a browser sees that opens an MCP URL: how to add it to an MCP client.

    The edge sends it with status 401, the challenge and `PAGE_HEADERS`.
    """
    return _page("connect.html.j2", route=route, snippets=snippets(route.name, route.url)).body


def person_name(person: Person) -> str:
    """Return how a person recognises themselves."""
    return person.email or person.name or person.subject


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _page(template: str, *, status: int = 200, headers: Headers = (), **values: object) -> Reply:
    body = _PAGES.get_template(template).render(**values)
    return Reply(status=status, headers=(*PAGE_HEADERS, *headers), body=body.encode())
