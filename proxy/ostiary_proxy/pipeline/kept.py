"""Results of servers that may be used again: lists, discovery, resources (rules 38 to 41).

Only where the server says how long for, and for whom: `private` for one grant with one account,
`public` for whoever may use the route. What a resource holds is nobody else's even then: a server
that is wrong about it would show one person another's. Kept is what the server said; each use is
judged, filtered and recorded like an answer of its own.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ostiary.config.document import Route
from ostiary.decode.json_text import canonical_json, write_json
from ostiary_proxy.mcp.eras import META_LOG_LEVEL
from ostiary_proxy.mcp.message import Id, Message, Object, Request
from ostiary_proxy.mcp.methods import MODERN
from ostiary_proxy.mcp.results import CACHEABLE
from ostiary_proxy.outbound.whole import Whole

__all__ = ["Keeping", "Kept", "Recalled"]

_ENTRIES: Final = 4096
_BYTES: Final = 32 * 1024 * 1024
_LARGEST: Final = 1024 * 1024
_LONGEST: Final = 3600.0
"""Seconds that an entry lives at most, whatever its server says: we may not hear of a change."""
_GRACE: Final = 300.0
"""Seconds after its time for which a list stands in for a server that is away."""
_ROUNDS: Final = frozenset(("inputResponses", "requestState"))
_PASSING: Final = frozenset(
    (
        "progressToken", "traceparent", "tracestate", "baggage",
        META_LOG_LEVEL,
    )
)  # fmt: skip
"""Members of `_meta` that no result depends on."""
_ENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "notifications/tools/list_changed": ("tools/list",),
    "notifications/prompts/list_changed": ("prompts/list",),
    "notifications/resources/list_changed": ("resources/list", "resources/templates/list"),
    "notifications/resources/updated": ("resources/read",),
}
"""What a server's notification makes old."""


class Recalled(Whole):
    """An exchange that did not take place: a kept result answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """`generation` counts the changes that were told of: what was asked before one is old.

    `whom` is empty for what anybody may have.
    """

    route: str
    method: str
    params: bytes
    generation: int
    whom: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A result without its `ttlMs`. `route` is what it was asked through: another one asks anew."""

    route: Route
    result: bytes
    since: float
    until: float


