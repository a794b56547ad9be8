"""The grants desk of the admin port: list what people gave to clients, and take it back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.decode.strict_json import Json
from ostiary_proxy.oauth.context import Context
from ostiary_proxy.oauth.grants import (
    GrantRow,
    listed,
    revoke_client,
    revoke_grant,
    revoke_person,
)
from ostiary_proxy.refused import Refused
from ostiary_proxy.runtime import Runtime

__all__ = ["GrantsDesk", "is_user"]

_REASON: Final = "admin"
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantsDesk:
    """Works on the runtime in force."""

    current: Callable[[], Runtime | None]

    async def list(self, asked: Mapping[str, str]) -> Json:
        """Return a page of living grants that match `user` (e-mail or subject), `client`, `route`.

        `next` is where the following page begins: to be asked for as `after`.
        """
        page: list[Json] = []
        async for row in listed(self._context(), after=asked.get("after", "")):
            if row.revoked is not None or not _matches(row, asked):
                continue
            page.append(_shown(row))
            if len(page) == _PAGE:
                return {"grants": page, "next": row.gid}
        return {"grants": page}

    async def revoke(self, asked: Mapping[str, str]) -> int:
        """Revoke by `gid`, or everything of a `user` or `client`; return how many grants ended.

        A user's and a client's tokens issued until now are cut off too, whatever grant they hang
        on.
        """
        context = self._context()
        if gid := asked.get("gid"):
            ended = int(await revoke_grant(context, gid, reason=_REASON))
        elif user := asked.get("user"):
            people = {
                (row.person.issuer, row.person.subject)
                async for row in listed(context)
                if row.revoked is None and is_user(row, user)
            }
            ended = sum([await revoke_person(context, *who, reason=_REASON) for who in people])
        elif client := asked.get("client"):
            clients = {
                (row.issuer, row.client_id)
                async for row in listed(context)
                if row.revoked is None and row.client_id == client
            }
            ended = sum([await revoke_client(context, *which, reason=_REASON) for which in clients])
        else:
            raise Refused("InvalidParams", message="name one of gid, user or client")
        return ended

    def _context(self) -> Context:
        runtime = self.current()
        if runtime is None:
            raise Refused("StoreUnavailable", message="no configuration is loaded yet")
        return runtime.oauth


def _matches(row: GrantRow, asked: Mapping[str, str]) -> bool:
    user, client, route = (asked.get(name) for name in ("user", "client", "route"))
    return (
        (not user or is_user(row, user))
        and (not client or client in (row.client_id, row.client_name))
        and (not route or route == row.route)
    )


def is_user(row: GrantRow, user: str) -> bool:
    """Say whether the grant's person is called `user`: by e-mail or subject."""
    return user in (row.person.email, row.person.subject)


def _shown(row: GrantRow) -> Json:
    return {
        "gid": row.gid,
        "user": row.person.email or row.person.subject,
        "subject": row.person.subject,
        "client": row.client_id,
        "clientName": row.client_name,
        "route": row.route,
        "resource": row.resource,
        "created": row.created,
        "expires": row.expires,
    }
