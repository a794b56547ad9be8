"""The link in a call's error that leads a person to connect an account (security decision 21).

It names a route and, by a keyed hash, the person: nothing secret, nothing personal, no way in
(rule 128). Only that person's browser may go on (rule 127).
"""

import hmac
from typing import Final
from urllib.parse import urlencode

from ostiary.config.document import OAuth2Auth, Route
from ostiary.crypto.seal import SealRing
from ostiary_proxy.identity import Person
from ostiary_proxy.refused import Refused
from ostiary_proxy.upstream.context import Context

__all__ = ["PATH", "link", "opened"]

PATH: Final = "/account/connect"


def link(seal: SealRing, route: Route, person: Person) -> str:
    """Return the address of the page at which `person` connects the account behind `route`."""
    query = urlencode({"route": route.server_key, "for": _hashes(seal, route, person)[0]})
    return f"{route.issuer}{PATH}?{query}"


def opened(context: Context, issuer: str, query: list[tuple[str, str]], *, person: Person) -> Route:
    """Return the route of a link that `person`, logged in at `issuer`, opened there.

    Raises Refused: FlowEnded for a link that leads nowhere, OtherPerson for somebody else's.
    """
    values = dict(query)
    if len(values) != len(query):
        raise Refused("FlowEnded", detail="a parameter stands twice")
    route = _connectable(context, issuer, values.get("route", ""))
    given = values.get("for", "").encode()
    known = [item.encode() for item in _hashes(context.rings.seal, route, person)]
    if not any(hmac.compare_digest(given, item) for item in known):
        raise Refused("OtherPerson", detail="the link was made for another person")
    return route


def _connectable(context: Context, issuer: str, key: str) -> Route:
    for route in context.config.routes:
        for server in route.servers if route.issuer == issuer else ():
            if server.server_key == key and isinstance(server.auth, OAuth2Auth):
                return server
    raise Refused("FlowEnded", detail="no route with an account of that name")


def _hashes(seal: SealRing, route: Route, person: Person) -> tuple[str, ...]:
    return seal.keyed_hashes(
        "connect link", f"{person.issuer}\0{person.subject}\0{route.server_key}"
    )
