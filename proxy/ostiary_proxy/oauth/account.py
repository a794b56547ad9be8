"""The person's own pages on an issuer: grants, logging out, connecting an account upstream."""

from typing import Final

from ostiary_proxy.audit.record import Kind
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth import browser, grants, login, pages
from ostiary_proxy.oauth.answers import see_other
from ostiary_proxy.oauth.browser import Login
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.form import Parameters, read_form
from ostiary_proxy.oauth.grants import GrantRow
from ostiary_proxy.oauth.ports import Connecting
from ostiary_proxy.oauth.provider import LoginProvider
from ostiary_proxy.oauth.resource import Site
from ostiary_proxy.oauth.trail import note
from ostiary_proxy.refused import Refused
from ostiary_proxy.wire import Incoming, Reply

__all__ = ["Accounts"]

_PAGE: Final = "account"


class Accounts:
    """Serves `/account` and below, and `/login/end`."""

    def __init__(self, context: Context, provider: LoginProvider, connecting: Connecting) -> None:
        self._context = context
        self._provider = provider
        self._connecting = connecting

    async def show(self, site: Site, request: Incoming) -> Reply:
        """Answer `GET /account`: who is logged in, and what they gave to which client."""
        known = await browser.login_of(self._context, site, request)
        if known is None:
            return await self._log_in(site, request, "/account")
        rows = await self._living(site, known.person)
        proof = browser.form_proof(self._context, known, _PAGE)
        return pages.account(known.person, rows, site, proof)

    async def revoke(self, site: Site, request: Incoming) -> Reply:
        """Answer `POST /account/revoke`: end one grant of one's own."""
        form = await read_form(request)
        known = await browser.login_of(self._context, site, request)
        if known is None:
            raise Refused("FlowEnded", detail="revoke without login")
        self._check(site, request, form, known)
        gid = form.required("grant")
        if gid not in {row.gid for row in await self._living(site, known.person)}:
            raise Refused("OtherPerson", detail="not a grant of this person")
        await grants.revoke_grant(self._context, gid, reason="revoked-by-person")
        return see_other(f"{site.issuer}/account")

    async def log_out(self, site: Site, request: Incoming) -> Reply:
        """Answer `POST /login/end`."""
        form = await read_form(request)
        known = await browser.login_of(self._context, site, request)
        if known is None:
            return pages.done("Logged out", "You are logged out here.")
        self._check(site, request, form, known)
        await self._note_logout(site, known.person, request)
        headers = await browser.end_login(self._context, request)
        return pages.done("Logged out", "You are logged out here.", headers=headers)

    async def connect(self, site: Site, request: Incoming) -> Reply:
        """Answer `GET /account/connect`: the link that a call's error names.

        Only the person it was made for may go on (rule 127).
        """
        known = await browser.login_of(self._context, site, request)
        if known is None:
            return await self._log_in(site, request, f"/account/connect?{request.query}")
        query = request.parameters()
        route = self._connecting.opened(site.issuer, query, person=known.person)
        if not await self._connecting.needed(route, known.person):
            return self.connected()
        url = await self._connecting.start(
            route, known.person, browser=known.hash, back="/account/connected"
        )
        return see_other(url)

    async def callback(self, site: Site, request: Incoming) -> Reply:
        """Answer `GET /account/callback`: the third party sends the browser back."""
        known = await browser.login_of(self._context, site, request)
        if known is None:
            raise Refused("FlowEnded", detail="account callback without login")
        back = await self._connecting.finish(
            site.issuer,
            request.parameters(),
            person=known.person,
            browser=known.hash,
            now=self._context.clock(),
        )
        return see_other(f"{site.issuer}{back}")

    def connected(self) -> Reply:
        """Answer `GET /account/connected`."""
        text = "Your account is connected. Go back to your MCP client and try again."
        return pages.done("Connected", text)

    async def _living(self, site: Site, person: Person) -> list[GrantRow]:
        now = self._context.clock()
        rows = await grants.of_person(self._context, person.issuer, person.subject)
        return [
            row
            for row in rows
            if row.issuer == site.issuer and row.revoked is None and row.expires > now
        ]

    async def _log_in(self, site: Site, request: Incoming, back: str) -> Reply:
        return await login.leave(self._context, self._provider, site, request, back=back)

    def _check(self, site: Site, request: Incoming, form: Parameters, known: Login) -> None:
        browser.check_form(
            self._context, request, form, issuer=site.issuer, login=known, purpose=_PAGE
        )

    async def _note_logout(self, site: Site, person: Person, request: Incoming) -> None:
        facts = {"issuer": site.issuer}
        await note(
            self._context, Kind.LOGIN, "logged-out", facts, person=person, source=request.source
        )
