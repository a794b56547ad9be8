"""Browsers: their two cookies, their logins as rows, and the proof that a form is our own.

Both cookies are opaque and random, `__Host-` and HttpOnly. `browser` is there before login and
binds flows to one browser; `login` is new after each login. Rows hold keyed hashes only.
"""

import hmac
import re
from dataclasses import dataclass
from typing import Final

from ostiary_proxy.identity import Person
from ostiary_proxy.oauth import grants
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.form import Parameters
from ostiary_proxy.oauth.kept import Kept, KeptPerson, find, save
from ostiary_proxy.oauth.resource import Site
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Headers, Incoming

__all__ = [
    "Browser",
    "Login",
    "browser_of",
    "check_form",
    "end_login",
    "form_proof",
    "login_of",
    "start_login",
]

BROWSER: Final = "__Host-ostiary-browser"
LOGIN: Final = "__Host-ostiary-login"
TABLE: Final = "login"
LIFE: Final = 8 * 3600.0
"""Seconds after which a person logs in again."""
_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class LoginRow(Kept):
    """Who is logged in at one of our issuers, and since when."""

    issuer: str
    person: KeptPerson
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """`hash` binds a flow to this browser; `headers` set the cookie where it was not there yet."""

    hash: str
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A live login: the person, and the keyed hash of the cookie, which stands for the browser."""

    person: Person
    hash: str


def browser_of(context: Context, request: Incoming) -> Browser:
    """Return the browser that sent `request`, with a new cookie where it has none."""
    value = _cookie(request, BROWSER)
    if value is not None:
        return Browser(hash=context.steady("browser", value), headers=())
    value = context.random()
    return Browser(hash=context.steady("browser", value), headers=(_set(BROWSER, value),))


async def login_of(context: Context, site: Site, request: Incoming) -> Login | None:
    """Return the login behind the cookie, unless it ended or the person was cut off since."""
    value = _cookie(request, LOGIN)
    if value is None:
        return None
    row = await find(context.store, TABLE, context.hashes(TABLE, value), LoginRow)
    if row is None or row.issuer != site.issuer:
        return None
    person = row.person.person()
    cut = await grants.cut_off(context, person, site.issuer, "")
    return None if cut >= row.created else Login(person=person, hash=_bound(context, value))


async def start_login(
    context: Context, site: Site, request: Incoming, person: Person
) -> tuple[Login, Headers]:
    """Log `person` in under a new id, and end the login that this browser had before."""
    await end_login(context, request)
    value, now = context.random(), context.clock()
    row = LoginRow(issuer=site.issuer, person=KeptPerson.of(person), created=now)
    key = context.hashed(TABLE, value)
    await save(context.store, TABLE, key, row, expires=now + LIFE, version=0)
    return Login(person=person, hash=_bound(context, value)), (_set(LOGIN, value),)


async def end_login(context: Context, request: Incoming) -> Headers:
    """Forget the login of this browser; return the header that takes the cookie away."""
    value = _cookie(request, LOGIN)
    for key in () if value is None else context.hashes(TABLE, value):
        await context.store.delete(TABLE, key)
    return ((_set(LOGIN, "")[0], f"{_set(LOGIN, '')[1]}; Max-Age=0"),)


def form_proof(context: Context, login: Login, purpose: str) -> str:
    """Return the CSRF token of one form: good for this login and this purpose only."""
    return context.hashed("form", f"{login.hash}\0{purpose}")


def check_form(
    context: Context,
    request: Incoming,
    form: Parameters,
    *,
    issuer: str,
    login: Login,
    purpose: str,
) -> None:
    """Raise Refused(FormRefused) unless our own page sent this form for this login and purpose."""
    origin = request.header("origin")
    same = request.header("sec-fetch-site") == "same-origin" if origin is None else False
    if not same and origin != issuer:
        raise Refused("FormRefused", detail="another origin")
    sent = form.get("proof", "").encode()
    proofs = context.hashes("form", f"{login.hash}\0{purpose}")
    if not any(hmac.compare_digest(sent, proof.encode()) for proof in proofs):
        raise Refused("FormRefused", detail="wrong proof")


def _bound(context: Context, value: str) -> str:
    return context.steady("login browser", value)


def _cookie(request: Incoming, name: str) -> str | None:
    """Return a cookie of ours; one that is there twice or looks strange is none."""
    pairs = [
        pair.strip().partition("=")
        for header, value in request.headers
        if header == "cookie"
        for pair in value.split(";")
    ]
    values = [value for found, _, value in pairs if found == name]
    return values[0] if len(values) == 1 and _VALUE.fullmatch(values[0]) else None


def _set(name: str, value: str) -> tuple[str, str]:
    return "set-cookie", f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"
