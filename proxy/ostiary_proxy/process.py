"""One proxy process from start to end: keys, store, log, configuration, three ports."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import structlog

from ostiary.config.document import Bundle
from ostiary.crypto.rings import Rings
from ostiary.crypto.secret import Secret
from ostiary_proxy.confirmation import Confirmation
from ostiary_proxy.edge.accounts import AccountsDesk
from ostiary_proxy.edge.admin import AdminEdge, TokenGate
from ostiary_proxy.edge.admin_tls import follow_files, is_operator, tls_context
from ostiary_proxy.edge.endpoint import Endpoint
from ostiary_proxy.edge.grants import GrantsDesk
from ostiary_proxy.edge.listener import Listener
from ostiary_proxy.edge.metrics import Metrics, registry_of
from ostiary_proxy.edge.public import PublicEdge
from ostiary_proxy.edge.report import Reporter
from ostiary_proxy.edge.status import StatusEdge
from ostiary_proxy.ending import UNUSABLE, Ending
from ostiary_proxy.foundation import Foundation, now
from ostiary_proxy.key_file import follow_keys, read_keys
from ostiary_proxy.outbound.current_revision import CurrentRevision
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.pipeline.streams import Streams
from ostiary_proxy.reload import Reloader
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.settings import Settings
from ostiary_proxy.whole_file import write_whole

__all__ = ["run"]

log = structlog.get_logger(__name__)
_DRAIN = 10.0
"""Seconds that running answers get when the process is asked to end."""
_LAST = 1.0
"""Seconds that what still runs then gets to be cancelled."""


async def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code, 2 where it could not start."""
    try:
        rings = read_keys(settings.keys.read_bytes())
        if not settings.bundle.is_dir():
            raise ValueError(f"{settings.bundle} is no folder; --bundle names that of the shards")
    except (ValueError, OSError) as error:
        log.error("can't start", error=str(error))
        return UNUSABLE
    ending = Ending()
    ending.listen()
    foundation = Foundation(settings, rings, ending)
    try:
        await _serve(foundation)
    finally:
        await foundation.close()
    return ending.exit_code


async def _serve(foundation: Foundation) -> None:
    """Open the ports, then look for a bundle; whoever asks before is told why nothing is served."""

    async def build(bundle: Bundle) -> Runtime:
        process = await foundation.process(bundle, look_again)
        return await Runtime.of(bundle, process, lambda: _in_force(reloader), reloader.current)

    def look_again() -> None:
        if reloader.current is not None:
            reloader.current.look_again()

    settings, ending, streams = foundation.settings, foundation.ending, foundation.streams
    reloader = Reloader(build, now, foundation.took_over)
    question = _question(settings)
    confirmation = Confirmation(question.ask if question is not None else None, reloader)
    listeners: dict[str, Listener] = {}
    following: list[asyncio.Task[None]] = []
    try:
        listeners = _listeners(foundation, reloader, confirmation)
        addresses = {name: await listener.start() for name, listener in listeners.items()}
        await reloader.load(settings.bundle)
        following = _follow(foundation, reloader, confirmation, listeners["admin"])
        if settings.ready_file is not None and not ending:
            _say_ready(settings.ready_file, addresses)
        log.info("serving", **{name: str(address) for name, address in addresses.items()})
        await ending.wait()
        if not ending.exit_code:
            await ending.unless_at_once(_drain(settings, listeners["listen"], streams))
    except OSError as error:
        log.error("can't start", error=str(error))
        ending.fail(UNUSABLE)
    finally:
        for task in following:
            task.cancel()
        for listener in listeners.values():
            await listener.stop(drain=_LAST)
        await streams.settle(_LAST)
        await reloader.close()
        if question is not None:
            await question.close()


def _question(settings: Settings) -> CurrentRevision | None:
    if settings.operator_url is None:
        return None
    return CurrentRevision(settings.operator_url, settings.gateway_uid or "", os.environ)


