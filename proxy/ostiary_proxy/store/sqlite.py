"""The store in one SQLite file: WAL, one writer thread, one reader thread, nothing to install.

Rows are on disk when a call returns (synchronous=FULL, one fdatasync for all that waited together).
Limits and leases are handed to the kernel (NORMAL): they survive a killed process, and a power cut
may forget the last of them, which costs a few calls too many, never a grant or a revocation.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from ostiary_proxy.store.lane import Act, Lane
from ostiary_proxy.store.port import Clock, Row, Take
from ostiary_proxy.store.terms import (
    SWEEP_GRACE,
    Full,
    Lease,
    admit,
    check_key,
    lease,
    next_version,
)

__all__ = ["SqliteStore"]

T = TypeVar("T")

_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (
    tab TEXT NOT NULL, key TEXT NOT NULL,
    value BLOB NOT NULL, version INTEGER NOT NULL, expires REAL,
    PRIMARY KEY (tab, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS rows_by_end ON rows (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS buckets (key TEXT PRIMARY KEY, arrival INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL, seconds REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""
_BUSY: Final = 2.0
"""Seconds to wait for another process (a backup) that has the file locked."""
_SWEEP_EVERY: Final = 256
_SWEEP_ROWS: Final = 512
_LAST: Final = 0x10FFFF


class SqliteStore:
    """A Store in the file `path`, which is created with mode 0600; one process per file.

    Whatever SQLite refuses (disk full, locked, read-only, damaged) is StoreUnavailable; the next
    call tries again with a fresh connection.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._writes = 0
        one_at_a_time = Lock()  # switching a new file to WAL does not wait for another that does

        def connect() -> sqlite3.Connection:
            with one_at_a_time:
                return _connect(path)

        self._writer = Lane(connect, name="store-writer", begin="BEGIN IMMEDIATE", syncs=True)
        self._reader = Lane(connect, name="store-reader", begin="BEGIN", syncs=False)

    async def get(self, table: str, key: str) -> Row | None:
        check_key(key)
        return await self._reader.run(lambda db: _live(db, table, key, self._clock()))

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

        def act(db: sqlite3.Connection) -> int:
            written = next_version(_live(db, table, key, self._clock()), version)
            row = (table, key, bytes(value), written, expires)
            db.execute("REPLACE INTO rows VALUES (?, ?, ?, ?, ?)", row)
            return written

        return await self._write(act, durable=True)

    async def take(self, table: str, key: str) -> Row | None:
        check_key(key)

        def act(db: sqlite3.Connection) -> Row | None:
            row = _live(db, table, key, self._clock())
            db.execute("DELETE FROM rows WHERE tab = ? AND key = ?", (table, key))
            return row

        return await self._write(act, durable=True)

    async def delete(self, table: str, key: str) -> bool:
        return await self.take(table, key) is not None

    async def scan(self, table: str, prefix: str, *, limit: int, after: str = "") -> Sequence[Row]:
        return await self._reader.run(
            lambda db: _scan(db, table, prefix, after, limit=max(0, limit), now=self._clock())
        )

    async def charge(self, takes: Sequence[Take], now: float) -> tuple[int, float] | None:
        keys = {check_key(take.key) for take in takes}

        def act(db: sqlite3.Connection) -> tuple[int, float] | None:
            outcome = admit(takes, _arrivals(db, keys), now)
            db.executemany("REPLACE INTO buckets VALUES (?, ?)", list(outcome.arrivals.items()))
            return (outcome.index, outcome.seconds) if isinstance(outcome, Full) else None

        return await self._write(act) if takes else None

    async def acquire(self, name: str, holder: str, seconds: float) -> bool:
        check_key(name)

        def act(db: sqlite3.Connection) -> bool:
            found = db.execute(
                "SELECT holder, until, seconds FROM leases WHERE name = ?", (name,)
            ).fetchone()
            held, now = lease(Lease(*found) if found else None, holder, seconds, self._clock())
            row = (name, now.holder, now.until, now.seconds)
            db.execute("REPLACE INTO leases VALUES (?, ?, ?, ?)", row)
            return held

        return await self._write(act)

    async def release(self, name: str, holder: str) -> None:
        check_key(name)
        statement = "DELETE FROM leases WHERE name = ? AND holder = ?"

        def act(db: sqlite3.Connection) -> None:
            db.execute(statement, (name, holder))

        await self._write(act)

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()

    async def _write(self, act: Act[T], *, durable: bool = False) -> T:
        self._writes += 1
        if self._writes % _SWEEP_EVERY == 0:
            act = _then_sweep(act, self._clock())
        return await self._writer.run(act, durable=durable)


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file, readable by nobody else; SQLite gives its WAL the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA trusted_schema=OFF")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > _SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"the file has schema {found}; a newer Ostiary wrote it")
    if found < _SCHEMA_VERSION:
        connection.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_SCHEMA_VERSION}; COMMIT"
        )


def _live(db: sqlite3.Connection, table: str, key: str, now: float) -> Row | None:
    found = db.execute(
        "SELECT value, version, expires FROM rows"
        " WHERE tab = ? AND key = ? AND (expires IS NULL OR expires > ?)",
        (table, key, now),
    ).fetchone()
    return found and Row(key=key, value=found[0], version=found[1], expires=found[2])


def _scan(
    db: sqlite3.Connection, table: str, prefix: str, after: str, *, limit: int, now: float
) -> Sequence[Row]:
    lower = ">" if after >= prefix else ">="  # one bound, so that a page begins by a search
    found = db.execute(
        "SELECT key, value, version, expires FROM rows"  # noqa: S608 - an operator of ours
        f" WHERE tab = ? AND key {lower} ? AND (? IS NULL OR key < ?)"
        " AND (expires IS NULL OR expires > ?) ORDER BY key LIMIT ?",
        (table, max(prefix, after), end := _beyond(prefix), end, now, limit),
    )
    return [Row(key=k, value=v, version=n, expires=e) for k, v, n, e in found]


def _beyond(prefix: str) -> str | None:
    """Return the first string beyond all that start with `prefix`, None where there is no end."""
    bare = prefix.rstrip(chr(_LAST))
    if not bare:
        return None
    following = ord(bare[-1]) + 1
    return bare[:-1] + chr(0xE000 if following == 0xD800 else following)  # surrogates: no text


def _arrivals(db: sqlite3.Connection, keys: set[str]) -> dict[str, int]:
    marks = ",".join("?" * len(keys))
    return dict(
        db.execute(f"SELECT key, arrival FROM buckets WHERE key IN ({marks})", tuple(keys))  # noqa: S608 - question marks only
    )


def _then_sweep(act: Act[T], now: float) -> Callable[[sqlite3.Connection], T]:
    """Let `act` carry a bounded sweep of what ended a while ago, in its transaction."""

    def both(db: sqlite3.Connection) -> T:
        result = act(db)
        db.execute(
            "DELETE FROM rows WHERE (tab, key) IN"
            " (SELECT tab, key FROM rows WHERE expires <= ? LIMIT ?)",
            (now - SWEEP_GRACE, _SWEEP_ROWS),
        )
        ended = int((now - SWEEP_GRACE) * 1e9)
        db.execute(
            "DELETE FROM buckets WHERE key IN (SELECT key FROM buckets WHERE arrival <= ? LIMIT ?)",
            (ended, _SWEEP_ROWS),
        )
        db.execute("DELETE FROM leases WHERE until <= ?", (now - SWEEP_GRACE,))
        return result

    return both
