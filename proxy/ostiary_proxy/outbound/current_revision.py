"""Asking the operator which revision is current: one number over plain HTTP (ADR 9)."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import structlog

from ostiary.config.document import UpstreamsRule
from ostiary.decode.fault import Faulty
from ostiary.decode.strict_json import read_json
from ostiary_proxy.outbound.exchange import OutboundFailed, Outgoing
from ostiary_proxy.outbound.guard import Guard
from ostiary_proxy.outbound.http import HttpClient
from ostiary_proxy.outbound.transport import PooledTransport

__all__ = ["CurrentRevision"]

log = structlog.get_logger(__name__)
_TIMEOUT: Final = 1.0
_LONGEST: Final = 1024


class CurrentRevision:
    """The question for one gateway. `url` is the operator's, given by who runs the proxy."""

    def __init__(self, url: str, gateway_uid: str, environ: Mapping[str, str]) -> None:
        guard = Guard.of(UpstreamsRule(), allow_loopback=True, environ=environ)
        self._transport = PooledTransport(guard)
        self._http = HttpClient(self._transport, allow_loopback=True)
        path = f"/gateways/{quote(gateway_uid, safe='')}/revision"
        self._request = Outgoing(
            method="GET",
            url=url.rstrip("/") + path,
            headers=(),
            named_by="platform",
            timeout=_TIMEOUT,
        )

    async def ask(self) -> int | None:
        """Return the revision, or None where the operator is away or does not know the gateway."""
        try:
            answer = await self._http.fetch(self._request, _LONGEST)
            said = read_json(answer.body) if answer.status == 200 else None
        except (OutboundFailed, Faulty) as error:
            log.debug("the operator was not heard", error=str(error))
            return None
        revision = said.get("revision") if isinstance(said, dict) else None
        return revision if type(revision) is int and revision >= 0 else None

    async def close(self) -> None:
        """Close the connection."""
        await self._transport.close()
