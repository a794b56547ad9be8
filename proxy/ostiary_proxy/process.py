"""One proxy process from start to end: keys, store, log, configuration, three ports."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from ostiary.config.document import Audit, Bundle
from ostiary.config.keys import KeyDocument
from ostiary.crypto.rings import Rings
from ostiary.crypto.secret import Secret
from ostiary.decode.fault import Faulty
from ostiary.decode.model import validate
from ostiary.decode.strict_json import read_json
from ostiary_proxy.audit.log import ChainedLog, LogSettings
from ostiary_proxy.audit.quota import RefusalQuota
from ostiary_proxy.audit.record import AuditLog, AuditUnavailable
from ostiary_proxy.audit.sink import Sink, Stdout
from ostiary_proxy.edge.admin import AdminEdge
from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.edge.grants import GrantsDesk
from ostiary_proxy.edge.listener import Listener
from ostiary_proxy.edge.public import PublicEdge
from ostiary_proxy.edge.status import StatusEdge
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.streams import Streams
from ostiary_proxy.reload import Reloader, read_folder
from ostiary_proxy.runtime import Process, Runtime
from ostiary_proxy.store.chosen import Chosen, StorageAsked, choose
from ostiary_proxy.store.port import StoreUnavailable
from ostiary_proxy.whole_file import write_whole

__all__ = ["Settings", "run"]

log = structlog.get_logger(__name__)
_DRAIN = 10.0
"""Seconds that running answers get when the process is asked to end."""
_STDOUT = Stdout()
_UNUSABLE = 2
"""Exit code where the process can't start with what it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things lie and where to listen.

    `bundle` is the folder of the shards, `keys` the key document, `state` the store's file, `audit`
    the log's folder and `checkpoints` that of its anchors (another place than the log).
    `admin_token` is written at start, mode 0600; `ready_file` gets the addresses as JSON once the
    process serves.
    """

    bundle: Path
    keys: Path
    state: Path
    audit: Path
    checkpoints: Path
    listen: Endpoint
    status: Endpoint
    admin: Endpoint
    admin_token: Path
    ready_file: Path | None = None


async def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code, 2 where it could not start."""
    try:
        first = await asyncio.to_thread(read_folder, settings.bundle)
        rings = validate(KeyDocument, read_json(settings.keys.read_bytes())).rings()
        asked = _storage(first)
        chosen = choose(asked, _name(first), file=settings.state, clock=_now)
        chained = await _open_log(settings, rings, first)
        quota = RefusalQuota(chained, clock=_now, entropy=os.urandom)
        process = _process(chosen, rings, quota)
    except (Faulty, ValueError, OSError, AuditUnavailable) as error:
        log.error("can't start", error=str(error))
        return _UNUSABLE
    await _advise(chosen)
    try:
        return await _serve(settings, process, first, chained)
    finally:
        await chosen.close()
        await quota.close()
        await chained.close()


async def _open_log(settings: Settings, rings: Rings, first: Bundle) -> ChainedLog:
    gateway = first.config.gateway
    where = LogSettings(
        folder=settings.audit,
        checkpoints=settings.checkpoints,
        gateway=_name(first),
        arguments=gateway.audit.arguments,
        durability=gateway.audit.durability,
        sinks=_sinks(gateway.audit),
    )
    return await ChainedLog.open(where, rings, clock=_now, entropy=os.urandom)


async def _advise(chosen: Chosen) -> None:
    """Tell how the store's server may lose what it holds, or that it is away: it may come back."""
    try:
        for said in await chosen.advice():
            log.warning("the store may lose grants", said=said)
    except StoreUnavailable as away:
        log.error("requests are refused until the store answers", error=str(away))


def _process(chosen: Chosen, rings: Rings, log_: AuditLog) -> Process:
    """Return what lives as long as the process; strangers' refusals come under a quota."""
    return Process(
        rings=rings,
        store=chosen.store,
        wakes=chosen.wakes,
        log=log_,
        streams=Streams(),
        clock=_now,
        entropy=os.urandom,
        new_id=_new_id,
        environ=os.environ,
    )


