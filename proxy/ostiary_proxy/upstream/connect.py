"""Connecting a person's account at the service behind a route, and letting go of it.

The flight is stored after consent, taken once, for ten minutes, and bound to browser, person and
route (rules 127 and 134): a callback that differs in any of them connects nothing.
"""

import hmac
import re
from dataclasses import dataclass
from typing import Final

from ostiary.config.document import OAuth2Auth, Route
from ostiary.crypto.seal import SealBroken
from ostiary.decode.model import Model, validate
from ostiary.decode.strict_json import read_json
from ostiary_proxy.audit.record import AuditUnavailable
from ostiary_proxy.identity import Person
from ostiary_proxy.outbound.relying_party import Flight, FlowFailed, depart, redeem, revoke
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict, StoreUnavailable
from ostiary_proxy.upstream.accounts import Account, Accounts, Place
from ostiary_proxy.upstream.context import Context
from ostiary_proxy.upstream.link import opened

__all__ = ["CALLBACK", "Connector"]

CALLBACK: Final = "/account/callback"
_TABLE: Final = "connect-flight"
_LIFE: Final = 600.0
_PATH: Final = re.compile(r"/(?!/)[\x21-\x5b\x5d-\x7e]*")


class _Stored(Model):
    """A flight as it is sealed: with whom it may come back."""

    flight: str
    route: str
    issuer: str
    subject: str
    browser: str
    back: str
    bound: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Landing:
    """A callback that came back as it left."""

    flight: Flight
    route: Route
    auth: OAuth2Auth
    place: Place
    back: str