def _follow(
    foundation: Foundation, reloader: Reloader, confirmation: Confirmation, admin: Listener
) -> list[asyncio.Task[None]]:
    """Return the tasks that bring what is new; where one of them fails the process ends."""

    def ended(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("nothing new would be noticed any more", error=repr(error))
            foundation.ending.fail(UNUSABLE)

    async def rekey(rings: Rings) -> None:
        await foundation.rekey(rings)
        await reloader.rebuild()

    settings = foundation.settings
    follows = [
        reloader.watch(settings.bundle),
        confirmation.follow(),
        follow_keys(settings.keys, foundation.rings, rekey),
    ]
    if settings.admin_tls is not None:
        follows.append(follow_files(settings.admin_tls, admin.renew))
    tasks = [asyncio.create_task(one) for one in follows]
    for task in tasks:
        task.add_done_callback(ended)
    return tasks


async def _drain(settings: Settings, public: Listener, streams: Streams) -> None:
    """Let clients go: new ones find another replica, running answers get their time.

    Those who balance load take a moment to see that we are not ready; until then we take calls, and
    tell each connection to close after its answer.
    """
    log.info("draining", seconds=settings.shutdown_delay)
    await asyncio.sleep(settings.shutdown_delay)
    streams.leave()
    await public.stop(drain=_DRAIN)
    await streams.settle(_DRAIN)


def _listeners(
    foundation: Foundation, reloader: Reloader, confirmation: Confirmation
) -> dict[str, Listener]:
    """Return the three ports by name, in the order in which they start and stop."""
    settings, ending = foundation.settings, foundation.ending
    metrics = Metrics(
        reloader=reloader,
        confirmation=confirmation,
        streams=foundation.streams,
        tally=foundation.tally,
        upstreams=foundation.upstreams,
    )
    public = PublicEdge(
        lambda: reloader.current if confirmation.settled else None,
        metrics.answered,
        leaving=lambda: bool(ending),
    )
    status = StatusEdge(
        ready=lambda: _why_not_ready(reloader, confirmation, ending),
        registry=registry_of(metrics),
        internal_jwks=foundation.internal_jwks,
    )
    return {
        "listen": Listener(
            public,
            settings.listen,
            garbled=public.garbled,
            tls=foundation.tls.context if foundation.tls is not None else None,
        ),
        "status": Listener(status, settings.status),
        "admin": _admin(foundation, reloader, confirmation),
    }


def _admin(foundation: Foundation, reloader: Reloader, confirmation: Confirmation) -> Listener:
    """Return the admin port: behind mutual TLS, or behind a token of this run."""
    settings = foundation.settings
    edge = AdminEdge(
        reloader=reloader,
        report=Reporter(
            boot=os.urandom(8).hex(),
            reloader=reloader,
            confirmation=confirmation,
            tally=foundation.tally,
            upstreams=foundation.upstreams,
            tls=foundation.tls,
        ),
        confirmation=confirmation,
        grants=GrantsDesk(current=lambda: reloader.current),
        accounts=AccountsDesk(current=lambda: reloader.current),
        gate=None,
    )
    if settings.admin_tls is not None:
        tls = tls_context(settings.admin_tls)
        return Listener(edge, settings.admin, tls=tls, admits=is_operator)
    assert settings.admin_token is not None  # the command demands one of the two
    gate = TokenGate(token=_admin_token(settings.admin_token), host=settings.admin.host)
    return Listener(replace(edge, gate=gate), settings.admin)


def _why_not_ready(reloader: Reloader, confirmation: Confirmation, ending: Ending) -> str | None:
    """Return why no traffic should come here.

    Not asked are the store and the log: they may be gone for every replica at once, and a replica
    that is ready refuses each request properly, while one that is not answers nothing.
    """
    if ending:
        return "draining: the process was asked to end"
    if reloader.current is None:
        return "; ".join(reloader.loaded.failures)
    return None if confirmation.settled else "asking the operator which revision is current"


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
