"""The store in Redis or Valkey, shared by all replicas of a gateway.

Every key begins with `ostiary:{namespace/name}:`; the braces keep a gateway's keys in one slot of a
cluster. A row is a hash of value, version and end. Beside the rows stand, as sorted sets, the keys
of each table and the ends of all rows. Rows carry no expiry of Redis' own: the clock that ends them
is ours, and a put deletes a few that have ended for a while, with all that points to them.
"""

from collections.abc import Sequence
from typing import Any, Final

from ostiary_proxy.store.port import Clock, Conflict, Row, Take
from ostiary_proxy.store.redis_scripts import ACQUIRE, CHARGE, GET, PUT, RELEASE, SCAN, TAKE
from ostiary_proxy.store.redis_server import RedisServer
from ostiary_proxy.store.terms import SWEEP_GRACE, check_key, depth_of, nanoseconds

__all__ = ["RedisStore"]

_PAGE: Final = 500
"""Rows that one script reads, so that a long list blocks nobody for long."""
_OUTLIVES: Final = int(SWEEP_GRACE * 1000)
_BILLION: Final = 1_000_000_000


class RedisStore:
    """A Store on `server` for `gateway` (its `namespace/name`).

    Whatever goes wrong is StoreUnavailable; the next call tries again with a fresh connection.
    """

    def __init__(self, server: RedisServer, gateway: str, clock: Clock) -> None:
        self._server = server
        self._prefix = f"ostiary:{{{gateway}}}:"
        self._clock = clock

    async def get(self, table: str, key: str) -> Row | None:
        check_key(key)
        keys = [self._name("row", table, key)]
        return self._live(await self._server.run(GET, keys=keys, read=lambda it: _row(key, it)))

    async def put(
        self,
        table: str,
        key: str,
        value: bytes,
        *,
        expires: float | None,
        version: int | None = None,
    ) -> int:
        check_key(key)
        ends = "" if expires is None else repr(float(expires))
        values = [repr(self._clock()), bytes(value), ends, "" if version is None else version]
        wrote, there = await self._server.run(
            PUT,
            keys=self._row_and_indices(table, key),
            values=[*values, key.encode(), table, self._prefix, SWEEP_GRACE],
            read=_pair,
        )
        if not wrote:
            raise Conflict(f"version {version} was read, version {there} is there")
        return there

    async def take(self, table: str, key: str) -> Row | None:
        check_key(key)
        keys, values = self._row_and_indices(table, key), [key.encode(), table]
        return self._live(
            await self._server.run(TAKE, keys=keys, values=values, read=lambda it: _row(key, it))
        )

    async def delete(self, table: str, key: str) -> bool:
        return await self.take(table, key) is not None

    async def scan(self, table: str, prefix: str, *, limit: int, after: str = "") -> Sequence[Row]:
        rows: list[Row] = []
        first = b"(" + after.encode() if after >= prefix else b"[" + prefix.encode()
        last = b"[" + prefix.encode() + b"\xff"  # beyond all UTF-8
        while (count := min(_PAGE, limit - len(rows))) > 0:
            page = await self._server.run(
                SCAN,
                keys=[self._name("keys", table)],
                values=[first, last, count, self._name("row", table, "")],
                read=_page,
            )
            rows += [row for _, found in page if (row := self._live(found)) is not None]
            if len(page) < count:
                break
            first = b"(" + page[-1][0]
        return rows

    async def charge(self, takes: Sequence[Take], now: float) -> tuple[int, float] | None:
        keys = list(dict.fromkeys(check_key(take.key) for take in takes))
        if not keys:
            return None
        values = [*divmod(nanoseconds(now), _BILLION), _OUTLIVES]
        for take in takes:
            values += [keys.index(take.key) + 1, *depth_of(take)]
        full = await self._server.run(
            CHARGE,
            keys=[self._name("bucket", key) for key in keys],
            values=values,
            read=lambda it: None if it is None else _pair(it),
        )
        return None if full is None else (full[0], full[1] / _BILLION)

    async def acquire(self, name: str, holder: str, seconds: float) -> bool:
        now = self._clock()
        return await self._server.run(
            ACQUIRE,
            keys=[self._name("lease", check_key(name))],
            values=[holder, repr(now), repr(now + seconds), repr(float(seconds)), _OUTLIVES],
            read=lambda it: int(it) == 1,
        )

    async def release(self, name: str, holder: str) -> None:
        keys = [self._name("lease", check_key(name))]
        await self._server.run(RELEASE, keys=keys, values=[holder], read=int)

    async def close(self) -> None:
        await self._server.close()

    def _name(self, *parts: str) -> bytes:
        return (self._prefix + ":".join(parts)).encode()

    def _row_and_indices(self, table: str, key: str) -> Sequence[bytes]:
        return (self._name("row", table, key), self._name("keys", table), self._name("ends"))

    def _live(self, row: Row | None) -> Row | None:
        ended = row is not None and row.expires is not None and row.expires <= self._clock()
        return None if ended else row


def _row(key: str, found: Any) -> Row | None:
    """Return the row in value, version and end; None where there is none."""
    value, version, ends = _list(found)
    if value is None or version is None:
        return None
    if not isinstance(value, bytes):
        raise TypeError("a value is bytes")
    return Row(key=key, value=value, version=int(version), expires=float(ends) if ends else None)


def _page(found: Any) -> Sequence[tuple[bytes, Row | None]]:
    pairs = ((key, row) for key, *row in map(_list, _list(found)))
    return [(key, _row(str(key, "utf-8"), row)) for key, row in pairs]


def _pair(found: Any) -> tuple[int, int]:
    first, second = _list(found)
    return int(first), int(second)


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):  # text could be unpacked too
        raise TypeError("an array is needed")
    return found
