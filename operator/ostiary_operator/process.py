"""One operator process from start to end: the API, one port, one replica."""

import asyncio
import signal

import structlog
from aiohttp import web
from kubernetes.aio.config import ConfigException

from ostiary_operator.apart import Apart
from ostiary_operator.api import Api
from ostiary_operator.edge import Edge
from ostiary_operator.metrics import Metrics
from ostiary_operator.replica import Replica
from ostiary_operator.settings import Settings

__all__ = ["run"]

log = structlog.get_logger(__name__)
_UNUSABLE = 2
"""Exit code where the process can't start with what it was given."""
_LAST = 2.0
"""Seconds that watches and answers get to end after everything that matters has."""


async def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT (0) or until something fails for good (1): start it anew then."""
    async with Apart() as apart:
        return await _run(settings, apart)


async def _run(settings: Settings, apart: Apart) -> int:
    try:
        api = await Api.connect(settings.kubeconfig)
        lease = await apart.run(Api.connect(settings.kubeconfig))
    except ConfigException as error:
        log.error("there is no cluster to speak to", error=str(error))
        return _UNUSABLE
    metrics = Metrics()
    replica = Replica(settings, api, metrics, apart=apart, lease=lease)
    server = web.Server(Edge(replica, metrics.registry))
    port = web.ServerRunner(server, access_log=None, shutdown_timeout=_LAST)
    try:
        await port.setup()
        await web.TCPSite(port, None, settings.port).start()
        log.info("standing by", port=settings.port, identity=settings.identity)
        if "" not in settings.scope:
            said = "labels of namespaces are not known: a listener's Selector sees their names only"
            log.info(said, namespaces=settings.scope)
        return await _until_stopped(replica)
    except OSError as error:
        log.error("can't listen", port=settings.port, error=str(error))
        return _UNUSABLE
    finally:
        await port.cleanup()
        await api.close()
        await apart.run(lease.close())


async def _until_stopped(replica: Replica) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    running = asyncio.create_task(replica.run())
    await asyncio.wait({stopping, running}, return_when=asyncio.FIRST_COMPLETED)
    failed = running.exception() if running.done() else None
    await replica.rest()
    for task in (stopping, running):
        task.cancel()
    await asyncio.wait({stopping, running}, timeout=_LAST)
    if failed is None:
        return 0
    log.error("the operator ends and has to be started anew", exc_info=failed)
    return 1