class Kept:
    """Keeps results within bounds; the one that was not used for longest goes. Lives as a process.

    Nothing in it leaves the process but, by `tell`, words of what changed: a client that is told of
    a change may ask another replica.
    """

    __slots__ = ("_bytes", "_clock", "_entries", "_generations", "_since", "_tell", "found")

    def __init__(self, clock: Callable[[], float], *, tell: Callable[[str], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._since = 0
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._bytes = 0
        self.found: Counter[str] = Counter()
        self._generations: Counter[tuple[str, str]] = Counter()

    def recall(self, key: _Key, route: Route, *, grace: float = 0.0) -> bytes | None:
        """Return a result as JSON with what is left of its time, up to `grace` seconds after it."""
        now = self._clock()
        entry = self._found(key, route, now, grace)
        if entry is None:
            return None
        left = max(0, int((entry.until - now) * 1000))
        return b'{"ttlMs":%d,' % left + entry.result[1:]  # it has a scope: never empty

    def _found(self, key: _Key, route: Route, now: float, grace: float) -> _Entry | None:
        for one in (key, replace(key, whom=())):
            entry = self._entries.get(one)
            if entry is None or entry.route != route:
                continue
            if entry.since <= now < entry.until + grace:
                self._entries.move_to_end(one)
                return entry
        return None

    def keep(self, key: _Key, route: Route, result: Object) -> None:
        """Keep a result as long and for whom its server says, if it says so.

        What is kept already was recalled just now, or another request was faster.
        """
        ttl, scope, now = result.get("ttlMs"), result.get("cacheScope"), self._clock()
        if not isinstance(ttl, int | float) or isinstance(ttl, bool) or ttl <= 0:
            return
        if scope not in ("public", "private") or result.get("resultType") not in (None, "complete"):
            return
        if self._found(key, route, now, 0.0) is not None:
            return
        plain = write_json({name: value for name, value in result.items() if name != "ttlMs"})
        if len(plain) > _LARGEST:
            return
        lives = min(ttl, _LONGEST * 1000) / 1000  # an integer may be larger than any float
        entry = _Entry(route=route, result=plain, since=now, until=now + lives)
        shared = scope == "public" and key.method != "resources/read"
        self._put(replace(key, whom=()) if shared else key, entry)

    def generation(self, route: str, method: str) -> int:
        """Return how often the server behind `route` told that answers to `method` are old."""
        return self._since + self._generations.setdefault((route, method), 0)

    def told(self, route: str, method: str) -> None:
        """Take note of a server's notification: what it makes old is not used again."""
        for one in _ENDS.get(method, ()):
            self._generations[route, one] += 1
            self._tell(f"{one} {route}")

    def hear(self, word: str) -> None:
        """Take note of what another replica was told; of what was never asked nothing is kept."""
        method, _, route = word.partition(" ")
        if (route, method) in self._generations:
            self._generations[route, method] += 1

    def clear(self) -> None:
        """Use nothing again that was asked for until now: words of changes may have been lost."""
        self._since += 1
        self._entries.clear()
        self._bytes = 0

    def _put(self, key: _Key, entry: _Entry) -> None:
        old = self._entries.pop(key, None)
        self._bytes += len(entry.result) - (len(old.result) if old is not None else 0)
        self._entries[key] = entry
        while len(self._entries) > _ENTRIES or self._bytes > _BYTES:
            _, gone = self._entries.popitem(last=False)
            self._bytes -= len(gone.result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What one exchange may take from what is kept, and add to it; nothing without `key`."""

    kept: Kept
    route: Route
    key: _Key | None = None
    id: Id | None = None

    @classmethod
    def of(
        cls, kept: Kept, route: Route, message: Message, version: str, *, whom: tuple[str, ...]
    ) -> "Keeping":
        """Return it for a message before it is said; `whom` tells one person's answers apart."""
        if version != MODERN or not isinstance(message, Request):
            return cls(kept=kept, route=route)
        method, params = message.method, message.params
        if method not in CACHEABLE or not _ROUNDS.isdisjoint(params):
            return cls(kept=kept, route=route)
        key = _Key(
            route=route.server_key, method=method, params=_digest(params),
            generation=kept.generation(route.key, method), whom=whom,
        )  # fmt: skip
        return cls(kept=kept, route=route, key=key, id=message.id)

    def recalled(self) -> Recalled | None:
        """Return the answer, if it is kept."""
        if self.key is None:
            return None
        recalled = self._recalled(self.key)
        self.kept.found["yes" if recalled is not None else "no"] += 1
        return recalled

    def last(self) -> Recalled | None:
        """Return the last list that the server gave, while it is away for a moment.

        Tools would vanish from clients that happen to ask while it restarts.
        """
        if self.key is None or self.key.method == "resources/read":
            return None
        return self._recalled(self.key, grace=_GRACE)

    def _recalled(self, key: _Key, *, grace: float = 0.0) -> Recalled | None:
        result = self.kept.recall(key, self.route, grace=grace)
        if result is None:
            return None
        body = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (write_json(self.id), result)
        return Recalled(200, {"content-type": "application/json"}, body)

    def keep(self, result: Object) -> None:
        """Keep what the server answered."""
        if self.key is not None:
            self.kept.keep(self.key, self.route, result)

    def told(self, method: str) -> None:
        """Take note of a notification that the server sent with the answer."""
        self.kept.told(self.route.key, method)


def _digest(params: Object) -> bytes:
    """Return a digest of all that a result may depend on."""
    meta = params.get("_meta")
    if isinstance(meta, dict):
        kept = {name: value for name, value in meta.items() if name not in _PASSING}
        params = {**params, "_meta": kept}
    return hashlib.sha256(canonical_json(params)).digest()
