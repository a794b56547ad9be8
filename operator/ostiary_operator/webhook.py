"""The validating webhook from start to end: certificate, port, and what the API server is told.

Every replica serves it. The one that acts renews the certificate and tells the API server, and that
only once the port was reached as the API server will reach it.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

import aiohttp
import structlog
from aiohttp import web

from ostiary_operator.api import Api
from ostiary_operator.apply import NotApplied
from ostiary_operator.certificates import Certified
from ostiary_operator.failures import ApiFailed
from ostiary_operator.tls import show
from ostiary_operator.webhook_certificate import WebhookCertificate
from ostiary_operator.webhook_configuration import Configuration
from ostiary_operator.webhook_port import LIVE, WebhookPort

__all__ = ["Webhook"]

log = structlog.get_logger(__name__)
_SERVICE: Final = "ostiary-operator"
_LOOK: Final = 10.0
"""Seconds between two looks at what stands."""
_SOON: Final = 1.0
"""The same while something is missing."""
_LAST: Final = 1.0
"""Seconds that answers get to end in."""
_REACH: Final = aiohttp.ClientTimeout(total=3)


class Webhook:
    """The webhook of one replica; `acts` says whether it is the one that acts.

    `count` is told how each review ended.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        port: int,
        *,
        acts: Callable[[], bool],
        now: Callable[[], float],
        count: Callable[[str], None],
    ) -> None:
        self._listens_on = port
        self._acts = acts
        self._host = f"{_SERVICE}.{namespace}.svc"
        self._certificate = WebhookCertificate(api, namespace, self._host, now)
        service = {"namespace": namespace, "name": _SERVICE, "port": 443}
        self._configuration = Configuration(api, service)
        self._port = WebhookPort(count)
        server = web.Server(self._port, auto_decompress=False)
        self._runner = web.ServerRunner(server, access_log=None, shutdown_timeout=_LAST)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._shown: Certified | None = None
        self._said = ""

    async def run(self) -> None:
        """Serve and look after it for ever; what is missing is tried again."""
        await self._runner.setup()
        try:
            while True:
                pause = _LOOK if await self._stands() else _SOON
                await asyncio.sleep(pause)
        finally:
            await self._runner.cleanup()
            self._port.close()

    async def _stands(self) -> bool:
        """Say whether everything is where it should be, after what could be done for it."""
        try:
            stands, failure = await self._look(), ""
        except (ApiFailed, NotApplied, OSError) as failed:
            stands, failure = False, str(failed)
        if failure and failure != self._said:
            log.warning("the webhook is not complete", why=failure)
        self._said = failure
        return stands

    async def _look(self) -> bool:
        """Bring everything to where it should be; say whether it is there."""
        acts = self._acts()
        found = await self._certificate.current(acts=acts)
        if found is None:
            return False
        authorities, pair = found
        await self._serve(pair)
        if acts:
            await self._reach(authorities)
            await self._configuration.apply(authorities)
        return True

    async def _serve(self, pair: Certified) -> None:
        """Listen, and show this certificate to new connections; raises OSError."""
        if pair == self._shown:
            return
        show(self._context, pair)
        if self._shown is None:
            await web.TCPSite(
                self._runner, None, self._listens_on, ssl_context=self._context
            ).start()
        self._shown = pair
        log.info("the webhook shows a new certificate", port=self._listens_on)

    async def _reach(self, authorities: str) -> None:
        """Call the port by its Service; raises OSError where that fails."""
        context = ssl.create_default_context(cadata=authorities)
        connector = aiohttp.TCPConnector(ssl=context)
        try:
            async with (
                aiohttp.ClientSession(  # noqa: TID251 - cluster-internal, pinned by TLS
                    connector=connector, timeout=_REACH, trust_env=False
                ) as session,
                session.get(f"https://{self._host}{LIVE}", allow_redirects=False) as said,
            ):
                said.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OSError(f"the webhook can't be reached by its Service: {error!r}") from error
