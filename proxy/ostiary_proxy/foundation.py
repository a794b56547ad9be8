"""What lives as long as the process, and is opened for the first bundle: store and audit log."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from ostiary.config.document import Audit, Bundle
from ostiary.crypto.rings import Rings
from ostiary_proxy.audit.counted import QUOTAS
from ostiary_proxy.audit.log import ChainedLog, LogSettings
from ostiary_proxy.audit.quota import Quota
from ostiary_proxy.audit.record import AuditLog, AuditUnavailable
from ostiary_proxy.audit.sink import Sink, Stdout
from ostiary_proxy.audit.tally import CountedLog, Tally
from ostiary_proxy.edge.public_tls import PublicTls
from ostiary_proxy.ending import UNUSABLE, Ending
from ostiary_proxy.pipeline.allowance import Allowance
from ostiary_proxy.pipeline.bridge.newer.underway import Underway
from ostiary_proxy.pipeline.bridge.older.state import Older
from ostiary_proxy.pipeline.kept import Kept
from ostiary_proxy.pipeline.mailbox import Mailbox
from ostiary_proxy.pipeline.places import Places
from ostiary_proxy.pipeline.spoken import Spoken
from ostiary_proxy.pipeline.streams import Streams
from ostiary_proxy.pipeline.upstreams import Upstreams
from ostiary_proxy.runtime import Process
from ostiary_proxy.settings import Settings
from ostiary_proxy.store.chosen import Chosen, StorageAsked, choose
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.store.wakes import Crier

__all__ = ["Foundation", "now"]

log = structlog.get_logger(__name__)
_STDOUT = Stdout()
_ID = 12
"""Bytes of a decision id."""


class Foundation:
    """What lives as long as the process; log and store are opened for the first bundle.

    For its gateway says whose log it is and how it is kept. Where that fails the process ends:
    whoever runs it starts it again, and its log says why.
    """

    def __init__(self, settings: Settings, rings: Rings, ending: Ending) -> None:
        self.settings = settings
        self.rings = rings
        self.ending = ending
        self.streams = Streams()
        self.upstreams = Upstreams()
        self.tally = Tally()
        self.tls = PublicTls(now) if settings.tls else None
        self._process: Process | None = None
        self._log: ChainedLog | None = None
        self._quotas: list[Quota] = []
        self._chosen: Chosen | None = None
        self._storage: StorageAsked | None = None

    async def process(self, bundle: Bundle, look_again: Callable[[], None]) -> Process:
        """Return the process's things; raises ValueError where they can't be had.

        `look_again` is called whenever something was revoked on any replica, or may have been.
        """
        asked = StorageAsked.of(bundle.config.gateway.storage, bundle.credentials)
        if self._process is None:
            try:
                self._process = await self._open(bundle, asked)
            except (OSError, ValueError, AuditUnavailable) as error:
                log.error("can't start", error=str(error))
                self.ending.fail(UNUSABLE)
                raise ValueError(str(error)) from error
            self._process.wakes.listen(partial(_hear, self._process, look_again))
        elif asked != self._storage:
            raise ValueError("the gateway's storage changed: restart the proxy to use it")
        return self._process

    def took_over(self, bundle: Bundle) -> None:
        """Keep the log as the bundle in force asks, show its certificates, judge streams by it."""
        audit = bundle.config.gateway.audit
        if self._log is not None:
            self._log.keep(
                arguments=audit.arguments, durability=audit.durability, sinks=_sinks(audit)
            )
        if self.tls is not None:
            self.tls.take(bundle)
        elif bundle.config.gateway.tls is not None:
            log.warning("the public port speaks plain HTTP: only --tls makes it use certificates")
        self.streams.wake()

    async def rekey(self, rings: Rings) -> None:
        """Use other keys from now on; what is served has to be built anew then."""
        self.rings = rings
        if self._log is not None:
            await self._log.rekey(rings)
        if self._process is not None:
            self._process.mailbox.rekey(rings.seal)
            self._process = replace(self._process, rings=rings)

    def internal_jwks(self) -> dict[str, Any]:
        """Return the JWK set that verifies internal tokens."""
        return self.rings.internal.jwks()

    async def close(self) -> None:
        """Close the store, and write the end of the log."""
        if self._chosen is not None:
            await self._chosen.close()
        for quota in self._quotas:
            await quota.close()
        if self._log is not None:
            await self._log.close()

    async def _open(self, bundle: Bundle, asked: StorageAsked) -> Process:
        """Open the store and the log, whose records come under quotas after they were counted."""
        settings = self.settings
        self._storage = asked
        self._chosen = choose(asked, _name(bundle), file=settings.state, clock=now)
        self._log = await _open_log(settings, self.rings, bundle)
        limited = self._under_quotas(self._log)
        await _advise(self._chosen)
        cry = Crier(self._chosen.wakes, self.streams.adopt).cry
        older = Older(self.streams, os.urandom(8).hex(), tell=cry)
        return Process(
            rings=self.rings,
            store=self._chosen.store,
            wakes=self._chosen.wakes,
            log=CountedLog(limited, self.tally),
            streams=self.streams,
            upstreams=self.upstreams,
            spoken=Spoken(now),
            mailbox=Mailbox(self._chosen.store, self.rings.seal, clock=now, entropy=os.urandom),
            underway=Underway(now, tell=cry),
            older=older,
            kept=Kept(now, tell=cry),
            places=Places(older.replica),
            allowance=Allowance(now),
            clock=now,
            entropy=os.urandom,
            new_id=partial(next, _ids()),
            environ=os.environ,
        )

    def _under_quotas(self, written: AuditLog) -> AuditLog:
        for counted in QUOTAS:
            written = Quota(written, counted, clock=now, entropy=os.urandom)
            self._quotas.append(written)
        return written


def _hear(process: Process, look_again: Callable[[], None], word: str) -> None:
    """Take note of what a replica published: what a server changed, or that all may be another."""
    if word:
        process.kept.hear(word)
        process.older.hear(word)
        process.underway.hear(word)
        return
    process.kept.clear()
    look_again()


async def _open_log(settings: Settings, rings: Rings, first: Bundle) -> ChainedLog:
    audit = first.config.gateway.audit
    where = LogSettings(
        folder=settings.audit,
        checkpoints=settings.checkpoints,
        gateway=_name(first),
        arguments=audit.arguments,
        durability=audit.durability,
        sinks=_sinks(audit),
    )
    return await ChainedLog.open(where, rings, clock=now, entropy=os.urandom)


async def _advise(chosen: Chosen) -> None:
    """Tell how the store's server may lose what it holds, or that it is away: it may come back."""
    try:
        for said in await chosen.advice():
            log.warning("the store may lose grants", said=said)
    except StoreUnavailable as away:
        log.error("requests are refused until the store answers", error=str(away))


def _sinks(audit: Audit) -> tuple[Sink, ...]:
    return (_STDOUT,) if "Stdout" in audit.sinks else ()


def _name(bundle: Bundle) -> str:
    return f"{bundle.config.gateway.namespace}/{bundle.config.gateway.name}"


def now() -> float:
    """Return the time: the edge has the clock."""
    return time.time()  # noqa: TID251 - see above


def _ids() -> Iterator[str]:
    """Iterate for ever over ids, made many at a time: what a system call costs shows in a call."""
    while True:
        block = os.urandom(_ID * 256)
        yield from (block[at : at + _ID].hex() for at in range(0, len(block), _ID))
