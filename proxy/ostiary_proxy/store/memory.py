"""The store in memory: for tests and for gateways that may forget everything at a restart."""

from collections.abc import Sequence
from typing import Final

from ostiary_proxy.store.port import Clock, Row, StoreUnavailable, Take
from ostiary_proxy.store.terms import Full, Lease, admit, check_key, lease, next_version

__all__ = ["MemoryStore"]

_SWEEP_EVERY: Final = 1024


class MemoryStore:
    """A Store in dictionaries; no method awaits anything, so each is atomic on its loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[str, dict[str, Row]] = {}
        self._arrivals: dict[str, int] = {}
        self._leases: dict[str, Lease] = {}
        self._writes = 0
        self._closed = False

    async def get(self, table: str, key: str) -> Row | None:
        return self._live(table, key)

    async def put(
        self,
        table: str,
        key: str,
        value: bytes,
        *,
        expires: float | None,
        version: int | None = None,
    ) -> int:
        written = next_version(self._live(table, key), version)
        self._rows.setdefault(table, {})[key] = Row(
            key=key, value=bytes(value), version=written, expires=expires
        )
        self._sweep()
        return written

    async def take(self, table: str, key: str) -> Row | None:
        row = self._live(table, key)
        self._rows.get(table, {}).pop(key, None)
        return row

    async def delete(self, table: str, key: str) -> bool:
        return await self.take(table, key) is not None

    async def scan(self, table: str, prefix: str, *, limit: int, after: str = "") -> Sequence[Row]:
        self._check()
        there = self._rows.get(table, {})
        keys = sorted(key for key in there if key.startswith(prefix) and key > after)
        rows = (self._live(table, key) for key in keys)
        return [row for row in rows if row is not None][: max(0, limit)]

    async def charge(self, takes: Sequence[Take], now: float) -> tuple[int, float] | None:
        self._check()
        for take in takes:
            check_key(take.key)
        outcome = admit(takes, self._arrivals, now)
        self._arrivals |= outcome.arrivals
        self._sweep()
        return (outcome.index, outcome.seconds) if isinstance(outcome, Full) else None

    async def acquire(self, name: str, holder: str, seconds: float) -> bool:
        self._check()
        there = self._leases.get(check_key(name))
        held, self._leases[name] = lease(there, holder, seconds, self._clock())
        return held

    async def release(self, name: str, holder: str) -> None:
        self._check()
        there = self._leases.get(name)
        if there is not None and there.holder == holder:
            del self._leases[name]

    async def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _live(self, table: str, key: str) -> Row | None:
        self._check()
        row = self._rows.get(table, {}).get(check_key(key))
        ended = row is not None and row.expires is not None and row.expires <= self._clock()
        return None if ended else row

    def _sweep(self) -> None:
        """Forget what has ended, now and then, so that the cost of a write stays constant."""
        self._writes += 1
        if self._writes % _SWEEP_EVERY:
            return
        now = self._clock()
        for table, rows in self._rows.items():
            live = {k: r for k, r in rows.items() if r.expires is None or r.expires > now}
            self._rows[table] = live
        self._arrivals = {k: at for k, at in self._arrivals.items() if at > now * 1e9}
        self._leases = {name: held for name, held in self._leases.items() if held.until > now}
