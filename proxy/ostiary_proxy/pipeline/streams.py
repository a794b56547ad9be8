"""The streams that are open now: a reload or a revocation reaches each of them at once.

One `Streams` lives as long as the process; every `Live` refers to the same one. Two tasks look
after all of them, one at moments, one at grants: no stream has a timer, and a grant is read once
for all streams under it.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

import structlog

from ostiary_proxy.identity import Grant
from ostiary_proxy.pipeline.effects import Out
from ostiary_proxy.refused import Refused

__all__ = ["Heeding", "Judged", "Streams"]

log = structlog.get_logger(__name__)

PER_GRANT: Final = 128
"""Streams that one person may keep open to listen with one client at one route."""
UNSEEN: Final = 128
"""Calls that may go on under one grant although the clients that made them went away."""
IN_ALL: Final = 8192
"""The same of everybody: what the memory of a proxy as we roll it out has room for."""
_LOOK: Final = 0.5
"""Seconds between two looks at what is due."""
_RECHECK: Final = 2.0
"""Seconds between two looks at grants, where nothing wakes streams before."""
_RATE: Final = 500
"""Grants that are looked at in a second; of more than a thousand each has its turn later."""


class Heeding(Protocol):
    """What can be told to judge again."""

    def wake(self) -> None:
        """Judge again soon; never blocks."""


class Judged(Heeding, Protocol):
    """A stream that judges its original request again when told."""

    @property
    def listener(self) -> str:
        """Return the grant id of who listens; empty where a call is answered."""

    @property
    def voice(self) -> str:
        """Return the name that it shares with streams of which one tells; empty: with none."""

    def tell(self, out: Out) -> None:
        """Say something of our own after what is there to be said; never blocks."""

    def look(self) -> None:
        """Go on where a moment has come that the stream waits for; never blocks."""

    async def check(self, grants: dict[str, Grant | None]) -> None:
        """Judge again soon if the grant is not what it was; `grants` are those read so far."""


class Streams:
    """Keeps open streams and the calls that finish after their client went away.

    `leaving` says that the process ends: streams that would listen for ever end too.
    """

    __slots__ = (
        "_calls",
        "_checking",
        "_doubted",
        "_heeding",
        "_lingering",
        "_listeners",
        "_looking",
        "_named",
        "_open",
        "_voices",
        "leaving",
    )  # fmt: skip

    def __init__(self) -> None:
        self.leaving = False
        self._open: set[Judged] = set()
        self._heeding: list[Heeding] = []
        self._listeners: Counter[str] = Counter()
        self._lingering: Counter[str] = Counter()
        self._voices: dict[str, dict[Judged, None]] = {}
        self._named: set[str] = set()
        self._calls: set[asyncio.Task[Any]] = set()
        self._doubted = asyncio.Event()
        self._looking: asyncio.Future[None] | None = None
        self._checking: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, gid: str) -> None:
        """Raise Refused("TooManyStreams") where no more streams may listen."""
        if self._listeners[gid] >= PER_GRANT:
            raise Refused("TooManyStreams", detail=f"{PER_GRANT} of this grant")
        if self._listeners.total() >= IN_ALL:
            raise Refused("TooManyStreams", detail=f"{IN_ALL} in all")

    def opened(self, stream: Judged) -> None:
        """Remember `stream` until `closed`, and look after it."""
        self._open.add(stream)
        if stream.listener:
            self._listeners[stream.listener] += 1
        if stream.voice:
            self._voices.setdefault(stream.voice, {})[stream] = None
        # Each ends for itself: one that ended must not wait for the other to begin again.
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
        if self._checking is None or self._checking.done():
            self._checking = asyncio.ensure_future(self._check())

    def closed(self, stream: Judged) -> None:
        """Forget `stream`."""
        self._open.discard(stream)
        if stream.listener:
            _less(self._listeners, stream.listener)
        if stream.voice:
            same = self._voices.get(stream.voice, {})
            same.pop(stream, None)
            if not same:
                self._voices.pop(stream.voice, None)

    def tells(self, stream: Judged) -> bool:
        """Say whether `stream` is the one of its name that tells: the oldest (rule 34)."""
        return next(iter(self._voices.get(stream.voice, ())), None) is stream

    def hears(self, voice: str) -> bool:
        """Say whether a stream of that name is open here."""
        return voice in self._voices

    def tell(self, voice: str, out: Out) -> None:
        """Have the stream of that name that tells say something of our own, if one is open."""
        stream = next(iter(self._voices.get(voice, ())), None)
        if stream is not None:
            stream.tell(out)

    def heed(self, other: Heeding) -> None:
        """Let `other`, which is no stream, judge itself again too, as long as the process lives."""
        self._heeding.append(other)

    def doubt(self) -> None:
        """Look at every grant now: one of them was revoked, and its streams alone are concerned."""
        self._doubted.set()
        for other in self._heeding:
            other.wake()

    def wake(self) -> None:
        """Let every open stream judge itself again: the configuration changed."""
        for stream in (*self._open, *self._heeding):
            stream.wake()

    def leave(self) -> None:
        """Let listening streams end, so that their clients come back to another replica."""
        self.leaving = True
        self.wake()

    async def _look(self) -> None:
        while self._open:
            await asyncio.sleep(_LOOK)
            for stream in tuple(self._open):
                stream.look()

    async def _check(self) -> None:
        pause = _RECHECK
        while self._open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._doubted.wait(), pause)
            self._doubted.clear()
            grants: dict[str, Grant | None] = {}
            for stream in tuple(self._open):
                await _checked(stream, grants)
            pause = max(_RECHECK, len(grants) / _RATE)

    def adopt(self, call: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> asyncio.Task[Any]:
        """Let `call` run to its end although nobody waits for it."""
        task = asyncio.ensure_future(call)
        self._calls.add(task)
        task.add_done_callback(self._done)
        return task

    def linger(
        self,
        gid: str,
        call: Callable[[], Coroutine[Any, Any, Any]],
        *,
        holding: AbstractContextManager[None],
    ) -> bool:
        """Let `call` run like `adopt` does; say whether it does, for not too many of a grant do.

        It keeps what `holding` does to its end: its connections.
        """
        if self._lingering[gid] >= UNSEEN:
            return False
        self._lingering[gid] += 1
        held = contextlib.ExitStack()
        held.callback(_less, self._lingering, gid)
        held.enter_context(holding)
        self.adopt(call()).add_done_callback(lambda _: held.close())
        return True

    def adopt_once(self, name: str, call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Let `call` run like `adopt` does, unless one of that name still runs."""
        if name in self._named:
            return
        self._named.add(name)
        self.adopt(call()).add_done_callback(lambda _: self._named.discard(name))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved: what went wrong stands in the call's own outcome record

    async def settle(self, seconds: float) -> None:
        """Wait up to `seconds` for adopted calls, then cancel the rest: the end of the process."""
        if self._calls:
            _, late = await asyncio.wait(tuple(self._calls), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _less(counted: Counter[str], name: str) -> None:
    counted[name] -= 1
    if not counted[name]:
        del counted[name]


async def _checked(stream: Judged, grants: dict[str, Grant | None]) -> None:
    """Look at one stream's grant; whatever is wrong with one, the others are looked at too."""
    try:
        await stream.check(grants)
    except Exception:
        log.exception("a stream's grant could not be looked at")
        stream.wake()
