"""The one driver of streams: reads upstream, carries out effects in order, then yields data.

All judging is the relay's; all waiting is here. Nothing is written whose effects failed.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from ostiary_proxy.audit.record import AuditUnavailable
from ostiary_proxy.identity import Presented
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.carry import Post, carry, found
from ostiary_proxy.pipeline.effects import Out
from ostiary_proxy.pipeline.forward import failure_of
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.relay import Relay
from ostiary_proxy.pipeline.trail import outcome
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict, StoreUnavailable
from ostiary_proxy.wire import Address

__all__ = ["Bearer", "RelayStream", "rejudge"]

_RECHECK: Final = 2.0
"""Seconds between two looks at the grant behind an open stream, where nothing wakes it before."""
_COMMENT: Final = 20.0
"""Seconds of silence after which a keep-alive comment is sent (pitfall 17)."""
_SILENCE: Final = 300.0
"""Seconds that upstream may be silent in the answer to a call."""
_LONGEST: Final = 3600.0
"""Seconds that the answer to a call may take in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who opened a stream and how: enough to judge it again.

    `listening` streams end with their token (decision 19).
    """

    issued: str
    presented: Presented
    origin: str
    path: str
    source: Address
    listening: bool

    def __repr__(self) -> str:
        return f"Bearer(gid={self.presented.grant.gid!r})"


async def rejudge(live: Live, bearer: Bearer, now: float) -> Judge | None:
    """Return the judge of today's policy and identity, or None where route or grant are gone.

    A call in flight may outlive its token, never its grant.
    """
    route = live.route_at(bearer.origin, bearer.path)
    if route is None or route.route.suspended or route.route.closed is not None:
        return None
    try:
        if now < bearer.presented.expires:
            grant = (await live.authority.present(bearer.issued, route.route, now)).grant
        else:
            grant = await live.authority.living(bearer.presented.grant.gid, now)
    except Refused:
        return None
    return Judge.of(route, grant, bearer.source)


class RelayStream:
    """A stream that an edge iterates over (`answer.Stream`); cancelling a wait loses nothing."""

    def __init__(
        self,
        *,
        live: Live,
        exchange: Exchange,
        relay: Relay,
        judge: Judge,
        bearer: Bearer,
        decision: str,
        post: Post,
        lingers: bool,
    ) -> None:
        self._live = live
        self._exchange = exchange
        self._relay = relay
        self._bearer = bearer
        self._decision = decision
        self._post = post
        self._lingers = lingers
        self._chunks = exchange.chunks()
        self._reading: asyncio.Future[bytes | None] | None = None
        self._woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outs: deque[Out] = deque()
        self._over = False
        self._finished = False
        self._edge = judge.next_edge(live.clock())
        # Spans are counted by a clock that never jumps, moments by the one on the wall.
        self._tick = asyncio.get_running_loop().time
        self._began = self._checked = self._heard = self._wrote = self._tick()
        live.streams.opened(self)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece whose effects have happened."""
        while True:
            while self._outs:
                out = self._outs.popleft()
                if out.before or out.lookup is not None:
                    ready = await asyncio.shield(self._ready(out))
                    if ready is None:
                        break
                    out = ready
                self._over = self._over or out.last
                if out.data:
                    self._wrote = self._tick()
                    return out.data
            if self._over:
                await self._finish(self._relay.word)
                raise StopAsyncIteration
            self._outs.extend(await self._next())

    def wake(self) -> None:
        """Judge again soon."""
        if not self._woken.done():
            self._woken.set_result(None)

    async def abandon(self) -> None:
        """Take note that the client went away (rules 28 and 29)."""
        if self._finished:
            return
        if self._lingers and not self._over:
            self._live.streams.adopt(self._drain())
        else:
            await self._finish("cancelled")

    # -- waiting ------------------------------------------------------------------------------

    async def _next(self) -> list[Out]:
        """Wait for upstream, a wake or the next moment that matters; return what follows."""
        if self._live.streams.leaving and self._bearer.listening:
            return list(self._relay.leave())
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())
        await asyncio.wait(
            (self._reading, self._woken), timeout=self._delay(), return_when=asyncio.FIRST_COMPLETED
        )
        now = self._live.clock()
        if self._woken.done() or self._tick() >= self._checked + _RECHECK or self._passed(now):
            outs = await self._judge_again(now)
            if outs:
                return outs
        if self._bearer.listening and now >= self._bearer.presented.expires:
            return list(self._relay.leave())
        if not self._bearer.listening and self._tick() >= self._began + _LONGEST:
            return list(self._relay.fail(Refused("UpstreamTimeout", detail="the whole answer")))
        if self._reading.done():
            return self._take(self._reading, now)
        return self._idle()

    def _delay(self) -> float:
        """Return the seconds until something is due; a jump of the clock is seen at a recheck."""
        tick, now = self._tick(), self._live.clock()
        spans = [self._checked + _RECHECK - tick, self._wrote + _COMMENT - tick]
        if self._edge is not None:
            spans.append(self._edge - now)
        if self._bearer.listening:
            spans.append(self._bearer.presented.expires - now)
        return max(0.0, min(spans))

    def _passed(self, now: float) -> bool:
        return self._edge is not None and now >= self._edge

    async def _read(self) -> bytes | None:
        return await anext(self._chunks, None)

    def _take(self, reading: "asyncio.Future[bytes | None]", now: float) -> list[Out]:
        self._reading = None
        self._heard = self._tick()
        try:
            chunk = reading.result()
        except OutboundFailed as failed:
            return [*self._relay.close(failure_of(failed)), Out(last=True)]
        except Refused as refused:  # of what stands behind, where that is more than one server
            return [*self._relay.close(refused), Out(last=True)]
        if chunk is None:
            return [*self._relay.close(), Out(last=True)]
        return list(self._relay.feed(chunk, now))

    def _idle(self) -> list[Out]:
        tick = self._tick()
        if not self._bearer.listening and tick >= self._heard + _SILENCE:
            return list(self._relay.fail(Refused("UpstreamTimeout", detail="silent")))
        return [Out(data=b": keep-alive\n\n")] if tick >= self._wrote + _COMMENT else []

    async def _judge_again(self, now: float) -> list[Out]:
        if self._woken.done():
            self._woken = asyncio.get_running_loop().create_future()
        self._checked = self._tick()
        try:
            judge = await rejudge(self._live.newest(), self._bearer, now)
        except StoreUnavailable:
            judge = None
        self._edge = judge.next_edge(now) if judge is not None else None
        return list(self._relay.update(judge, now))

    # -- doing --------------------------------------------------------------------------------

    async def _ready(self, out: Out) -> Out | None:
        """Return what goes out once all before has happened; where that fails the stream is cut."""
        try:
            out = await found(out, self._live.store)
            for effect in out.before:
                await carry(effect, self._live, self._post)
        except (AuditUnavailable, StoreUnavailable, Conflict, OutboundFailed, Refused):
            self._relay.fail(Refused("Internal"), word="cut")
            self._outs.clear()
            self._over = True
            return None
        return out

    async def _drain(self) -> None:
        """Let a call finish whose client is gone; what it says goes nowhere."""
        async for _ in self:
            pass

    async def _finish(self, word: str) -> None:
        if self._finished:
            return
        self._finished = True
        self._live.streams.closed(self)
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,), timeout=1)
        await self._exchange.close()
        record = outcome(self._decision, self._live.clock(), word, self._relay.facts())
        # Nothing is left to stop: a restart closes the record as unknown (decision 16).
        with contextlib.suppress(AuditUnavailable):
            await self._live.audit.write(record)
