"""What a bridged session asked to be remembered: a log level, subscriptions, its one GET stream.

A row in the Store from the first such request on; most sessions have none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import read_json
from ostiary_proxy.pipeline.allowance import Room
from ostiary_proxy.pipeline.session import MAX_AGE, Session
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict, Row, Store

__all__ = ["REMEMBERED", "Remembered", "change", "look_up"]

REMEMBERED: Final = "mcp-bridged"
_TRIES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """`listener` is the decision id of the GET stream that is told what the server tells."""

    level: str | None = None
    uris: tuple[str, ...] = ()
    listener: str = ""
    ended: bool = False


async def look_up(store: Store, session: Session) -> Remembered:
    """Return what is remembered for `session`; raises StoreUnavailable."""
    return _read(await store.get(REMEMBERED, session.key))


async def change(
    store: Store, session: Session, how: Callable[[Remembered], Remembered], *, room: Room
) -> Remembered:
    """Change what is remembered, whoever else changes it now, where there is `room` for more.

    Raises StoreUnavailable and Refused("TooMuchKept").
    """
    for _ in range(_TRIES):
        row = await store.get(REMEMBERED, session.key)
        before = _read(row)
        after = how(before)
        if after == before:
            return after
        value = write_json([after.level, after.uris, after.listener, after.ended])
        grown = len(value) - (len(row.value) if row is not None else 0)
        if grown > 0:
            room(grown, MAX_AGE)
        expires, version = session.issued_at + MAX_AGE + 60, row.version if row else 0
        try:
            await store.put(REMEMBERED, session.key, value, expires=expires, version=version)
        except Conflict:
            continue
        return after
    raise Refused("StoreUnavailable", detail="a session is changed by too many at once")


def _read(row: Row | None) -> Remembered:
    if row is None:
        return Remembered()
    plain = read_json(row.value)
    assert isinstance(plain, list)  # written by `change`
    level, uris, listener, ended = plain
    assert isinstance(uris, list)
    return Remembered(
        level=None if level is None else str(level),
        uris=tuple(map(str, uris)),
        listener=str(listener),
        ended=ended is True,
    )
