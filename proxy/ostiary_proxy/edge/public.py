"""The public port: MCP, OAuth and pages for every origin that the configuration names."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from ostiary.decode.strict_json import Json
from ostiary_proxy.audit.record import AuditUnavailable, Kind, Record
from ostiary_proxy.edge.listener import incoming_of, write_reply
from ostiary_proxy.edge.source import source_of
from ostiary_proxy.edge.writing import write_answer
from ostiary_proxy.pipeline.answer import Answer
from ostiary_proxy.pipeline.live import Live
from ostiary_proxy.refused import Refused, link
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.wire import Incoming, Reply

__all__ = ["PublicEdge"]

log = structlog.get_logger(__name__)
_NOT_YET: Final = Reply(
    status=503, headers=(("retry-after", "1"),), body=b"this gateway is starting; try again\n"
)


class PublicEdge:
    """Matches a request to an origin, hands it to the runtime in force.

    And writes what comes back. `leaving` says that the process ends: each connection then closes
    after its answer, and its client opens the next one elsewhere.
    """

    def __init__(
        self,
        current: Callable[[], Runtime | None],
        count: Callable[[int], None],
        *,
        leaving: Callable[[], bool],
    ) -> None:
        self._current = current
        self._count = count
        self._leaving = leaving

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        runtime = self._current()
        if runtime is None:
            return write_reply(_NOT_YET)
        with runtime.borrowed():
            try:
                answer = await runtime.serve(_incoming(request, runtime))
            except Refused as refused:
                answer = _plain(await _noted(refused, request, runtime.live))
            self._count(answer.status)
            return await write_answer(request, answer, closing=self._leaving())

    async def garbled(self, request: web.BaseRequest) -> None:
        """Write down that a request was no HTTP; it is answered already."""
        runtime = self._current()
        if runtime is not None:
            await _noted(Refused("InvalidHttp"), request, runtime.live)


async def _noted(refused: Refused, request: web.BaseRequest, live: Live) -> Refused:
    """Write down, or count, the refusal of a request that reached no route; return the refusal."""
    facts: dict[str, Json] = {"decision": "deny", "code": refused.code, "detail": refused.detail}
    record = Record(
        id=live.new_id(),
        kind=Kind.REFUSAL,
        at=live.clock(),
        facts=facts,
        personal={"source": request.remote or ""},
    )
    try:
        await live.audit.write(record)
    except AuditUnavailable as error:
        return Refused("AuditUnavailable", detail=str(error))
    return refused


def _incoming(request: web.BaseRequest, runtime: Runtime) -> Incoming:
    """Return the request as values, matched to a configured origin by its one Host header."""
    origin = runtime.origins.get(request.headers.get("host", "").lower())
    if origin is None:
        raise Refused("UnknownRoute", detail="the Host names no origin of this gateway")
    forwarded = ",".join(request.headers.getall("x-forwarded-for", ()))
    source = source_of(request.remote or "", forwarded, runtime.trusted_proxies)
    return incoming_of(request, origin=origin, source=source)


def _plain(refused: Refused) -> Answer:
    """Return a refusal that happened before anything knew whether a person or a client asks."""
    text = f"{HTTPStatus(refused.how.status).phrase}: {refused.message}. {link(refused.code)}\n"
    headers = (("content-type", "text/plain; charset=utf-8"), *refused.headers)
    return Answer(status=refused.how.status, headers=headers, body=text.encode())
