"""The grants desk of the admin port: list what people gave to clients, and take it back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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

__all__ = ["GrantsDesk"]

_REASON = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantsDesk:
    """Works on the runtime in force; `changed` wakes open streams after a revocation."""

    current: Callable[[], Runtime | None]
    changed: Callable[[], None]

    async def list(self, asked: Mapping[str, str]) -> list[Json]:
        """Return the living grants that match `user` (e-mail or subject), `client` and `route`."""
        rows = await listed(self._context())
        return [_shown(row) for row in rows if row.revoked is None and _matches(row, asked)]

    async def revoke(self, asked: Mapping[str, str]) -> int:
        """Revoke by `gid`, or everything of a `user` or `client`; return how many grants ended.

        A user's and a client's tokens issued until now are cut off too, whatever grant they hang
        on.
        """
        context = self._context()
        rows = [row for row in await listed(context) if row.revoked is None]
        if gid := asked.get("gid"):
            ended = int(await revoke_grant(context, gid, reason=_REASON))
        elif user := asked.get("user"):
            people = {(r.person.issuer, r.person.subject) for r in rows if _is_user(r, user)}
            ended = sum([await revoke_person(context, *who, reason=_REASON) for who in people])
        elif client := asked.get("client"):
            clients = {(r.issuer, r.client_id) for r in rows if r.client_id == client}
            ended = sum([await revoke_client(context, *which, reason=_REASON) for which in clients])
        else:
            raise Refused("InvalidParams", message="name one of gid, user or client")
        self.changed()
        return ended

    def _context(self) -> Context:
        runtime = self.current()
        if runtime is None:
            raise Refused("StoreUnavailable", message="no configuration is loaded yet")
        return runtime.oauth


def _matches(row: GrantRow, asked: Mapping[str, str]) -> bool:
    user, client, route = (asked.get(name) for name in ("user", "client", "route"))
    return (
        (not user or _is_user(row, user))
        and (not client or client in (row.client_id, row.client_name))
        and (not route or route == row.route)
    )


def _is_user(row: GrantRow, user: str) -> bool:
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
