"""Session ids for clients: sealed values, bound to person, client, route, grant (decision 9).

And, where a server named the session, to that server: its name is nothing to another.
Nothing is stored while a session lives. The Store holds ended sessions until their seal is too old
anyway.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from ostiary.config.document import Route
from ostiary.crypto.seal import Entropy, SealRing
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, read_json
from ostiary.policy.facts import Subject
from ostiary_proxy.identity import Grant
from ostiary_proxy.mcp.message import Id
from ostiary_proxy.pipeline.handles import BadHandle, give_handle, open_handle
from ostiary_proxy.pipeline.subjects import read_subject, written_subject
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Store

__all__ = [
    "ENDED", "LONGEST", "MAX_AGE", "PENDING", "Session", "digest_of", "end", "open_session",
    "pending_key", "place_of", "seal_session", "waiting_row", "waiting_subject",
]  # fmt: skip

MAX_AGE: Final = 24 * 3600.0
"""Seconds after which a session id is not taken any more; the client initializes again."""
ENDED: Final = "mcp-ended"
PENDING: Final = "mcp-pending"
_PURPOSE: Final = "mcp-session"
LONGEST: Final = 4096
"""Characters of a session id: it stands in a header."""
_VISITS: Final = "visits"
_SEVERAL: Final = "several"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open session: `upstream` is the upstream's id, if any; `key` names it in the Store.

    `lists` are those of whose changes the client was told that it would hear; `visits` says whether
    it shows people addresses to visit.
    """

    upstream: str | None
    version: str
    issued_at: float
    key: str
    lists: tuple[str, ...] = ()
    visits: bool = False


def seal_session(
    ring: SealRing,
    grant: Grant,
    *,
    upstream: str | None,
    version: str,
    now: float,
    entropy: Entropy,
    place: str = "",
    lists: tuple[str, ...] = (),
    visits: bool = False,
) -> str:
    """Return the id for the client, visible ASCII (rule 31).

    `place` is where `upstream` means something, empty where that is anywhere.
    """
    named: Json = [upstream, place] if upstream is not None and place else upstream
    value: list[Json] = [named, version, *lists, *((_VISITS,) if visits else ())]
    return give_handle(ring, grant, _PURPOSE, value, now=now, entropy=entropy)


def place_of(route: Route) -> str:
    """Return where the route leads; several servers share one place, as they share one id."""
    return _SEVERAL if route.upstream is None else route.upstream.url


async def open_session(
    ring: SealRing, store: Store, grant: Grant, value: str, now: float, *, place: str
) -> Session:
    """Return the session behind `value`; raises Refused("UnknownSession") alike for every defect.

    Another person's, another grant's, another server's, an ended, an unknown and a damaged id look
    the same.
    """
    try:
        handle = open_handle(
            ring, grant, _PURPOSE, value, now=now, max_age=MAX_AGE, longest=LONGEST
        )
    except BadHandle as bad:
        raise Refused("UnknownSession", detail=str(bad)) from None
    if await store.get(ENDED, handle.key) is not None:
        raise Refused("UnknownSession", detail="the session was ended")
    named, version, *more = handle.value
    return Session(
        upstream=_named(named, place),
        version=str(version),
        issued_at=handle.issued_at,
        key=handle.key,
        lists=tuple(str(kind) for kind in more if kind != _VISITS),
        visits=_VISITS in more,
    )


def _named(named: Json, place: str) -> str | None:
    """Return the server's own id; raises Refused where it is another server's."""
    if not isinstance(named, list):
        return None if named is None else str(named)
    upstream, its = named
    if its != place:
        raise Refused("UnknownSession", detail="the route leads to another server now")
    return str(upstream)


async def end(store: Store, session: Session) -> None:
    """Remember that the session ended, as long as its id would be taken otherwise."""
    await store.put(ENDED, session.key, b"", expires=session.issued_at + MAX_AGE + 60)


def pending_key(session: Session, request_id: Id) -> str:
    """Return the Store key under which a server's request waits for its one answer."""
    return f"{session.key}:{digest_of(request_id)}"


def digest_of(request_id: Id) -> str:
    """Return what stands for an id, which is the peer's to choose, of any length."""
    kind = "s" if isinstance(request_id, str) else "i"
    return hashlib.sha256(f"{kind}{request_id}".encode("utf-8", "surrogatepass")).hexdigest()


def waiting_row(subject: Subject) -> bytes:
    """Return the Store value of a server's request, which has no arguments, that waits."""
    return write_json(written_subject(subject)[:3])


def waiting_subject(row: bytes) -> Subject:
    """Return the subject in a value of `waiting_row`."""
    plain = read_json(row)
    assert isinstance(plain, list)  # written by `waiting_row`
    return read_subject([*plain, None])
