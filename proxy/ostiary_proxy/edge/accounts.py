"""The accounts desk of the admin port: people's accounts at services, listed and taken back.

The vault doesn't say whose its rows are. Who may have one is known from the grants, ended ones
too, and from the subject that is named.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from ostiary.config.document import OAuth2Auth, Route
from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import AuditUnavailable
from ostiary_proxy.edge.grants import is_user
from ostiary_proxy.identity import Person
from ostiary_proxy.oauth.grants import listed
from ostiary_proxy.refused import Refused
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.upstream.accounts import Account

__all__ = ["AccountsDesk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsDesk:
    """Works on the runtime in force."""

    current: Callable[[], Runtime | None]

    async def list(self, asked: Mapping[str, str]) -> Json:
        """Return the accounts of `user` (e-mail or subject), and only that behind `route`."""
        runtime = self._runtime()
        found: list[Json] = []
        async for person in _people(runtime, asked):
            for route in _routes(runtime, asked):
                account = await runtime.connector.account(route, person)
                if account is not None:
                    found.append(_shown(person, route, account))
        return {"accounts": found}

    async def revoke(self, asked: Mapping[str, str]) -> int:
        """Forget those accounts and have the services revoke them; return how many there were."""
        runtime = self._runtime()
        ended = 0
        async for person in _people(runtime, asked):
            for route in _routes(runtime, asked):
                try:
                    ended += await runtime.connector.disconnect(route, person)
                except AuditUnavailable as error:
                    raise Refused("AuditUnavailable", detail=str(error)) from error
        return ended

    def _runtime(self) -> Runtime:
        runtime = self.current()
        if runtime is None:
            raise Refused("StoreUnavailable", message="no configuration is loaded yet")
        return runtime


async def _people(runtime: Runtime, asked: Mapping[str, str]) -> AsyncIterator[Person]:
    """Iterate over those who are called `user`, each once."""
    user = asked.get("user")
    if not user:
        raise Refused("InvalidParams", message="name a user")
    met: set[tuple[str, str]] = set()
    provider = runtime.oauth.config.gateway.identity_provider
    if provider is not None:
        met.add((provider.issuer, user))
        yield Person(issuer=provider.issuer, subject=user)
    async for row in listed(runtime.oauth):
        who = (row.person.issuer, row.person.subject)
        if is_user(row, user) and who not in met:
            met.add(who)
            yield row.person.person()


def _routes(runtime: Runtime, asked: Mapping[str, str]) -> tuple[Route, ...]:
    wanted = asked.get("route")
    servers = [server for route in runtime.oauth.config.routes for server in route.servers]
    return tuple(one for one in servers if not wanted or wanted in {one.key, one.server_key})


def _shown(person: Person, route: Route, account: Account) -> Json:
    assert isinstance(route.auth, OAuth2Auth)  # others have no accounts
    return {
        "user": person.email or person.subject,
        "subject": person.subject,
        "route": route.server_key,
        "service": route.auth.issuer,
        "scopes": list(account.granted),
        "connected": account.obtained,
        "dead": account.dead,
    }
