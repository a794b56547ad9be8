"""A browser without a window, for scripts, tests and CI that log in as people do.

Cookies, redirects and forms. It treats loopback http as secure, as browsers do, and keeps the rules
of `Secure` and `__Host-` cookies otherwise. No scripts run; our pages need none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from html.parser import HTMLParser
from http.client import HTTPException, HTTPResponse
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any, Final, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit
from urllib.request import (
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from ostiary_proxy.outbound.provider import is_loopback

__all__ = ["Form", "Headless", "Page", "Stuck"]

_STEPS: Final = 30
_LIMIT: Final = 1 << 20
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Stuck(Exception):  # noqa: N818 - reads as a statement
    """The way through the pages ends here; the text names the page and what it lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form as the page gives it.

    `given` holds the fields that a browser would send untouched, `open` those that a person fills
    or clicks.
    """

    action: str
    method: str
    given: tuple[tuple[str, str], ...]
    open: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a GET or POST ended in; `location` is the absolute redirect target, if there is one."""

    url: str
    status: int
    headers: Message
    text: str
    location: str | None = None

    def forms(self) -> tuple[Form, ...]:
        """Return the page's forms in order."""
        reader = _Forms()
        reader.feed(self.text)
        return reader.forms()

    def title(self) -> str:
        """Return the text of `<title>`, empty where there is none."""
        reader = _Forms()
        reader.feed(self.text)
        return " ".join(reader.title.split())


class Headless:
    """One browser profile: its cookies live as long as the object.

    Its methods block: call them in a thread from async code.
    """

    def __init__(self, *, timeout: float = 30.0) -> None:
        self.cookies = CookieJar(_BrowserPolicy())
        self._timeout = timeout
        self._opener: OpenerDirector = build_opener(ProxyHandler({}), _NoRedirect())

    def get(self, url: str) -> Page:
        """Return the answer to a GET, redirect not followed; raises Stuck where nothing answers."""
        return self._ask(Request(_http(url), headers={"Accept": "text/html"}))  # noqa: S310 - scheme checked

    def post(self, url: str, fields: Sequence[tuple[str, str]]) -> Page:
        """Return the answer to a form sent by a page of the same origin, redirect not followed."""
        parts = urlsplit(_http(url))
        headers = {"Accept": "text/html", "Origin": f"{parts.scheme}://{parts.netloc}"}
        return self._ask(Request(url, urlencode(fields).encode(), headers))  # noqa: S310 - scheme checked

    def walk(self, url: str, *, fields: Mapping[str, str], until: str) -> str:
        """Return the first redirect target that starts with `until`, without opening it.

        Follows redirects and sends the first form of each page, filled from `fields`. Raises Stuck
        where a page has no form, no field that `fields` could fill, shows the same form again, or
        is an error page.
        """
        page, sent = self.get(url), None
        for _ in range(_STEPS):
            if page.location is not None:
                if page.location.startswith(until):
                    return page.location
                page = self.get(page.location)
                continue
            form = _form_of(page)
            step = (page.url, form.action, form.open)
            if step == sent:
                raise Stuck(f"{_place(page)} shows its form again: {_words(page)}")
            page, sent = self.send(page, form, fields), step
        raise Stuck(f"gave up after {_STEPS} pages at {page.url}")

    def send(self, page: Page, form: Form, fields: Mapping[str, str]) -> Page:
        """Return the answer to `form` of `page`, filled from `fields`.

        Raises Stuck where `fields` has none of the open ones.
        """
        filled = [(name, fields[name]) for name in form.open if name in fields]
        if form.open and not filled:
            asked = ", ".join(dict.fromkeys(form.open))
            raise Stuck(f"{_place(page)} asks for {asked}; give one as --form NAME=VALUE")
        kept = [(name, fields.get(name, value)) for name, value in form.given]
        target = urljoin(page.url, form.action) if form.action else page.url
        if form.method == "post":
            return self.post(target, kept + filled)
        return self.get(urlunsplit(urlsplit(target)._replace(query=urlencode(kept + filled))))

    def _ask(self, request: Request) -> Page:
        self.cookies.add_cookie_header(request)
        try:
            answer = cast("HTTPResponse", self._opener.open(request, timeout=self._timeout))
        except HTTPError as error:
            answer = cast("HTTPResponse", error)
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            raise Stuck(f"{request.full_url} does not answer: {reason}") from error
        with answer:
            self.cookies.extract_cookies(answer, request)
            text = answer.read(_LIMIT).decode("utf-8", "replace")
            return _page(request.full_url, answer.status, answer.headers, text)


def _page(url: str, status: int, headers: Message, text: str) -> Page:
    target = headers.get("Location") if status in _REDIRECTS else None
    location = urljoin(url, target) if target is not None else None
    return Page(url=url, status=status, headers=headers, text=text, location=location)


def _form_of(page: Page) -> Form:
    forms = page.forms()
    if page.status >= 400 and (not forms or page.status not in {401, 403, 429}):
        raise Stuck(f"{_place(page)} answers {page.status}: {_words(page)}")
    if not forms:
        raise Stuck(f"{_place(page)} has no form to fill: {_words(page)}")
    return forms[0]


def _place(page: Page) -> str:
    shown = page.url.split("?", 1)[0]
    title = page.title()
    return f"the page {title!r} at {shown}" if title else f"the page at {shown}"


def _words(page: Page) -> str:
    reader = _Forms()
    reader.feed(page.text)
    return " ".join(" ".join(reader.words).split())[:300]


def _http(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise Stuck(f"{url[:100]} is no web address")
    return url


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


class _BrowserPolicy(DefaultCookiePolicy):
    """`Secure` means https or loopback; `__Host-` cookies must be host-only, on `/`."""

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        if cookie.secure and not _secure(request):
            return False
        if cookie.name.startswith("__Host-"):
            sound = cookie.secure and cookie.path == "/" and not cookie.domain_specified
            return sound and super().set_ok(cookie, request)
        return super().set_ok(cookie, request)

    def return_ok_secure(self, cookie: Cookie, request: Request) -> bool:
        return not cookie.secure or _secure(request)


def _secure(request: Request) -> bool:
    parts = urlsplit(request.full_url)
    return parts.scheme == "https" or is_loopback(parts.hostname)


class _Forms(HTMLParser):
    """Collects forms, the title and the words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.words: list[str] = []
        self._forms: list[tuple[str, str, list[tuple[str, str]], list[str]]] = []
        self._inside: list[str] = []
        self._in_form = False

    def forms(self) -> tuple[Form, ...]:
        return tuple(
            Form(action=action, method=method, given=tuple(given), open=tuple(blank))
            for action, method, given, blank in self._forms
        )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = named.get("method", "get").lower()
            self._forms.append((named.get("action", ""), method, [], []))
            self._in_form = True
        elif tag in {"input", "button"} and self._in_form and named.get("name"):
            self._field(tag, named)
        elif tag in {"title", "style", "script"}:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._in_form = False
        elif tag in self._inside:
            self._inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.title += data if self._inside == ["title"] else ""
        else:
            self.words.append(data)

    def _field(self, tag: str, named: Mapping[str, str]) -> None:
        kind = named.get("type", "submit" if tag == "button" else "text").lower()
        _, _, given, blank = self._forms[-1]
        checked = kind in {"checkbox", "radio"} and "checked" in named
        if kind == "hidden" or checked:
            given.append((named["name"], named.get("value", "on" if checked else "")))
        elif named["name"] not in blank:
            blank.append(named["name"])
