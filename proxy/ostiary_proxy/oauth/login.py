"""Login: to the identity provider, back to the gateway, and over to the route's own host.

The provider knows one callback, at `publicUrl`. The person found there is handed to the route's
origin by a one-time code, good only in the browser that left from there (security decision 2).
"""

from typing import Final
from urllib.parse import urlsplit

from ostiary.crypto.seal import SealBroken
from ostiary_proxy.audit.record import Kind
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth import browser
from ostiary_proxy.oauth.answers import see_other, with_query
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.kept import Kept, KeptPerson
from ostiary_proxy.oauth.provider import LoginProvider
from ostiary_proxy.oauth.resource import Site
from ostiary_proxy.oauth.trail import note
from ostiary_proxy.outbound.relying_party import Flight
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Row
from ostiary_proxy.wire import Incoming, Reply

__all__ = ["arrive", "callback_url", "land", "leave"]

_FLIGHTS: Final = "login-flight"
_HANDOFFS: Final = "login-handoff"
_AWAY: Final = 600.0
"""Seconds that a person may take at the identity provider."""
_HANDOFF: Final = 60.0


class FlightRow(Kept):
    """A login under way; stored sealed, because the flight holds state, nonce and verifier."""

    flight: str
    issuer: str
    browser: str
    back: str


class HandoffRow(Kept):
    """A person who came back, on the way to the issuer they left from."""

    issuer: str
    browser: str
    back: str
    person: KeptPerson


def callback_url(context: Context) -> str:
    """Return the one redirect URI that is registered at the identity provider."""
    return context.config.gateway.public_url.rstrip("/") + "/login/callback"


def callback_path(context: Context) -> str:
    """Return the raw path of the callback."""
    return urlsplit(callback_url(context)).path


async def leave(
    context: Context, provider: LoginProvider, site: Site, request: Incoming, *, back: str
) -> Reply:
    """Send the browser to the identity provider; it returns to the path `back` of `site`."""
    url, flight = await provider.depart(callback_url(context))
    here = browser.browser_of(context, request)
    row = FlightRow(flight=flight.to_json(), issuer=site.issuer, browser=here.hash, back=back)
    key = context.hashed(_FLIGHTS, flight.state)
    aad = f"{_FLIGHTS} {key}".encode()
    sealed = context.rings.seal.seal(row.to_bytes(), aad=aad, entropy=context.entropy)
    await context.store.put(_FLIGHTS, key, sealed, expires=context.clock() + _AWAY, version=0)
    return see_other(url, here.headers)


async def land(context: Context, provider: LoginProvider, request: Incoming) -> Reply:
    """Answer the provider's callback: who it is, and on to the issuer they left from."""
    query = request.parameters()
    states = [value for name, value in query if name == "state"]
    row = await _flight(context, states[0]) if len(states) == 1 else None
    if row is None:
        raise Refused("FlowEnded", detail="unknown login state")
    person = await provider.person(Flight.from_json(row.flight), query, str(request.source))
    code = context.random()
    handoff = HandoffRow(
        issuer=row.issuer, browser=row.browser, back=row.back, person=KeptPerson.of(person)
    )
    await context.store.put(
        _HANDOFFS,
        context.hashed(_HANDOFFS, code),
        handoff.to_bytes(),
        expires=context.clock() + _HANDOFF,
        version=0,
    )
    return see_other(with_query(f"{row.issuer}/login/return", {"code": code}))


async def _flight(context: Context, state: str) -> FlightRow | None:
    for key in context.hashes(_FLIGHTS, state):
        row = await context.store.take(_FLIGHTS, key)
        if row is not None:
            return _unsealed(context, row)
    return None


def _unsealed(context: Context, row: Row) -> FlightRow | None:
    try:
        plain = context.rings.seal.open(row.value, aad=f"{_FLIGHTS} {row.key}".encode())
    except SealBroken:
        return None
    return FlightRow.model_validate_json(plain)


async def arrive(context: Context, site: Site, request: Incoming) -> Reply:
    """Answer `/login/return` on the issuer: log the person in, in the browser that left."""
    codes = [value for name, value in request.parameters() if name == "code"]
    row = await _handoff(context, codes[0]) if len(codes) == 1 else None
    here = browser.browser_of(context, request)
    if row is None or (row.issuer, row.browser) != (site.issuer, here.hash):
        raise Refused("FlowEnded", detail="hand-off unknown or of another browser")
    person = row.person.person()
    await _note_login(context, site, request, person)
    _, headers = await browser.start_login(context, site, request, person)
    return see_other(f"{site.issuer}{row.back}", headers)


async def _handoff(context: Context, code: str) -> HandoffRow | None:
    for key in context.hashes(_HANDOFFS, code):
        row = await context.store.take(_HANDOFFS, key)
        if row is not None:
            return HandoffRow.of_row(row)
    return None


async def _note_login(context: Context, site: Site, request: Incoming, person: Person) -> None:
    facts = {"issuer": site.issuer, "identity_issuer": person.issuer}
    await note(context, Kind.LOGIN, "logged-in", facts, person=person, source=request.source)
