"""The one place that sees an identity and an upstream credential together."""

from ostiary.config.document import HeaderAuth, InternalTokenAuth, OAuth2Auth, Route
from ostiary_proxy.audit.record import AuditUnavailable
from ostiary_proxy.identity import Person, Presented
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.upstream.accounts import Account, Accounts, Place
from ostiary_proxy.upstream.calls import UpstreamCall, mint
from ostiary_proxy.upstream.context import Context
from ostiary_proxy.upstream.link import link
from ostiary_proxy.upstream.refresh import Need, NotConnected, ProviderAway, Refresher
from ostiary_proxy.wire import Headers

__all__ = ["UpstreamCredentials"]


class UpstreamCredentials:
    """Implements the pipeline's Credentials for every kind of `upstreamAuth`."""

    __slots__ = ("_accounts", "_context", "_refresher")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._accounts = Accounts(context.store, context.rings.seal, context.entropy)
        self._refresher = Refresher(context, self._accounts)

    async def connected(self, route: Route, presented: Presented) -> str:
        """Return a name of the account where it is there and `presented` covers it; else refuse.

        Another account, or the same one connected again or refreshed, has another name. What is
        said to several servers needs no account: those that lack theirs are left out.
        """
        if route.backends is None:
            return await self._in_use(route, presented)
        names = [await self._if_in_use(server, presented) for server in route.servers]
        return " ".join(names)

    async def _if_in_use(self, server: Route, presented: Presented) -> str:
        try:
            return await self._in_use(server, presented)
        except Refused as refused:
            if refused.code != "AccountNotConnected":
                raise
            return ""

    async def _in_use(self, route: Route, presented: Presented) -> str:
        if not isinstance(route.auth, OAuth2Auth):
            return ""
        _consented(route, presented)
        place = self._place(route, route.auth, presented.grant.person)
        try:
            account = (await self._accounts.read(place)).account
        except StoreUnavailable:
            raise Refused("StoreUnavailable") from None
        if account is None or account.dead:
            raise self._not_connected(route, presented.grant.person)
        return self._context.rings.seal.keyed_hash("account in use", account.access.reveal())

    async def attach(self, call: UpstreamCall) -> Headers:
        """Return the headers that authenticate `call` upstream; raises Refused."""
        auth = call.route.auth
        if isinstance(auth, InternalTokenAuth):
            return (("authorization", f"Bearer {self._mint(call, auth)}"),)
        if isinstance(auth, HeaderAuth):
            value = self._context.credential(auth.value).reveal()
            return ((auth.name.lower(), auth.prefix + value),)
        if isinstance(auth, OAuth2Auth):
            _consented(call.route, call.presented)
            account = await self._account(call, auth, after=None)
            return (("authorization", f"Bearer {account.access.reveal()}"),)
        return ()

    async def rejected(self, call: UpstreamCall) -> bool:
        """Upstream answered 401: refresh once where that may help; say whether to try again."""
        if not isinstance(call.route.auth, OAuth2Auth):
            return False
        try:
            await self._account(call, call.route.auth, after=call.now)
        except Refused as refused:
            if refused.code in {"StoreUnavailable", "AuditUnavailable"}:
                raise
            return False
        return True

    def _mint(self, call: UpstreamCall, auth: InternalTokenAuth) -> str:
        context = self._context
        return mint(
            call,
            auth,
            gateway=context.config.gateway,
            rings=context.rings,
            entropy=context.entropy,
        )

    async def _account(
        self, call: UpstreamCall, auth: OAuth2Auth, *, after: float | None
    ) -> Account:
        person = call.presented.grant.person
        place = self._place(call.route, auth, person)
        need = Need(route=call.route, auth=auth, person=person, place=place, after=after)
        try:
            return await self._refresher.fresh(need)
        except NotConnected:
            raise self._not_connected(call.route, person) from None
        except ProviderAway:
            raise Refused(
                "UpstreamUnavailable",
                message="the service that renews your account's access can't be reached; try later",
                detail=f"no refresh from {auth.issuer}",
            ) from None
        except StoreUnavailable:
            raise Refused("StoreUnavailable") from None
        except AuditUnavailable:
            raise Refused("AuditUnavailable") from None

    def _place(self, route: Route, auth: OAuth2Auth, person: Person) -> Place:
        return Place.of(self._context.config.gateway, route, auth, person)

    def _not_connected(self, route: Route, person: Person) -> Refused:
        url = link(self._context.rings.seal, route, person)
        return Refused(
            "AccountNotConnected",
            message=f"connect your account at {route.display_name} first: open {url}",
            data={"url": url},
        )


def _consented(route: Route, presented: Presented) -> None:
    """Refuse a client whose consent does not cover the account, though another's may (rule 130)."""
    consented = presented.grant.upstream_scopes
    if consented is None or not set(route.upstream_scopes or ()) <= set(consented):
        raise Refused(
            "AccountNotConnected",
            message="log in again: using your account at this route needs your consent",
            detail="the grant does not cover the upstream scopes",
        )
