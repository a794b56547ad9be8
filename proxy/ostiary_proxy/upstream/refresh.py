"""Keeping upstream tokens fresh: one refresh at a time for an account, across all replicas.

The lease stands in the Store; who doesn't get it waits, bounded, and reads what the winner wrote.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from ostiary.config.document import OAuth2Auth, Route
from ostiary.decode.strict_json import Json
from ostiary_proxy.identity import Person
from ostiary_proxy.outbound.relying_party import FlowFailed, refresh, revoke
from ostiary_proxy.store.port import Conflict
from ostiary_proxy.upstream.accounts import Account, Accounts, Held, Place
from ostiary_proxy.upstream.context import Context

__all__ = ["Need", "NotConnected", "ProviderAway", "Refresher"]

_LEASE: Final = 30.0
_WAIT: Final = 12.0
_POLL: Final = 0.05
_PAUSE: Final = 5.0
_EARLY: Final = 60.0
_DEAD: Final = frozenset({"invalid_grant", "bad_refresh_token"})
"""Errors that end an account; the second is what GitHub says."""


class NotConnected(Exception):  # noqa: N818 - a statement
    """There is no account, or the service no longer takes it."""


class ProviderAway(Exception):  # noqa: N818 - a statement
    """The token has ended and the authorization server gives no new one now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Whose account is needed; `after`: upstream refused every token obtained before then."""

    route: Route
    auth: OAuth2Auth
    person: Person
    place: Place
    after: float | None = None


class Refresher:
    """Gives accounts whose token is good for a call."""

    def __init__(self, context: Context, accounts: Accounts) -> None:
        self._context = context
        self._accounts = accounts
        self._flights: dict[tuple[Place, bool], asyncio.Task[Account]] = {}
        self._paused: dict[Place, float] = {}

    async def fresh(self, need: Need) -> Account:
        """Return the account of `need` with a token that upstream should take.

        Raises NotConnected, ProviderAway, StoreUnavailable, AuditUnavailable.
        """
        held = await self._accounts.read(need.place)
        account = _living(held)
        if self._is_fresh(account, need) and not held.outdated:
            return account
        if self._paused.get(need.place, 0) > self._context.clock():
            return self._as_it_is(account, need)
        return await self._shared(need)

    async def _shared(self, need: Need) -> Account:
        """Join the flight of this process or start it; a caller that goes away doesn't end it."""
        key = (need.place, need.after is not None)
        task = self._flights.get(key)
        if task is None:
            task = asyncio.create_task(self._fly(need))
            self._flights[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def _landed(self, key: tuple[Place, bool], task: asyncio.Task[Account]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled():
            task.exception()  # taken note of even where every caller has gone

    async def _fly(self, need: Need) -> Account:
        lease = self._context.rings.seal.steady_hash("account lease", need.place.name)
        holder = self._context.entropy(16).hex()
        deadline = asyncio.get_running_loop().time() + _WAIT
        while not await self._context.store.acquire(lease, holder, _LEASE):
            account = _living(await self._accounts.read(need.place))
            if self._is_fresh(account, need):
                return account
            if asyncio.get_running_loop().time() > deadline:
                return self._as_it_is(account, need)
            await asyncio.sleep(_POLL)
        try:
            return await self._refreshed(need)
        finally:
            await self._context.store.release(lease, holder)

    async def _refreshed(self, need: Need) -> Account:
        """Refresh under the lease, unless somebody did while we waited for it."""
        held = await self._accounts.read(need.place)
        account = _living(held)
        if self._is_fresh(account, need):
            if held.outdated:
                with suppress(Conflict):  # what somebody wrote meanwhile is under the newest key
                    await self._accounts.write(need.place, account, held)
            return account
        if account.refresh is None:
            return await self._without_refresh(need, held, account)
        provider = replace(self._context.provider(need.auth), scopes=account.granted)
        try:
            answer = await refresh(provider, account.refresh, self._context.http)
        except FlowFailed as failed:
            if failed.error in _DEAD:
                await self._end(need, held, account, failed.error or "")
                raise NotConnected from failed
            self._pause(need.place)
            return self._as_it_is(account, need)
        return await self._kept(need, held, account.renewed(answer, now=self._context.clock()))

    async def _kept(self, need: Need, held: Held, account: Account) -> Account:
        """Store before anything else can fail: a rotated token that is lost ends the account."""
        self._paused.pop(need.place, None)
        try:
            await self._accounts.write(need.place, account, held)
        except Conflict:
            return await self._overtaken(need, account)
        await self._note("account-refreshed", need, {"scopes": list(account.granted)})
        return account

    async def _overtaken(self, need: Need, account: Account) -> Account:
        """Somebody disconnected or connected anew meanwhile; what they did counts."""
        if account.refresh is not None:
            provider = self._context.provider(need.auth)
            with suppress(FlowFailed):  # it ends by itself then: nobody holds it any more
                await revoke(provider, account.refresh, self._context.http, hint="refresh_token")
        return _living(await self._accounts.read(need.place))

    async def _without_refresh(self, need: Need, held: Held, account: Account) -> Account:
        """Use a token that can't be refreshed until it ends, or upstream refuses it."""
        if need.after is None and not self._is_over(account):
            return account
        await self._end(need, held, account, "no refresh token")
        raise NotConnected

    async def _end(self, need: Need, held: Held, account: Account, reason: str) -> None:
        try:
            await self._accounts.write(need.place, account.ended(), held)
        except Conflict:
            return  # a newer account stands there
        await self._note("account-ended", need, {"reason": reason})

    async def _note(self, event: str, need: Need, facts: Mapping[str, Json]) -> None:
        known = {"upstream_issuer": need.auth.issuer, "our_client_id": need.auth.client_id}
        await self._context.note(event, need.route, need.person, {**known, **facts})

    def _pause(self, place: Place) -> None:
        """Don't let every call wait for a server that is away."""
        now = self._context.clock()
        self._paused = {key: end for key, end in self._paused.items() if end > now}
        self._paused[place] = now + _PAUSE

    def _as_it_is(self, account: Account, need: Need) -> Account:
        if need.after is not None or self._is_over(account):
            raise ProviderAway
        return account

    def _is_fresh(self, account: Account, need: Need) -> bool:
        if need.after is not None and account.obtained <= need.after:
            return False
        if account.expires is None:
            return True
        early = min(_EARLY, (account.expires - account.obtained) / 5)
        return self._context.clock() < account.expires - early

    def _is_over(self, account: Account) -> bool:
        return account.expires is not None and self._context.clock() >= account.expires


def _living(held: Held) -> Account:
    if held.account is None or held.account.dead:
        raise NotConnected
    return held.account