async def _serve(settings: Settings, process: Process, first: Bundle, chained: ChainedLog) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    reloader = _reloader(process, _storage(first), chained)
    await reloader.take(first)
    process.wakes.listen(lambda: _look_again(reloader))
    listeners = _listeners(settings, process, reloader)
    watching: asyncio.Task[None] | None = None
    try:
        addresses = {name: await listener.start() for name, listener in listeners.items()}
        watching = asyncio.create_task(reloader.watch(settings.bundle))
        if settings.ready_file is not None:
            _say_ready(settings.ready_file, addresses)
        log.info("serving", **{name: str(address) for name, address in addresses.items()})
        await stop.wait()
        return 0
    except OSError as error:
        log.error("can't listen", error=str(error))
        return _UNUSABLE
    finally:
        if watching is not None:
            watching.cancel()
        for listener in listeners.values():
            await listener.stop(drain=_DRAIN)
        await process.streams.settle(_DRAIN)
        await reloader.close()


def _reloader(process: Process, storage: StorageAsked, chained: ChainedLog) -> Reloader:
    def build(bundle: Bundle) -> Runtime:
        if _storage(bundle) != storage:
            raise ValueError("the gateway's storage changed: restart the proxy to use it")
        return Runtime(bundle, process, lambda: _in_force(reloader))

    def swapped(bundle: Bundle) -> None:
        audit = bundle.config.gateway.audit
        chained.keep(arguments=audit.arguments, durability=audit.durability, sinks=_sinks(audit))
        process.streams.wake()

    reloader = Reloader(build, _now, swapped)
    return reloader


def _sinks(audit: Audit) -> tuple[Sink, ...]:
    return (_STDOUT,) if "Stdout" in audit.sinks else ()


def _look_again(reloader: Reloader) -> None:
    if reloader.current is not None:
        reloader.current.look_again()


def _listeners(settings: Settings, process: Process, reloader: Reloader) -> dict[str, Listener]:
    """Return the three ports by name, in the order in which they start and stop."""
    registry, count = _metrics(reloader, process.streams)
    public = PublicEdge(lambda: reloader.current, count)
    return {
        "listen": Listener(public, settings.listen, public.garbled),
        "status": Listener(
            StatusEdge(
                ready=lambda: None if reloader.current else "; ".join(reloader.faults),
                registry=registry,
                internal_jwks=process.rings.internal.jwks,
            ),
            settings.status,
        ),
        "admin": Listener(
            AdminEdge(
                reloader=reloader,
                token=_admin_token(settings.admin_token),
                host=settings.admin.host,
                grants=GrantsDesk(current=lambda: reloader.current),
            ),
            settings.admin,
        ),
    }


def _storage(bundle: Bundle) -> StorageAsked:
    return StorageAsked.of(bundle.config.gateway.storage, bundle.credentials)


def _name(bundle: Bundle) -> str:
    return f"{bundle.config.gateway.namespace}/{bundle.config.gateway.name}"


def _in_force(reloader: Reloader) -> Live:
    assert reloader.current is not None
    return reloader.current.live


def _admin_token(path: Path) -> Secret:
    """Write a fresh token that only this user can read, and return it."""
    token = Secret(os.urandom(32).hex())
    write_whole(path, token.reveal().encode(), private=True)
    return token


def _say_ready(path: Path, addresses: dict[str, Endpoint]) -> None:
    said = {name: str(address) for name, address in addresses.items()}
    write_whole(path, json.dumps({**said, "pid": os.getpid()}).encode(), private=False)


def _metrics(
    reloader: Reloader, streams: Streams
) -> tuple[CollectorRegistry, Callable[[int], None]]:
    """Return the registry and the function that counts an answer by its status."""
    registry = CollectorRegistry()
    answers = Counter("ostiary_http_answers", "Answers by status", ["status"], registry=registry)
    bound = {status: answers.labels(str(status)) for status in (200, 202, 400, 401, 403, 404)}

    def count(status: int) -> None:
        (bound.get(status) or answers.labels(str(status))).inc()

    gauges: dict[str, tuple[str, Callable[[], float]]] = {
        "ostiary_config_revision": ("Revision served", lambda: reloader.loaded.revision),
        "ostiary_config_failures": ("Configurations refused", lambda: reloader.failures),
        "ostiary_config_last_success_timestamp_seconds": (
            "When a configuration was taken last",
            lambda: reloader.last_success or 0,
        ),
        "ostiary_open_streams": ("Streams that are open", lambda: len(streams)),
    }
    for name, (text, value) in gauges.items():
        Gauge(name, text, registry=registry).set_function(value)
    return registry, count


def _now() -> float:
    return time.time()  # noqa: TID251 - the edge has the clock


def _new_id() -> str:
    return os.urandom(12).hex()
