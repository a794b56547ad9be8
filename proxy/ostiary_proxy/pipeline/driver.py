"""The one driver of streams: reads upstream, carries out effects in order, then yields data.

All judging is the relay's; all waiting is here. Nothing is written whose effects failed.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from ostiary_proxy.audit.record import AuditUnavailable
from ostiary_proxy.identity import Grant
from ostiary_proxy.outbound.exchange import Exchange, OutboundFailed
from ostiary_proxy.pipeline.bearer import Bearer, living, rejudge
from ostiary_proxy.pipeline.carry import Post, carry, found
from ostiary_proxy.pipeline.effects import Out
from ostiary_proxy.pipeline.forward import failure_of
from ostiary_proxy.pipeline.judge import Judge
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.relay import Relay
from ostiary_proxy.pipeline.trail import outcome
from ostiary_proxy.refused import Refused
from ostiary_proxy.store.port import Conflict, StoreUnavailable

__all__ = ["RelayStream"]

log = structlog.get_logger(__name__)
_COMMENT: Final = 20.0
"""Seconds of silence after which a keep-alive comment is sent (pitfall 17)."""
_SILENCE: Final = 300.0
"""Seconds that upstream may be silent in the answer to a call."""
_LONGEST: Final = 3600.0
"""Seconds that the answer to a call may take in all."""
_MOST: Final = 64 * 1024 * 1024
"""Bytes that the answer to a call may have in all."""


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
        self._waiting: asyncio.Future[None] | None = None
        self._woken = False
        self._headed = False
        self._outs: deque[Out] = deque()
        self._over = False
        self._finished = False
        self._grant: Grant | None = bearer.presented.grant
        self._judged = live.clock()
        self._edge = judge.next_edge(self._judged)
        self._taken = 0
        # Spans are counted by a clock that never jumps, moments by the one on the wall.
        self._tick = asyncio.get_running_loop().time
        self._began = self._heard = self._wrote = self._tick()
        live.streams.opened(self)

    @property
    def listener(self) -> str:
        """Return the grant id of who listens; empty where a call is answered."""
        return self._bearer.presented.grant.gid if self._bearer.listening else ""

    @property
    def voice(self) -> str:
        """Return the name that it shares with streams of which one tells; empty: with none."""
        return self._relay.voice

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece whose effects have happened; the first may be empty (`Stream`)."""
        try:
            piece = await self._piece()
        except Exception:
            log.exception("a stream failed", decision=self._decision)
            piece = self._break_off()
        if piece is None:
            await self._finish(self._relay.word)
            raise StopAsyncIteration
        return piece

    async def _piece(self) -> bytes | None:
        """Return the next piece, None at the end."""
        while True:
            while self._outs:
                if self._woken and not self._over:
                    await self._judge_waiting()
                out = self._outs.popleft()
                if out.before or out.lookup is not None:
                    ready = await asyncio.shield(self._ready(out))
                    if ready is None:
                        break
                    out = ready
                self._over = self._over or out.last
                if out.data or not self._headed:
                    self._headed = True
                    self._wrote = self._tick()
                    return out.data
            if self._over:
                return None
            self._outs.extend(await self._next())

    def _break_off(self) -> bytes | None:
        """End for a fault of our own, as a refusal would: nothing gets through or stays open."""
        told = self._relay.fail(Refused("Internal"))
        self._outs.clear()
        self._over = True
        return told[0].data if told else None

    def wake(self) -> None:
        """Judge again soon."""
        self._woken = True
        self._go_on()

    def tell(self, out: Out) -> None:
        """Say something of our own after what is there to be said."""
        if not self._over:
            self._outs.append(out)
            self._go_on()

    def look(self) -> None:
        """Go on where a moment has come that the stream waits for."""
        if self._waiting is not None and self._due(self._tick(), self._live.clock()):
            self._go_on()

    async def check(self, grants: dict[str, Grant | None]) -> None:
        """Judge again soon if the grant is not what it was; `grants` are those read so far."""
        gid = self._bearer.presented.grant.gid
        if gid not in grants:
            grants[gid] = await living(self._live.newest(), gid, self._live.clock())
        if grants[gid] is not self._grant and grants[gid] != self._grant:
            self._grant = grants[gid]
            self.wake()

    async def abandon(self) -> None:
        """Take note that the client went away (rules 28 and 29)."""
        if self._finished:
            return
        if self._over or not self._lingers or not self._linger():
            await self._finish("cancelled")

    def _linger(self) -> bool:
        gid, live = self._bearer.presented.grant.gid, self._live
        return live.streams.linger(gid, self._drain, holding=live.borrowed())

    # -- waiting ------------------------------------------------------------------------------

    async def _next(self) -> list[Out]:
        """Wait for upstream, a wake or the next moment that matters; return what follows."""
        if self._live.streams.leaving and self._bearer.listening:
            return list(self._relay.leave())
        reading = self._reading or await self._read_on()
        if not self._headed and not reading.done():
            return [Out()]
        if not self._woken and not reading.done():
            await self._wait()
        now = self._live.clock()
        if self._woken or self._passed(now):
            outs = await self._judge_again(now)
            if outs:
                return outs
        if ended := self._run_out(now):
            return list(ended)
        if reading.done():
            return self._take(reading, now)
        silent = self._tick() >= self._wrote + _COMMENT
        return [Out(data=b": keep-alive\n\n")] if silent else []

    async def _read_on(self) -> "asyncio.Future[bytes | None]":
        """Return what reads upstream, begun; what has arrived is read when this returns."""
        self._reading = asyncio.ensure_future(self._read())
        self._reading.add_done_callback(self._go_on)
        reading = self._reading
        await asyncio.sleep(0)  # one turn of the loop, where to be woken takes three
        return reading

    async def _wait(self) -> None:
        """Wait for `_go_on`; one future, no timer: thousands of streams wait at once."""
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _go_on(self, _: object = None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _due(self, tick: float, now: float) -> bool:
        return tick >= self._wrote + _COMMENT or self._passed(now) or self._late(tick, now)

    def _passed(self, now: float) -> bool:
        return self._edge is not None and now >= self._edge

    def _late(self, tick: float, now: float) -> bool:
        if self._bearer.listening:
            return now >= self._bearer.presented.expires
        return tick >= self._heard + _SILENCE or tick >= self._began + _LONGEST

    def _run_out(self, now: float) -> Sequence[Out]:
        """End what has no time left; a slow client does not make upstream silent."""
        tick = self._tick()
        if not self._late(tick, now):
            return ()
        if self._bearer.listening:
            return self._relay.leave()
        if tick >= self._began + _LONGEST:
            return self._relay.fail(Refused("UpstreamTimeout", detail="an answer of an hour"))
        if self._reading is not None and self._reading.done():
            return ()
        return self._relay.fail(Refused("UpstreamTimeout", detail="silent"))

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
        self._taken += len(chunk)
        if self._taken > _MOST and not self._bearer.listening:
            return list(self._relay.fail(Refused("UpstreamInvalid", detail="more than 64 MiB")))
        return list(self._relay.feed(chunk, now))

    async def _judge_again(self, now: float) -> list[Out]:
        self._woken = False
        try:
            judge = await rejudge(self._live.newest(), self._bearer, now)
        except BaseException:  # cancelled: a call that goes on unseen is judged all the same
            self._woken = True
            raise
        self._edge = judge.next_edge(now) if judge is not None else None
        since, self._judged = self._judged, now
        tells = self._live.streams.tells(self)
        return list(self._relay.update(judge, now, since=since, tells=tells))

    async def _judge_waiting(self) -> None:
        """Judge again before more is said: who reads slowly is told no more than others."""
        outs = await self._judge_again(self._live.clock())
        if outs and outs[-1].last:
            self._outs.clear()
        self._outs.extend(outs)

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
        """End, whoever goes away meanwhile: what is open is closed, and the outcome written."""
        if not self._finished:
            self._finished = True
            await asyncio.shield(self._live.streams.adopt(self._end(word)))

    async def _end(self, word: str) -> None:
        self._live.streams.closed(self)
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,), timeout=1)
        await self._exchange.close()
        record = outcome(self._decision, self._live.clock(), word, self._relay.facts())
        # Nothing is left to stop: a restart closes the record as unknown (decision 16).
        with contextlib.suppress(AuditUnavailable):
            await self._live.audit.write(record)
