"""The sessions of several servers in one: text that the client holds sealed in its session id.

No Store is read to find a server's session. A server that was away, or lost its session, gets a new
one; only that one stands in the Store, sealed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ostiary.crypto.seal import SealBroken
from ostiary.decode.json_text import write_json
from ostiary.decode.strict_json import Json, read_json
from ostiary_proxy.mcp.message import Object
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.session import MAX_AGE, Session
from ostiary_proxy.store.port import Row

__all__ = [
    "LATER", "LONGEST", "Later", "Opened", "declared", "forgotten", "joined_text", "kept", "later",
    "remember", "session_at",
]  # fmt: skip

LATER: Final = "mcp-later"
LONGEST: Final = 256
"""Characters of one server's session id: eight of them have to fit into one header."""
_DECLARED: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session at one server: the version that it chose and the id that it gave, if any."""

    version: str
    upstream: str | None


def joined_text(params: Object, opened: Mapping[str, Opened]) -> str:
    """Return the text for `Session.upstream`; `params` are those of the client's initialize."""
    servers = {name: [one.version, one.upstream] for name, one in opened.items()}
    return write_json([_short(params), servers]).decode()


def _short(params: Object) -> Object:
    """Return of initialize what a server needs that is greeted later, short and in ASCII."""
    capabilities = params.get("capabilities")
    text = write_json(capabilities).decode()
    fits = len(text) <= _DECLARED and text.isascii() and text.isprintable()
    known: Json = capabilities if fits else {}
    return {"protocolVersion": params.get("protocolVersion"), "capabilities": known}


def declared(session: Session) -> Object:
    """Return what the client said of itself at initialize."""
    params, _ = _read(session)
    return params


def session_at(session: Session, server: str) -> Session | None:
    """Return the session that `server` had from the start, or None."""
    _, servers = _read(session)
    found = servers.get(server)
    if not isinstance(found, list):
        return None
    version, upstream = found
    text = None if upstream is None else str(upstream)
    return kept(session, server, Opened(version=str(version), upstream=text))


def _read(session: Session) -> tuple[Object, Object]:
    plain = read_json((session.upstream or "").encode())
    assert isinstance(plain, list)  # written by `joined_text`, and sealed since
    params, servers = plain
    assert isinstance(params, dict)
    assert isinstance(servers, dict)
    return params, servers


def kept(session: Session, server: str, opened: Opened) -> Session:
    """Return a session at one server as part of the client's."""
    key = f"{session.key}/{server}"
    return replace(session, upstream=opened.upstream, version=opened.version, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """The session that a server got after the start, if any, and the version of its row."""

    session: Session | None = None
    version: int = 0


async def later(live: Live, session: Session, server: str) -> Later:
    """Return what stands in the Store; raises StoreUnavailable."""
    row = await live.store.get(LATER, f"{session.key}/{server}")
    if row is None:
        return Later()
    return Later(session=_open(live, session, server, row), version=row.version)


async def forgotten(live: Live, session: Session, server: str) -> Session | None:
    """Return the session of `later`, for the last time."""
    key = f"{session.key}/{server}"
    return _open(live, session, server, await live.store.take(LATER, key))


def _open(live: Live, session: Session, server: str, row: Row | None) -> Session | None:
    if row is None:
        return None
    key = f"{session.key}/{server}"
    try:
        plain = read_json(live.seal.open(row.value, aad=_aad(key)))
    except SealBroken:
        return None
    assert isinstance(plain, list)  # written by `remember`
    version, upstream = plain
    text = None if upstream is None else str(upstream)
    return kept(session, server, Opened(version=str(version), upstream=text))


async def remember(live: Live, own: Session, opened: Opened, *, over: Later) -> None:
    """Keep a session `own` in place of `over` as long as the client's may live; raises Conflict."""
    plain = write_json([opened.version, opened.upstream])
    sealed = live.seal.seal(plain, aad=_aad(own.key), entropy=live.entropy)
    expires = own.issued_at + MAX_AGE + 60
    await live.store.put(LATER, own.key, sealed, expires=expires, version=over.version)


def _aad(key: str) -> bytes:
    return f"{LATER}\0{key}".encode()