class Connector:
    """Implements the authorization server's Connecting."""

    __slots__ = ("_accounts", "_context")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._accounts = Accounts(context.store, context.rings.seal, context.entropy)

    async def needed(self, route: Route, person: Person) -> bool:
        """Say whether `route` needs an account of `person` that is missing, dead or too narrow."""
        return await self._lacking(route, person) is not None

    async def _lacking(self, route: Route, person: Person) -> Route | None:
        """Return the first of the route's servers whose account is not as it is needed."""
        for server in route.servers:
            if isinstance(server.auth, OAuth2Auth) and await self._lacks(server, person):
                return server
        return None

    async def _lacks(self, server: Route, person: Person) -> bool:
        try:
            account = await self.account(server, person)
        except StoreUnavailable:
            raise Refused("StoreUnavailable") from None
        assert isinstance(server.auth, OAuth2Auth)  # others need none
        return account is None or account.dead or not set(server.auth.scopes) <= set(account.asked)

    async def account(self, route: Route, person: Person) -> Account | None:
        """Return the account of `person` at the one server of `route`; raises StoreUnavailable."""
        if not isinstance(route.auth, OAuth2Auth):
            return None
        return (await self._accounts.read(self._place(route, route.auth, person))).account

    def opened(self, issuer: str, query: list[tuple[str, str]], *, person: Person) -> Route:
        """Return the route of the link in a call's error; see `link.opened`."""
        return opened(self._context, issuer, query, person=person)

    async def start(self, route: Route, person: Person, *, browser: str, back: str) -> str:
        """Remember the flight and return the service's authorization URL for the browser.

        `browser` is the keyed hash of the login cookie, `back` a path on the route's issuer. Of
        several servers the first comes that lacks its account. Raises Refused.
        """
        if route.backends is not None:
            route = await self._lacking(route, person) or route
        if not isinstance(route.auth, OAuth2Auth) or not _PATH.fullmatch(back):
            raise Refused("FlowEnded", detail="nothing to connect, or nowhere to go back to")
        try:
            url, flight = depart(
                self._context.provider(route.auth),
                route.issuer + CALLBACK,
                entropy=self._context.entropy,
                nonce=False,
            )
        except FlowFailed as failed:
            raise Refused("RouteClosed", detail=str(failed)) from failed
        stored = _Stored(
            flight=flight.to_json(),
            route=route.server_key,
            issuer=person.issuer,
            subject=person.subject,
            browser=browser,
            back=back,
            bound=self._place(route, route.auth, person).bound(_TABLE, version=0, key="").hex(),
        )
        await self._remember(flight.state, stored)
        return url

    async def finish(
        self, issuer: str, query: list[tuple[str, str]], *, person: Person, browser: str, now: float
    ) -> str:
        """Handle the callback at `<issuer>/account/callback`: store the account, return `back`.

        Raises Refused: FlowEnded, OtherPerson, AccessDenied (the person said no), LoginFailed (an
        answer not to be trusted), UpstreamUnavailable, StoreUnavailable, AuditUnavailable.
        """
        try:
            landing = self._landing(await self._taken(query), issuer, person, browser)
            await self._connect(landing, query, person, now)
        except StoreUnavailable:
            raise Refused("StoreUnavailable") from None
        except AuditUnavailable:
            raise Refused("AuditUnavailable") from None
        return landing.back

    async def disconnect(self, route: Route, person: Person) -> bool:
        """Forget the account and have the service revoke it; say whether there was one.

        Raises StoreUnavailable, AuditUnavailable.
        """
        if not isinstance(route.auth, OAuth2Auth):
            return False
        held = await self._accounts.read(self._place(route, route.auth, person))
        if not await self._accounts.drop(held):
            return False
        revoked = await self._revoked(route.auth, held.account)
        await self._context.note(
            "account-disconnected",
            route,
            person,
            {"upstream_issuer": route.auth.issuer, "revoked_upstream": revoked},
        )
        return True

    async def _revoked(self, auth: OAuth2Auth, account: Account | None) -> bool:
        if account is None or account.dead:
            return False
        token, hint = account.refresh, "refresh_token"
        if token is None:
            token, hint = account.access, "access_token"
        try:
            return await revoke(self._context.provider(auth), token, self._context.http, hint=hint)
        except (FlowFailed, Refused):
            return False

    async def _remember(self, state: str, stored: _Stored) -> None:
        context = self._context
        key = context.rings.seal.keyed_hash("connect state", state)
        sealed = context.rings.seal.seal(
            stored.model_dump_json().encode(), aad=_bound(key), entropy=context.entropy
        )
        try:
            await context.store.put(_TABLE, key, sealed, expires=context.clock() + _LIFE, version=0)
        except StoreUnavailable:
            raise Refused("StoreUnavailable") from None

    async def _taken(self, query: list[tuple[str, str]]) -> _Stored:
        """Take the flight of the one `state` in `query`: whatever comes of it, it has flown."""
        states = [value for name, value in query if name == "state"]
        seal = self._context.rings.seal
        keys = seal.keyed_hashes("connect state", states[0]) if len(states) == 1 else ()
        for key in keys:
            row = await self._context.store.take(_TABLE, key)
            if row is not None:
                try:
                    plain = seal.open(row.value, aad=_bound(key))
                except SealBroken:
                    break
                return validate(_Stored, read_json(plain))
        raise Refused("FlowEnded", detail="no flight of that state")

    def _landing(self, stored: _Stored, issuer: str, person: Person, browser: str) -> _Landing:
        if (stored.issuer, stored.subject) != (person.issuer, person.subject):
            raise Refused("OtherPerson", detail="another person than left came back")
        if not hmac.compare_digest(stored.browser.encode(), browser.encode()):
            raise Refused("FlowEnded", detail="another browser than left came back")
        servers = [server for r in self._context.config.routes for server in r.servers]
        route = next((server for server in servers if server.server_key == stored.route), None)
        if route is None or route.issuer != issuer or not isinstance(route.auth, OAuth2Auth):
            raise Refused("FlowEnded", detail="the route is not what it was")
        place = self._place(route, route.auth, person)
        if place.bound(_TABLE, version=0, key="").hex() != stored.bound:
            raise Refused("FlowEnded", detail="the route leads elsewhere now")
        flight = Flight.from_json(stored.flight)
        return _Landing(flight=flight, route=route, auth=route.auth, place=place, back=stored.back)

    async def _connect(
        self, landing: _Landing, query: list[tuple[str, str]], person: Person, now: float
    ) -> None:
        provider = self._context.provider(landing.auth)
        known = {"upstream_issuer": landing.auth.issuer, "our_client_id": landing.auth.client_id}
        try:
            answer = await redeem(provider, landing.flight, query, self._context.http)
        except FlowFailed as failed:
            facts = {**known, "reason": failed.reason, "error": failed.error}
            await self._context.note("account-refused", landing.route, person, facts)
            raise _refused(failed, landing.route) from failed
        account = Account.of(answer, asked=landing.auth.scopes, now=now)
        await self._context.note(
            "account-connected", landing.route, person, {**known, "scopes": list(account.granted)}
        )
        await self._store(landing.place, account)

    async def _store(self, place: Place, account: Account) -> None:
        """Write over whatever is there: the newest connection counts, also against a refresh."""
        for _ in range(8):
            try:
                await self._accounts.write(place, account, await self._accounts.read(place))
            except Conflict:
                continue
            return
        raise StoreUnavailable

    def _place(self, route: Route, auth: OAuth2Auth, person: Person) -> Place:
        return Place.of(self._context.config.gateway, route, auth, person)


def _bound(key: str) -> bytes:
    return f"{_TABLE}\0{key}".encode()


def _refused(failed: FlowFailed, route: Route) -> Refused:
    service = route.display_name
    if failed.reason == "denied":
        return Refused(
            "AccessDenied",
            message=f"{service} gave no access; nothing was connected",
            detail=str(failed),
        )
    if failed.transient:
        return Refused(
            "UpstreamUnavailable",
            message=f"{service} can't be reached; start again from your MCP client",
            detail=str(failed),
        )
    return Refused(
        "LoginFailed",
        message=f"the answer of {service} could not be trusted; nothing was connected",
        detail=str(failed),
    )
