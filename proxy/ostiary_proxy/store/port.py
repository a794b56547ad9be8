"""The Store protocol: versioned rows with an end, taken once where they must be, charged buckets.

One row is one aggregate (a grant, a client, an account, a code), so that compare-and-set on one row
is all the transaction that anybody needs, in memory, SQLite and Redis alike.
Rows whose end has passed are never returned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Clock", "Conflict", "Row", "Store", "StoreUnavailable", "Take"]

Clock = Callable[[], float]
"""Returns the time now in epoch seconds; it may step back."""


class StoreUnavailable(Exception):  # noqa: N818 - a statement
    """The store can't be read or written now; callers answer 503, never allow."""


class Conflict(Exception):  # noqa: N818 - a statement
    """Somebody else wrote the row first: read it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stored value; `version` counts its writes from 1; `expires` is epoch seconds or None."""

    key: str
    value: bytes
    version: int
    expires: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One unit out of a bucket of `requests` per `per` seconds."""

    key: str
    requests: int
    per: float


class Store(Protocol):
    """Tables are short names; keys are 1 to 512 characters of valid Unicode, else ValueError.

    Every method raises StoreUnavailable.
    """

    async def get(self, table: str, key: str) -> Row | None:
        """Return the row, or None."""

    async def put(
        self,
        table: str,
        key: str,
        value: bytes,
        *,
        expires: float | None,
        version: int | None = None,
    ) -> int:
        """Write the row and return its new version.

        `version` is the one that was read (0: the row must not exist); another one there raises
        Conflict; None writes whatever is there. After a row was deleted or has ended, versions
        count from 1 anew.
        """

    async def take(self, table: str, key: str) -> Row | None:
        """Return the row and delete it, atomically: at most one caller ever gets it."""

    async def delete(self, table: str, key: str) -> bool:
        """Delete the row; say whether it was there."""

    async def scan(self, table: str, prefix: str, *, limit: int, after: str = "") -> Sequence[Row]:
        """Return up to `limit` rows whose keys start with `prefix` and come after `after`, by key.

        Keys are in the order of their code points.
        """

    async def charge(self, takes: Sequence[Take], now: float) -> tuple[int, float] | None:
        """Take one unit from every bucket, or from none.

        Returns None where all were taken, else the index of the first full bucket and the seconds
        until it has room.
        """

    async def acquire(self, name: str, holder: str, seconds: float) -> bool:
        """Take (or prolong) the lease `name` for `holder`; False while somebody else holds it."""

    async def release(self, name: str, holder: str) -> None:
        """Give the lease back where `holder` has it."""

    async def close(self) -> None:
        """Let go of files and connections; nothing that was acknowledged is lost."""
